/* SPDX-License-Identifier: MIT */
/* Anchors: the descriptors behind pages that several slots share. */
#ifndef SPACE_ANCHOR_H
#define SPACE_ANCHOR_H

#include "space/descriptor.h"

struct space;

/* The descriptor behind an anchor: stored, zero, same or bad. Lock it as any
 * other to read its bytes. */
slot_t *anchor_slot(const struct space *space, uint32_t anchor);
uint32_t anchor_count(const struct space *space, uint32_t anchor);

/* Gives up one of its counts; the last one drops the bytes. */
void anchor_put(struct space *space, uint32_t anchor);
void anchor_get(struct space *space, uint32_t anchor);

/* Gives up what a word names (a location, an anchor's count). For a word that
 * has left its slot. */
void space_drop(struct space *space, desc_t word);

#endif
