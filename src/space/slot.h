/* SPDX-License-Identifier: MIT */
/* One descriptor at a time: the lock is a bit of its word (descriptor.h). */
#ifndef SPACE_SLOT_H
#define SPACE_SLOT_H

#include "space/descriptor.h"

/* One round of waiting for another thread: spins, then yields, then sleeps for 20 us at a time.
 * *rounds is 0 at first. */
void space_wait(unsigned int *rounds);

/* Locks a descriptor (waits as space_wait; holders wait for a device at most) and
 * returns the word as it was, without DESC_LOCK. */
desc_t slot_lock(slot_t *slot);

/* The same, but only if the word is still `expected`; false otherwise, and when somebody held the
 * lock as `expected` was read. */
bool slot_trylock(slot_t *slot, desc_t expected);

/* Stores `word` and releases. */
void slot_unlock(slot_t *slot, desc_t word);

/* Compare-and-swap; false when it was another word. */
bool slot_change(slot_t *slot, desc_t expected, desc_t word);

#endif
