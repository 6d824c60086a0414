/* SPDX-License-Identifier: MIT */
/* What fork left out of a child: ranges under MADV_WIPEONFORK begin empty there. */
#ifndef PAGER_CHANGES_WIPE_H
#define PAGER_CHANGES_WIPE_H

#include <stdbool.h>

struct attached;

/*
 * Empties what the child began without. Its flags tell, but it may have changed them itself by now,
 * so that they are checked against its pages and its parent's flags. False: it cannot be read. Its
 * process is known, its lock held for writing, nothing has been brought in since its birth.
 */
bool wipe_child(struct attached *child);

#endif
