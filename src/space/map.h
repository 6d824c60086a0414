/* SPDX-License-Identifier: MIT */
/*
 * Sparse mappings: address space that costs nothing until it is touched. The
 * owner locks its memory as it faults (mlockall with MCL_ONFAULT), so giving
 * pages back needs the variant of madvise that works on locked mappings.
 */
#ifndef SPACE_MAP_H
#define SPACE_MAP_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed private memory, not reserved and not populated; children of fork do not have it. NULL: no
 * address space left. */
void *map_sparse(size_t bytes);
void map_remove(void *address, size_t bytes);
/* The pages read as zeros again and cost nothing. Page-aligned. */
void map_give_back(void *address, size_t bytes);
/* Makes the pages present in one call. False: out of memory. */
bool map_populate(void *address, size_t bytes);

#endif
