/* SPDX-License-Identifier: MIT */
/* Getting pages, wherever their bytes are. Any thread. */
#ifndef STORE_READER_H
#define STORE_READER_H

#include <stdbool.h>
#include <stdint.h>
#include "space/descriptor.h"

struct store;

/*
 * The 4096 bytes of a word that the caller has locked (or which is in no
 * table): DESC_ZERO, DESC_SAME, DESC_STORED, or DESC_RESIDENT with a location.
 * For DESC_SHARED the store locks the anchor itself. Verifies the checksum.
 * 0, -EILSEQ (does not match), -EIO (device), both after every copy was tried.
 */
int store_get(struct store *store, desc_t word, void *page);

/* The same, but -EAGAIN instead of waiting for a device. */
int store_try_get(struct store *store, desc_t word, void *page);

/* True when store_get would not wait for a device. */
bool store_is_fast(struct store *store, desc_t word);

/*
 * True if the object at the word's location holds exactly these bytes (clean
 * page): decoded and compared, unless their checksums differ. Only for objects in RAM: false
 * otherwise. Caller has the descriptor locked or leaving.
 */
bool store_is_same(struct store *store, desc_t word, const void *page);

/* The same of a page that is swapped out already, perhaps by another memory: the caller has its
 * descriptor locked. For DESC_SHARED the store locks the anchor itself. */
bool store_holds(struct store *store, desc_t word, const void *page);

/* Codec and stored bytes of a word's object, for `vswap where`. -ENOENT if it has none. */
int store_describe(struct store *store, desc_t word, const char **codec, uint32_t *bytes,
		   unsigned int *pages);

#endif
