/* SPDX-License-Identifier: MIT */
/*
 * The owner's side of the control socket, and where sockets live:
 * $XDG_RUNTIME_DIR/vswap/PID.sock, or /tmp/vswap-UID/PID.sock. The folder is
 * ours alone (0700), the socket 0600, and only its user and root are served.
 *
 * The variable counts only if it names a folder that is ours alone; root's usual place is
 * /run/vswap, a user's /run/user/UID/vswap, and the last is for where neither can be had. Nothing
 * is done by a path that another could change between two looks: the folder is opened, looked at,
 * and used by its descriptor.
 *
 * Nothing here ever blocks: a client that does not read is dropped.
 * One thread (the owner's control thread) calls everything.
 */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>
#include "base/message.h"
#include "control/request.h"

#define CONTROL_CLIENTS 16
#define CONTROL_POLLS	(CONTROL_CLIENTS + 1)

struct json_object;
struct control;
struct client;

/* Answers one request by client_send or client_fail, before it returns. It may call
 * control_serve_others, and so be called for another client meanwhile. False: not now, but when
 * control_resume asks again. */
typedef bool (*control_fn)(void *argument, struct client *client, const struct request *request);

/* The folder of user `uid`'s sockets: `which` 0, 1, ... in the order to look, one perhaps twice;
 * false when there are no more. Creates nothing. */
bool control_folder(uid_t uid, unsigned int which, char *path, size_t path_size);

/* Opens a folder that belongs to `uid` and that nobody else may enter; -errno: -EPERM if it is
 * another's. */
int control_open_folder(const char *path, uid_t uid);

/* The address of a socket in an open folder. */
struct sockaddr_un control_address(int folder, pid_t pid);

/* Listens for the space of process `pid`. 0 or -errno with a message. */
int control_open(struct control **control, pid_t pid, control_fn answer, void *argument,
		 char message[MESSAGE_BYTES]);
/* Removes the socket. NULL is fine. */
void control_close(struct control *control);
/* Fills at most CONTROL_POLLS entries; returns how many. */
unsigned int control_polls(struct control *control, struct pollfd *polls);
/* Serves what poll found, calling the answer function. */
void control_serve(struct control *control, const struct pollfd *polls, unsigned int count);

/* Requests that were put off are answered, if they can be now. */
void control_resume(struct control *control);
/* Those who wait by now, in the middle of an answer that takes long: its client is left out. */
void control_serve_others(struct control *control);

/* Takes `object` (puts it), sends it as one line. */
void client_send(struct client *client, struct json_object *object);
void client_fail(struct client *client, const char *message);
/* The process at the other end. */
pid_t client_pid(const struct client *client);
/* A progress line; left out when the client has not read the last one yet. */
void client_progress(struct client *client, uint64_t done, uint64_t total);

#endif
