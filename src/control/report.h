/* SPDX-License-Identifier: MIT */
/*
 * The figures of a running space: what `--stats`, `vswap stat --json` and the
 * closing paragraph of `vswap run` show. One structure, filled by the pager,
 * rendered here. The JSON is versioned and described in vswap-stats(5).
 */
#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define REPORT_VERSION	1
#define REPORT_BACKENDS 16

struct report_backend {
	char name[64], kind[16], state[16];
	int priority;
	uint64_t capacity_bytes, used_bytes, segments, read_bytes, written_bytes, errors;
};

struct report {
	pid_t pid;
	char command[64];
	double seconds; /* since the space was opened */
	int attached;	/* 0: only watched so far */
	uint64_t limit_bytes, peak_bytes, resident_bytes, pool_bytes, header_bytes, metadata_bytes;
	uint64_t wanted_bytes; /* peak of what the program would have had resident without us */
	struct {
		uint64_t tracked, allocated, peak, zero, same, stored;
	} slots;
	struct {
		uint64_t swapped_out, swapped_in, stored_raw, stored_compressed;
	} bytes;
	struct {
		uint64_t count, p50_ns, p99_ns, total_ns;
	} faults;
	double cpu_seconds; /* owner: user + system */
	unsigned int backend_count;
	struct report_backend backends[REPORT_BACKENDS];
	int exit_status; /* -1 while it runs */
};

/* The JSON object; the caller puts it. NULL: out of memory. */
struct json_object;
struct json_object *report_to_json(const struct report *report);
/* Fills `report` from such an object; what is missing or of another type becomes 0. */
void report_from_json(struct json_object *object, struct report *report);

/* Writes the JSON object and a newline. 0 or -errno. */
int report_json(const struct report *report, FILE *to);
/* A table for people (vswap stat PID). */
int report_table(const struct report *report, FILE *to);
/* One line a space (vswap stat). */
int report_list(const struct report *reports, unsigned int count, FILE *to);
/* The closing paragraph of `vswap run`. */
int report_summary(const struct report *report, FILE *to);

#endif
