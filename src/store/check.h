/* SPDX-License-Identifier: MIT */
/* Invariants of a store, for tests. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

struct store;

/* Walks every segment and descriptor; aborts on a broken invariant. Quiescent callers only. */
void store_check(struct store *store);

#endif
