/* SPDX-License-Identifier: MIT */
/*
 * Marks. Some calls take pages away, and no event tells: MADV_GUARD_INSTALL (Linux 6.13). So each
 * page that left gets a mark: userfaultfd's write-protect marker in its empty page-table entry.
 * Whatever takes pages away takes the mark, too, and then the page's bytes are no more. The kernel
 * moves and copies marks as it does pages; a COPY replaces them. Nothing present is ever
 * write-protected.
 */
#ifndef ATTACH_MARKS_H
#define ATTACH_MARKS_H

#include <stdbool.h>

/* Whether this kernel has guards, and marks that tell of them: tried on pages of our own, once. */
bool marks_possible(void);

#endif
