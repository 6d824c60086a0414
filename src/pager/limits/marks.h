/* SPDX-License-Identifier: MIT */
/* Marks below a limit, of the job or of a group. */
#ifndef PAGER_LIMITS_MARKS_H
#define PAGER_LIMITS_MARKS_H

#include <stdint.h>

/* The space below a limit, of the job or of a group, that batches in flight and runs of first
 * touches need, bytes. */
uint64_t marks_head_bytes(uint64_t limit);

#endif
