/* SPDX-License-Identifier: MIT */
/*
 * What a client may ask the owner of a space: one JSON object a line.
 *
 *   {"request":"report"}
 *   {"request":"limit","bytes":268435456}
 *   {"request":"follow"}                       the limit of the job's cgroup
 *   {"request":"thaw"}
 *   {"request":"detach"}
 *   {"request":"where","address":140737353707520}
 *
 * The answer is lines of JSON too: any number of {"progress":{"done":N,"total":N}},
 * then one object that has "ok" (true) or "error" (a message).
 */
#ifndef CONTROL_REQUEST_H
#define CONTROL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

/* Longest request, with its newline. */
#define REQUEST_BYTES 4096

enum request_kind {
	REQUEST_REPORT,
	REQUEST_LIMIT,
	REQUEST_FOLLOW,
	REQUEST_THAW,
	REQUEST_DETACH,
	REQUEST_WHERE
};

struct request {
	enum request_kind kind;
	uint64_t number; /* limit: bytes; where: address */
};

/* Parses `length` bytes without the newline; they may hold anything. 0, or -EINVAL with what is
 * wrong in `message`. */
int request_parse(const char *line, size_t length, struct request *request, char *message,
		  size_t message_size);

#endif
