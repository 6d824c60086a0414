/* SPDX-License-Identifier: MIT */
/* A process that stands in exec for good, as nobody may look at it. */
#ifndef TESTS_ATTACH_HELD_H
#define TESTS_ATTACH_HELD_H

#include <sys/types.h>

/* Who holds it there; 0: that cannot be done here. */
pid_t held_start(void);
void held_end(pid_t holder);

#endif
