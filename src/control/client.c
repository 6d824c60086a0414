/* SPDX-License-Identifier: MIT */
#include "control/client.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/message.h"
#include "base/proc.h"
#include "control/socket.h"

/* An owner that is stopped together with its program does not answer. */
#define ANSWER_SECONDS 10
#define MOST_JOBS      256

static int connect_in(int folder, pid_t pid)
{
	const struct sockaddr_un address = control_address(folder, pid);
	struct timeval wait = {.tv_sec = ANSWER_SECONDS};
	int descriptor, error;

	descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (descriptor < 0)
		return -errno;
	setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	if (!connect(descriptor, (const struct sockaddr *)&address, sizeof(address)))
		return descriptor;
	error = errno;
	close(descriptor);
	return -error;
}

/* The space may be ours, or for root its program's user's. */
static int connect_pid(pid_t pid)
{
	char path[128], proc[32];
	struct stat status;
	uid_t uids[2] = {geteuid(), geteuid()};
	int result = -ENOENT;

	snprintf(proc, sizeof(proc), "/proc/%d", (int)pid);
	if (geteuid() == 0 && !stat(proc, &status))
		uids[1] = status.st_uid;
	for (int user = 0; user < 2; user++)
		for (unsigned int which = 0; control_folder(uids[user], which, path, sizeof(path));
		     which++) {
			int folder = control_open_folder(path, uids[user]);

			if (folder < 0)
				continue;
			result = connect_in(folder, pid);
			close(folder);
			if (result >= 0)
				return result;
		}
	return result;
}

static int send_request(int descriptor, const struct request *request)
{
	struct json_object *object = request_to_json(request);
	const char *text;
	FILE *to;
	int result = 0;

	if (!object)
		return -ENOMEM;
	text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN);
	to = fdopen(dup(descriptor), "w");
	if (!to || !text || fprintf(to, "%s\n", text) < 0)
		result = -EIO;
	if (to && fclose(to))
		result = -errno;
	json_object_put(object);
	return result;
}

/* True if the line was progress, which has then been shown. */
static bool take_progress(struct json_object *object, client_progress_fn progress, void *argument)
{
	struct json_object *value, *done, *total;

	if (!json_object_object_get_ex(object, "progress", &value))
		return false;
	if (progress && json_object_object_get_ex(value, "done", &done) &&
	    json_object_object_get_ex(value, "total", &total))
		progress(argument, json_object_get_uint64(done), json_object_get_uint64(total));
	return true;
}

static int read_answer(FILE *from, client_progress_fn progress, void *argument,
		       struct json_object **answer)
{
	struct json_object *object;
	size_t room = 0;
	char *line = NULL;

	errno = 0;
	*answer = NULL;
	while (!*answer && getline(&line, &room, from) > 0) {
		object = json_tokener_parse(line);
		if (!json_object_is_type(object, json_type_object)) {
			json_object_put(object);
			break;
		}
		if (take_progress(object, progress, argument))
			json_object_put(object);
		else
			*answer = object;
	}
	free(line);
	if (*answer)
		return 0;
	return errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
}

static int refused(struct json_object **answer, char message[MESSAGE_BYTES])
{
	struct json_object *value;

	if (!json_object_object_get_ex(*answer, "error", &value))
		return 0;
	explain(message, 0, "%s", json_object_get_string(value));
	proc_clean(message);
	json_object_put(*answer);
	*answer = NULL;
	return -ECANCELED;
}

int client_ask(pid_t pid, const struct request *request, client_progress_fn progress,
	       void *argument, struct json_object **answer, char message[MESSAGE_BYTES])
{
	int descriptor = connect_pid(pid), result;
	FILE *from;

	if (descriptor < 0) {
		snprintf(
			message, MESSAGE_BYTES,
			"process %d has no virtual swap space that you may ask; `vswap stat' lists "
			"those that have one",
			(int)pid);
		return descriptor;
	}
	result = send_request(descriptor, request);
	from = fdopen(descriptor, "r");
	if (!from) {
		close(descriptor);
		return explain(message, -ENOMEM, "out of memory");
	}
	if (!result)
		result = read_answer(from, progress, argument, answer);
	fclose(from);
	if (!result)
		return refused(answer, message);
	return explain(
		message, result,
		result != -ETIMEDOUT
			? "the owner of process %d ended before it answered"
			: "the owner of process %d does not answer: is it stopped (Ctrl-Z), or "
			  "frozen (cgroup freezer)? This is done when it goes on",
		(int)pid);
}

static int compare_pids(const void *left, const void *right)
{
	pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;

	return (a > b) - (a < b);
}

/* A socket that nobody listens on is left over from an owner that was killed. */
static bool is_alive(int folder, pid_t pid)
{
	int descriptor = connect_in(folder, pid);

	if (descriptor == -ECONNREFUSED)
		unlink(control_address(folder, pid).sun_path);
	if (descriptor < 0)
		return false;
	close(descriptor);
	return true;
}

static unsigned int list_folder(int folder, pid_t *pids, unsigned int room)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *directory = fdopendir(folder);
	int pid, length;

	if (!directory) {
		close(folder);
		return 0;
	}
	while (count < room && (entry = readdir(directory))) {
		length = 0;
		if (sscanf(entry->d_name, "%d.sock%n", &pid, &length) == 1 && pid > 0 && length &&
		    !entry->d_name[length] && is_alive(folder, pid))
			pids[count++] = pid;
	}
	closedir(directory);
	return count;
}

static unsigned int list_user(uid_t uid, pid_t *pids, unsigned int room)
{
	unsigned int count = 0;
	char path[128];

	for (unsigned int which = 0; control_folder(uid, which, path, sizeof(path)); which++) {
		int folder = control_open_folder(path, uid);

		if (folder >= 0)
			count += list_folder(folder, pids + count, room - count);
	}
	return count;
}

unsigned int client_list(pid_t *pids, unsigned int room)
{
	unsigned int count = list_user(geteuid(), pids, room), kept = 0;

	qsort(pids, count, sizeof(*pids), compare_pids);
	for (unsigned int i = 0; i < count; i++)
		if (!kept || pids[kept - 1] != pids[i])
			pids[kept++] = pids[i];
	return kept;
}

/* Who listens at the socket of `pid`'s space; 0: nobody. */
static pid_t owner_of(pid_t pid)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	int descriptor = connect_pid(pid);

	if (descriptor < 0)
		return 0;
	if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		peer.pid = 0;
	close(descriptor);
	return peer.pid;
}

/* When the job's first process has ended, its owner is who all the others descend from. */
pid_t client_find_job(pid_t pid)
{
	pid_t pids[MOST_JOBS], owners[MOST_JOBS];
	unsigned int count = client_list(pids, MOST_JOBS);

	for (unsigned int i = 0; i < count; i++)
		owners[i] = owner_of(pids[i]);
	for (pid_t at = pid; at > 0; at = proc_parent(at)) {
		for (unsigned int i = 0; i < count; i++)
			if (at == pids[i] || at == owners[i])
				return pids[i];
		/* Of another user: for root. */
		if (owner_of(at))
			return at;
	}
	return 0;
}
