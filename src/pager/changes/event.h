/* SPDX-License-Identifier: MIT */
/* What the program does to its mappings, applied to the descriptors. */
#ifndef PAGER_CHANGES_EVENT_H
#define PAGER_CHANGES_EVENT_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stdint.h>

struct attached;

/* Applies one event message (anything but a page fault). Memory lock held for writing since before
 * it was read. */
void event_apply(struct attached *attached, const struct uffd_msg *message);

#endif
