/* SPDX-License-Identifier: MIT */
/*
 * How the figures of a running space are shown: `--stats`, `vswap stat` and the
 * closing paragraph of `vswap run`. The JSON is versioned and described in
 * vswap-stats(5).
 */
#ifndef CONTROL_REPORT_H
#define CONTROL_REPORT_H

#include <stdio.h>
#include "pager/backends.h"
#include "pager/figures.h"

#define REPORT_VERSION 1

/* The JSON object; the caller puts it. NULL: out of memory. */
struct json_object;
struct json_object *report_to_json(const struct report *report);
/* Fills `report` from such an object; what is missing or of another type becomes 0. */
void report_from_json(struct json_object *object, struct report *report);

/* What became of a removal: the answer to `vswap backend remove`. */
struct json_object *removal_to_json(const struct pager_removal *removal);

/* The same of one page: the answer to `vswap where`. */
struct pager_where;
struct json_object *where_to_json(const struct pager_where *where);
void where_from_json(struct json_object *object, struct pager_where *where);

/* Writes the JSON object and a newline. 0 or -errno. */
int report_json(const struct report *report, FILE *to);

#endif
