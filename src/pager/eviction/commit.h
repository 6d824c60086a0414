/* SPDX-License-Identifier: MIT */
/* The end of a batch: what left is stored, page by page, the rest stays. Evictor's thread. */
#ifndef PAGER_EVICTION_COMMIT_H
#define PAGER_EVICTION_COMMIT_H

#include <stdbool.h>

struct attached;
struct page_list;

/* It is known which pages left (BATCH_READ). False: none did. */
bool commit_batch(struct attached *attached);
/* Those pages of the last batch that may be with its relatives still (family.h): none if it has
 * none. Evictor's thread. */
void commit_list_parted(const struct attached *attached, struct page_list *list);

#endif
