/* SPDX-License-Identifier: MIT */
#include "control/socket.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Room for the largest report; an answer that does not fit ends the connection. */
#define CLIENT_OUT (64u << 10)

struct client {
	int descriptor; /* -1: free */
	uint64_t used;	/* control.clock of its last sign of life */
	size_t in_length, out_start, out_length;
	char in[REQUEST_BYTES];
	char out[CLIENT_OUT];
};

struct control {
	int listener;
	uint64_t clock;
	control_fn answer;
	void *argument;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct client clients[CONTROL_CLIENTS];
};

bool control_folder(uid_t uid, unsigned int which, char *path, size_t path_size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (which == 0) {
		/* The variable speaks of the caller; another user's folder has the usual name. */
		if (uid == geteuid() && runtime && *runtime == '/')
			snprintf(path, path_size, "%s/vswap", runtime);
		else
			snprintf(path, path_size, "/run/user/%u/vswap", (unsigned int)uid);
		return true;
	}
	snprintf(path, path_size, "/tmp/vswap-%u", (unsigned int)uid);
	return which == 1;
}

/* /tmp is everybody's: a folder of that name that another user made is not to be used. */
static int make_folder(const char *path)
{
	struct stat status;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	if (lstat(path, &status))
		return -errno;
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077))
		return -EPERM;
	return 0;
}

static int choose_folder(char *folder, size_t size)
{
	int result = -ENOENT;

	for (unsigned int which = 0; control_folder(geteuid(), which, folder, size); which++) {
		result = make_folder(folder);
		if (!result)
			return 0;
	}
	return result;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int descriptor, error;

	descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (descriptor < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	/* A socket of an owner that died; pids come back. */
	unlink(path);
	/* Mode before bind, so that there is no moment with a wider one. */
	if (!fchmod(descriptor, 0600) &&
	    !bind(descriptor, (struct sockaddr *)&address, sizeof(address)) && !chmod(path, 0600) &&
	    !listen(descriptor, CONTROL_CLIENTS))
		return descriptor;
	error = errno;
	close(descriptor);
	return -error;
}

int control_open(struct control **out, pid_t pid, control_fn answer, void *argument,
		 char message[CONTROL_MESSAGE])
{
	struct control *control = calloc(1, sizeof(*control));
	char folder[sizeof(control->path) - 24];
	int result;

	if (!control)
		return -ENOMEM;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		control->clients[i].descriptor = -1;
	control->answer = answer;
	control->argument = argument;
	result = choose_folder(folder, sizeof(folder));
	if (!result) {
		snprintf(control->path, sizeof(control->path), "%s/%d.sock", folder, (int)pid);
		result = listen_at(control->path);
	}
	if (result < 0) {
		snprintf(message, CONTROL_MESSAGE,
			 "cannot listen for commands in %s: %s; set XDG_RUNTIME_DIR to a folder of "
			 "your own",
			 folder,
			 result == -EPERM ? "it belongs to another user" : strerror(-result));
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
	client->in_length = client->out_start = client->out_length = 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		client_close(&control->clients[i]);
	close(control->listener);
	unlink(control->path);
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

/* A free place, or the one that has been quiet longest: idle clients must not lock others out. */
static struct client *place_for_client(struct control *control)
{
	struct client *oldest = &control->clients[0];

	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		if (client->descriptor < 0)
			return client;
		if (client->used < oldest->used)
			oldest = client;
	}
	client_close(oldest);
	return oldest;
}

static void accept_client(struct control *control, int descriptor)
{
	struct client *client;

	if (!peer_is_trusted(descriptor)) {
		close(descriptor);
		return;
	}
	client = place_for_client(control);
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

static void answer_line(struct control *control, struct client *client, const char *line,
			size_t length)
{
	char message[CONTROL_MESSAGE];
	struct request request;

	if (request_parse(line, length, &request, message, sizeof(message)))
		client_fail(client, message);
	else
		control->answer(control->argument, client, &request);
}

/* Takes complete lines, one at a time, while the answers are being read. */
static void answer_lines(struct control *control, struct client *client)
{
	char *newline;

	while (client->descriptor >= 0 && !client->out_length &&
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

		if (client->descriptor >= 0)
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
	/* Clients first: a descriptor number that accept reuses is not in `polls` then. */
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
