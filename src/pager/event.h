/* SPDX-License-Identifier: MIT */
/* What the program does to its mappings, applied to the descriptors. */
#ifndef PAGER_EVENT_H
#define PAGER_EVENT_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stdint.h>

struct attached;
struct remap;

/* Applies one event message (anything but a page fault and REMAP). Memory lock held for writing
 * since before it was read. */
void event_apply(struct attached *attached, const struct uffd_msg *message);

/* A mapping has moved: its slots and regions go from `from` (remap->from, or where they were
 * parked) to remap->to. The same lock. */
void event_move(struct attached *attached, uint64_t from, const struct remap *remap);

/* Takes the slots and regions of a moved mapping to a place of their own, while what is still at
 * the destination must go first: says where. The same lock, held until event_unpark and event_move;
 * what is parked in between is taken out before. */
uint64_t event_park(struct attached *attached, const struct remap *remap);
void event_unpark(struct attached *attached);

#endif
