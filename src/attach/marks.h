/* SPDX-License-Identifier: MIT */
/*
 * Marks. Some calls take pages away, and no event tells: MADV_GUARD_INSTALL (Linux 6.13). Others
 * are told of although they fail: munmap, mmap with MAP_FIXED (since Linux 6.12). So each page
 * that left gets a mark: userfaultfd's write-protect marker in its empty page-table entry.
 * Whatever takes pages away takes the mark, too, and then the page's bytes are no more. The kernel
 * moves and copies marks as it does pages; a COPY replaces them. Nothing present is ever
 * write-protected.
 */
#ifndef ATTACH_MARKS_H
#define ATTACH_MARKS_H

#include <stdbool.h>

/* Whether this kernel has marks that tell: tried on pages of our own, once. */
bool marks_possible(void);

#endif
