/* SPDX-License-Identifier: MIT */
#include "control/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/message.h"

/* Room for the largest report; an answer that does not fit ends the connection. */
#define CLIENT_OUT (64u << 10)

struct client {
	int descriptor; /* -1: free */
	uint64_t used;	/* control.clock of its last sign of life */
	bool busy;  /* its answer is under way; nothing more is read from it, the place is taken */
	bool later; /* nor from it: `request` waits for control_resume */
	struct request request;
	size_t in_length, out_start, out_length;
	char in[REQUEST_BYTES];
	char out[CLIENT_OUT];
};

struct control {
	int listener, folder;
	pid_t pid;
	uint64_t clock;
	control_fn answer;
	void *argument;
	struct client clients[CONTROL_CLIENTS];
};

int control_open_folder(const char *path, uid_t uid)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (folder < 0)
		return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
	if (!fstat(folder, &status) && status.st_uid == uid && !(status.st_mode & 077))
		return folder;
	close(folder);
	return -EPERM;
}

/* The variable speaks of the caller, if of anybody: after sudo or su it may be another's. */
static bool is_own_runtime(const char *path)
{
	int folder = path && *path == '/' ? control_open_folder(path, geteuid()) : -1;

	if (folder < 0)
		return false;
	close(folder);
	return true;
}

bool control_folder(uid_t uid, unsigned int which, char *path, size_t path_size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (which == 0 && uid == geteuid() && is_own_runtime(runtime)) {
		snprintf(path, path_size, "%s/vswap", runtime);
		return true;
	}
	if (uid == 0 && which <= 1) {
		snprintf(path, path_size, "/run/vswap");
		return true;
	}
	if (which <= (uid ? 1 : 2)) {
		snprintf(path, path_size, "/run/user/%u/vswap", (unsigned int)uid);
		return true;
	}
	snprintf(path, path_size, "/tmp/vswap-%u", (unsigned int)uid);
	return which == (uid ? 2 : 3);
}

struct sockaddr_un control_address(int folder, pid_t pid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%d.sock", folder,
		 (int)pid);
	return address;
}

/* The first of them that can be had, open; `path` names it, or the last that was tried. */
static int choose_folder(char *path, size_t size)
{
	int folder = -ENOENT;

	for (unsigned int which = 0; control_folder(geteuid(), which, path, size); which++) {
		if (mkdir(path, 0700) && errno != EEXIST)
			folder = -errno;
		else
			folder = control_open_folder(path, geteuid());
		if (folder >= 0)
			break;
	}
	return folder;
}

static int listen_in(int folder, pid_t pid)
{
	const struct sockaddr_un address = control_address(folder, pid);
	int descriptor, error;

	descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (descriptor < 0)
		return -errno;
	/* A socket of an owner that died; pids come back. */
	unlink(address.sun_path);
	/* The file gets the socket's own mode. */
	if (!fchmod(descriptor, 0600) &&
	    !bind(descriptor, (const struct sockaddr *)&address, sizeof(address)) &&
	    !listen(descriptor, CONTROL_CLIENTS))
		return descriptor;
	error = errno;
	close(descriptor);
	return -error;
}

int control_open(struct control **out, pid_t pid, control_fn answer, void *argument,
		 char message[MESSAGE_BYTES])
{
	struct control *control = calloc(1, sizeof(*control));
	char path[128];
	int result;

	if (!control)
		return -ENOMEM;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		control->clients[i].descriptor = -1;
	control->answer = answer;
	control->argument = argument;
	control->pid = pid;
	control->folder = result = choose_folder(path, sizeof(path));
	if (result >= 0)
		result = listen_in(control->folder, pid);
	if (result < 0) {
		explain(message, 0,
			"cannot listen for commands in %s: %s; set XDG_RUNTIME_DIR to a folder of "
			"your own",
			path, result == -EPERM ? "it belongs to another user" : strerror(-result));
		if (control->folder >= 0)
			close(control->folder);
		free(control);
		return result;
	}
	control->listener = result;
	*out = control;
	return 0;
}

static void client_close(struct client *client)
{
	if (client->descriptor >= 0)
		close(client->descriptor);
	client->descriptor = -1;
	client->later = false;
	client->in_length = client->out_start = client->out_length = 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		client_close(&control->clients[i]);
	close(control->listener);
	unlink(control_address(control->folder, control->pid).sun_path);
	close(control->folder);
	free(control);
}

/* Sends what waits, as far as the socket takes it. */
static void client_flush(struct client *client)
{
	while (client->descriptor >= 0 && client->out_start < client->out_length) {
		ssize_t sent =
			send(client->descriptor, client->out + client->out_start,
			     client->out_length - client->out_start, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN)
			client_close(client);
		if (sent < 0)
			return;
		client->out_start += (size_t)sent;
	}
	client->out_start = client->out_length = 0;
}

void client_send(struct client *client, struct json_object *object)
{
	const char *text =
		object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN) : NULL;
	size_t length = text ? strlen(text) : 0;

	if (client->descriptor >= 0) {
		if (!text || length + 1 > CLIENT_OUT - client->out_length) {
			client_close(client);
		} else {
			memcpy(client->out + client->out_length, text, length);
			client->out[client->out_length + length] = '\n';
			client->out_length += length + 1;
			client_flush(client);
		}
	}
	json_object_put(object);
}

void client_fail(struct client *client, const char *message)
{
	struct json_object *object = json_object_new_object();

	if (object)
		json_object_object_add(object, "error", json_object_new_string(message));
	client_send(client, object);
}

void client_progress(struct client *client, uint64_t done, uint64_t total)
{
	struct json_object *object, *progress;

	client_flush(client);
	if (client->descriptor < 0 || client->out_length)
		return;
	object = json_object_new_object();
	progress = json_object_new_object();
	json_object_object_add(progress, "done", json_object_new_uint64(done));
	json_object_object_add(progress, "total", json_object_new_uint64(total));
	json_object_object_add(object, "progress", progress);
	client_send(client, object);
}

pid_t client_pid(const struct client *client)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(client->descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) ? 0 : peer.pid;
}

/* Only the space's user and root; the folder's mode says so already, but root may have
 * moved things. */
static bool peer_is_trusted(int descriptor)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return false;
	return peer.uid == geteuid() || peer.uid == 0;
}

/* The one that has been quiet longest; among those that wait for an answer only if need be. */
static struct client *quietest(struct control *control, bool later)
{
	struct client *oldest = NULL;

	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (!client->busy && client->later == later &&
		    (!oldest || client->used < oldest->used))
			oldest = client;
	}
	return oldest;
}

/* A free place, or another's: idle clients must not lock others out. NULL: all are busy. */
static struct client *place_for_client(struct control *control)
{
	struct client *client;

	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (control->clients[i].descriptor < 0 && !control->clients[i].busy)
			return &control->clients[i];
	client = quietest(control, false);
	if (!client)
		client = quietest(control, true);
	if (client)
		client_close(client);
	return client;
}

static void accept_client(struct control *control, int descriptor)
{
	struct client *client;

	if (!peer_is_trusted(descriptor)) {
		close(descriptor);
		return;
	}
	client = place_for_client(control);
	if (!client) {
		close(descriptor);
		return;
	}
	client->descriptor = descriptor;
	client->used = ++control->clock;
}

/* All that wait, since a turn of the owner's loop may be long; but no more than there is room for.
 */
static void accept_clients(struct control *control)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		int descriptor =
			accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (descriptor < 0)
			return;
		accept_client(control, descriptor);
	}
}

static void answer_request(struct control *control, struct client *client)
{
	client->busy = true;
	client->later = !control->answer(control->argument, client, &client->request);
	client->busy = false;
}

static void answer_line(struct control *control, struct client *client, const char *line,
			size_t length)
{
	char message[MESSAGE_BYTES];

	if (request_parse(line, length, &client->request, message))
		client_fail(client, message);
	else
		answer_request(control, client);
}

/* Takes complete lines, one at a time, while the answers are being read. */
static void answer_lines(struct control *control, struct client *client)
{
	char *newline;

	while (client->descriptor >= 0 && !client->out_length && !client->later &&
	       (newline = memchr(client->in, '\n', client->in_length))) {
		size_t length = (size_t)(newline - client->in);
		char line[REQUEST_BYTES];

		memcpy(line, client->in, length);
		client->in_length -= length + 1;
		memmove(client->in, newline + 1, client->in_length);
		answer_line(control, client, line, length);
	}
	if (client->descriptor >= 0 && client->in_length == sizeof(client->in)) {
		client_fail(client, "the request is longer than 4095 bytes");
		client_close(client);
	}
}

static void read_client(struct control *control, struct client *client)
{
	ssize_t got = recv(client->descriptor, client->in + client->in_length,
			   sizeof(client->in) - client->in_length, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		client_close(client);
		return;
	}
	client->used = ++control->clock;
	client->in_length += (size_t)got;
	answer_lines(control, client);
}

unsigned int control_polls(struct control *control, struct pollfd *polls)
{
	unsigned int count = 0;

	polls[count++] = (struct pollfd){.fd = control->listener, .events = POLLIN};
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (client->descriptor >= 0 && !client->busy && !client->later)
			polls[count++] = (struct pollfd){
				.fd = client->descriptor,
				.events = client->out_length ? POLLOUT : POLLIN,
			};
	}
	return count;
}

static struct client *client_of(struct control *control, int descriptor)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (control->clients[i].descriptor == descriptor)
			return &control->clients[i];
	return NULL;
}

void control_serve(struct control *control, const struct pollfd *polls, unsigned int count)
{
	/* Clients first: a descriptor number that accept reuses is not in `polls` then (or, after
	 * control_serve_others, of one that says nothing yet, which does no harm). */
	for (unsigned int i = 1; i < count; i++) {
		struct client *client = client_of(control, polls[i].fd);

		if (!client || !polls[i].revents)
			continue;
		if (polls[i].revents & POLLOUT) {
			client_flush(client);
			answer_lines(control, client);
		} else {
			read_client(control, client);
		}
	}
	if (polls[0].revents)
		accept_clients(control);
}

/* Who has lost patience has told its user that nothing was done. */
static bool has_gone(const struct client *client)
{
	struct pollfd peer = {.fd = client->descriptor};

	return poll(&peer, 1, 0) > 0 && peer.revents & (POLLHUP | POLLERR);
}

void control_resume(struct control *control)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (!client->later)
			continue;
		if (has_gone(client)) {
			client_close(client);
			continue;
		}
		answer_request(control, client);
		answer_lines(control, client);
	}
}

void control_serve_others(struct control *control)
{
	struct pollfd polls[CONTROL_POLLS];
	unsigned int count = control_polls(control, polls);

	if (poll(polls, count, 0) > 0)
		control_serve(control, polls, count);
}
