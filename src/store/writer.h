/* SPDX-License-Identifier: MIT */
/* Putting pages: a writer owns the open segments that it appends to. */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include <stdint.h>
#include "space/descriptor.h"

struct store;
struct store_writer;

int store_writer_open(struct store *store, struct store_writer **writer);

/* Seals what is open. */
void store_writer_close(struct store_writer *writer);

/* From here on it fills segments for these tiers (at first: any), and goes on with the open one
 * that it has for them. Everything put so far is published. */
void store_writer_select(struct store_writer *writer, uint16_t tiers);

/*
 * Makes sure that the next `pages` calls of store_put by this writer cannot
 * fail: takes empty frames up front (worst case: nothing compresses). 0, or
 * -ENOSPC when RAM segments are at their limit: write back, clean, or give up. Segments that may
 * never leave RAM get less than half of it, so that others can pass through the rest. Never
 * allocates later.
 */
int store_reserve(struct store_writer *writer, unsigned int pages);

/*
 * Stores one page of 4096 bytes for `slot` (its id goes to the header). Returns
 * the unlocked word that now stands for it: DESC_ZERO, DESC_SAME or DESC_STORED.
 * The caller puts it into the descriptor by compare-and-swap and, when that
 * fails, gives it to space_drop. The new object is not moved or freed by the
 * cleaner before the writer's next call of store_published (objects of open
 * segments are never touched, and a segment that was filled since is not sealed
 * before then).
 */
desc_t store_put(struct store_writer *writer, uint64_t slot, const void *page);
void store_published(struct store_writer *writer);

#endif
