/* SPDX-License-Identifier: MIT */
/* Eviction: from picking pages to their slots being stored. protocol.h has the rules. */
#ifndef PAGER_EVICTION_EVICT_H
#define PAGER_EVICTION_EVICT_H

#include <stdbool.h>
#include <stdint.h>

struct attached;
struct page_list;

enum evict_result {
	EVICT_DONE = 0, /* some pages left */
	EVICT_NOTHING,	/* nothing that may leave was found */
	EVICT_NO_ROOM,	/* the store cannot take pages now */
	EVICT_NOT_NOW,	/* the agent is busy with an old command, or may not work */
	EVICT_GONE,	/* the process has died or called exec */
};

/* One batch of at most `want` pages, the coldest, or those of `only` (NULL: any). The evictor's
 * thread only. */
enum evict_result evict_batch(struct attached *attached, unsigned int want,
			      const struct page_list *only);

/* A batch of pages that could not leave when they were tried, to see whether that is so still. The
 * same thread. */
enum evict_result evict_fixed(struct attached *attached);

/* Has the agent give back the pages of the last staging area. Evictor's thread. */
void evict_empty_staging(struct attached *attached);

/* The evictor's thread was given up in a read of its memory (attach/remote.h): nobody waits for its
 * batch any more. */
void evict_give_up(struct attached *attached);

/* It is not asked for pages for so long, ns, or for longer if that was said before. Evictor's
 * thread. */
void evict_rest(struct attached *attached, uint64_t ns);

/* Nothing leaves the process any more; the control thread brings all back and lets it go. `why`, a
 * literal, goes on "process N ...". Any thread. */
void evict_refuse(struct attached *attached, const char *why);

#endif
