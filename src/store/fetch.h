/* SPDX-License-Identifier: MIT */
/*
 * Reading from a device without a lock on the descriptor (pager/faults/fetch.h). While a fetch
 * lasts, a descriptor that has its word again, and for which store_fetch_is is true, stands for the
 * bytes that were read.
 */
#ifndef STORE_FETCH_H
#define STORE_FETCH_H

#include <stdbool.h>
#include "space/descriptor.h"

struct backend;
struct store;

struct store_fetch {
	desc_t word;	 /* the descriptor's */
	desc_t location; /* what was behind it */
};

/* The caller has the slot of the swapped `word` locked. False: it is in no segment. */
bool store_fetch_begin(struct store *store, desc_t word, struct store_fetch *fetch);

/* As store_get. Any thread. */
int store_fetch_read(struct store *store, const struct store_fetch *fetch, void *page);

/* What the backend has of it in buffers of its own is read anew. */
void store_fetch_distrust(struct store *store, const struct store_fetch *fetch);

/* The caller has a slot with the fetch's word locked. */
bool store_fetch_is(struct store *store, const struct store_fetch *fetch);

/* Where the bytes are now; NULL: in RAM only. */
struct backend *store_fetch_backend(struct store *store, const struct store_fetch *fetch);
void store_fetch_end(struct store *store, const struct store_fetch *fetch);

#endif
