/* SPDX-License-Identifier: MIT */
/* Registering a program's mappings with its userfaultfd. */
#ifndef PAGER_PROGRAM_REGISTER_H
#define PAGER_PROGRAM_REGISTER_H

#include "attach/maps.h"
#include "pager/attached/attached.h"

/*
 * Registers what no region covers of the mappings in `maps`, which is read again when need be, and
 * adds what is registered to the regions. 0, -ENOMEM or -ESRCH; a mapping that the
 * kernel refuses, or that changes all the time, is left for the next call.
 *
 * register_stopped: all threads stopped; `maps` is taken as it is.
 * register_running: memory lock held for writing. Each mapping is looked at again right before.
 */
int register_stopped(struct attached *attached, struct maps *maps);
int register_running(struct attached *attached, struct maps *maps);

#endif
