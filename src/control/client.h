/* SPDX-License-Identifier: MIT */
/* The client's side of the control socket: vswap stat, limit, thaw, detach, where. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/message.h"
#include "control/request.h"

struct json_object;

typedef void (*client_progress_fn)(void *argument, uint64_t done, uint64_t total);

/* Asks the owner of `pid`'s space and waits for the answer; `progress` may be NULL. 0 with the
 * answer (the caller puts it), or -errno with a message: no such space, refused by the owner,
 * no answer. */
int client_ask(pid_t pid, const struct request *request, client_progress_fn progress,
	       void *argument, struct json_object **answer, char message[MESSAGE_BYTES]);

/* The process whose space has `pid` in its job; the innermost; 0: there is none. */
pid_t client_find_job(pid_t pid);

/* The pids that have a space which the caller may ask, ascending; sockets of dead owners are
 * cleared away. Returns how many, at most `room`. */
unsigned int client_list(pid_t *pids, unsigned int room);

#endif
