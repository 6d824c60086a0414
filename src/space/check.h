/* SPDX-License-Identifier: MIT */
/* Invariants of a space, for tests. */
#ifndef SPACE_CHECK_H
#define SPACE_CHECK_H

#include "space/descriptor.h"

struct space;

/* Walks everything; aborts with a message on a broken invariant. */
void space_check(struct space *space);

/* Nothing changes meanwhile: calls for each word of a cluster or an anchor in use. */
void space_each_word(struct space *space, void (*found)(void *argument, desc_t word),
		     void *argument);

#endif
