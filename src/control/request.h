/* SPDX-License-Identifier: MIT */
/*
 * What a client may ask the owner of a space: one JSON object a line. The table in request.c names
 * the requests and what each needs and takes; who sends one and who reads it both walk it. What is
 * done is in owner/answer.c, by the same kinds.
 *
 *   {"request":"report"}
 *   {"request":"limit","bytes":268435456}
 *   {"request":"follow"}                       the limit of the job's cgroup
 *   {"request":"limit","group":"tests/slow","bytes":67108864,"weight":50}
 *   {"request":"group","name":"tests","bytes":134217728,"weight":200,"tiers":"ram,disk"}
 *   {"request":"thaw"}
 *   {"request":"detach"}                       and "lose":true: pages that cannot be read, too
 *   {"request":"backend-set","backend":"disk","priority":7}
 *   {"request":"backend-remove","backend":"disk"}    and "lose":true: what cannot be read is given
 * up
 *   {"request":"where","pid":1234,"address":140737353707520}
 *
 * Without "pid" where is about the job's first process. Of a group's settings each may be left out;
 * a limit of 0 bytes is none. "group" is about the process that asks; the answer has "group", its
 * path. backend-remove has "removed", with "bytes" and "seconds"; it is called off when its client
 * goes.
 *
 * Who may: the job's user and root (socket.c asks the kernel who that is); "group" only a process
 * of the job.
 *
 * The answer is lines of JSON too: any number of {"progress":{"done":N,"total":N}},
 * then one object that has "ok" (true) or "error" (a message).
 */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/message.h"
#include "pager/limits/group.h"

/* Longest request, with its newline. */
#define REQUEST_BYTES 4096

enum request_kind {
	REQUEST_REPORT,
	REQUEST_LIMIT,
	REQUEST_FOLLOW,
	REQUEST_GROUP,
	REQUEST_THAW,
	REQUEST_DETACH,
	REQUEST_WHERE,
	REQUEST_BACKEND_ADD,
	REQUEST_BACKEND_SET,
	REQUEST_BACKEND_REMOVE,
	REQUEST_KINDS
};

struct request {
	enum request_kind kind;
	bool lose;	  /* detach, backend-remove: unreadable pages are given up */
	uint64_t address; /* where */
	int pid;	  /* where: of which process; 0: the first */
	/* group; limit: of the group with that path, or of the job if it has none. */
	struct group_settings group;
	char backend[64]; /* its name */
	char spec[3072];  /* backend-add: as on the command line, with a path from the root */
	int priority;
};

struct json_object;

/* Parses `length` bytes without the newline; they may hold anything. 0, or -EINVAL with what is
 * wrong in `message`. */
int request_parse(const char *line, size_t length, struct request *request, char *message);
/* The object that request_parse reads; the caller puts it. NULL: out of memory. */
struct json_object *request_to_json(const struct request *request);

#endif
