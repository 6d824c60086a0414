/* SPDX-License-Identifier: MIT */
/* The ranges of an address space that are registered with its userfaultfd. */
#ifndef PAGER_ATTACHED_REGION_H
#define PAGER_ATTACHED_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct region {
	uint64_t start, end;
};

/* Sorted, disjoint. Ranges that touch stay apart when they were registered apart:
 * one userfault ioctl must not span two mappings. */
struct region_list {
	struct region *items;
	size_t count, capacity;
};

/* 0 or -ENOMEM. The range must not overlap another. */
int region_add(struct region_list *list, uint64_t start, uint64_t end);
/* The same for a range that a mapping has grown by: a region that ends there grows with it. */
int region_grow(struct region_list *list, uint64_t start, uint64_t end);
/* Takes [start, end) out, cutting regions that overlap it; an empty range changes nothing.
 * 0 or -ENOMEM. */
int region_remove(struct region_list *list, uint64_t start, uint64_t end);
/* The region that has the address, or NULL. */
struct region *region_find(const struct region_list *list, uint64_t address);
/* The first part of [start, end) that no region covers; false when there is none. */
bool region_gap(const struct region_list *list, uint64_t start, uint64_t end, uint64_t *from,
		uint64_t *to);
/* Some of [start, end) is in a region. */
bool region_any(const struct region_list *list, uint64_t start, uint64_t end);
int region_copy(struct region_list *to, const struct region_list *from);
void region_free(struct region_list *list);

#endif
