/* SPDX-License-Identifier: MIT */
/*
 * Threads that sleep. A stop wakes a thread, and a call that it breaks off begins anew: with its
 * whole time-out, or at the back of a queue. Who needs only that no mapping changes for a moment
 * leaves those alone that wait for something.
 */
#ifndef ATTACH_ASLEEP_H
#define ATTACH_ASLEEP_H

#include <stdbool.h>
#include <sys/types.h>

/* It sleeps in a call that changes no mapping. It may wake at any time. Any thread. */
bool is_asleep(pid_t pid, pid_t tid);

#endif
