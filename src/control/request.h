/* SPDX-License-Identifier: MIT */
/*
 * What a client may ask the owner of a space: one JSON object a line.
 *
 *   {"request":"report"}
 *   {"request":"limit","bytes":268435456}
 *   {"request":"follow"}                       the limit of the job's cgroup
 *   {"request":"limit","group":"tests/slow","bytes":67108864,"weight":50}
 *   {"request":"group","name":"tests","bytes":134217728,"weight":200,"tiers":"ram,disk"}
 *   {"request":"thaw"}
 *   {"request":"detach"}                       and "lose":true: pages that cannot be read, too
 *   {"request":"where","pid":1234,"address":140737353707520}
 *
 * Without "pid" where is about the job's first process. Of a group's settings each may be left out;
 * a limit of 0 bytes is none. "group" is about the process that asks; the answer has "group", its
 * path.
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
	REQUEST_WHERE
};

struct request {
	enum request_kind kind;
	bool lose;		     /* detach: unreadable pages are given up */
	uint64_t number;	     /* limit of the job: bytes; where: address */
	int pid;		     /* where: of which process; 0: the first */
	struct group_settings group; /* group; limit: of the group with that path, if it has one */
};

/* Parses `length` bytes without the newline; they may hold anything. 0, or -EINVAL with what is
 * wrong in `message`. */
int request_parse(const char *line, size_t length, struct request *request, char *message);

#endif
