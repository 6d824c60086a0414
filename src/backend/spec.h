/* SPDX-License-Identifier: MIT */
/* A backend as the command line describes it. */
#ifndef BACKEND_SPEC_H
#define BACKEND_SPEC_H

#include <stdbool.h>
#include <stdint.h>

/* Priorities go from minus this to this. */
#define BACKEND_PRIORITY_HIGHEST 32767

/* What a SPEC of the command line says. */
struct backend_spec {
	char kind[16];	 /* "ram", "file", ... */
	char path[4096]; /* file: file, block device or folder; ram: empty */
	char name[64];	 /* for people; default: made from kind and path */
	uint64_t size;	 /* bytes; 0: the kind's default */
	int priority;	 /* higher is used first; default 0 */
	bool plain;	 /* seal=no: what is written there is not encrypted */
};

/* Parses "KIND[:PATH][,key=value]..."; 0, or -EINVAL with a message that says
 * what is wrong and what is allowed. `ram` is accepted (its size limits RAM segments). In
 * PATH and in values, "\," stands for a comma and "\\" for a backslash. */
int backend_parse_spec(const char *text, struct backend_spec *spec, char *message);

/* The value of prio= alone. The same. */
int backend_parse_priority(const char *text, int *priority, char *message);

#endif
