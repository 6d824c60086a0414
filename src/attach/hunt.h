/* SPDX-License-Identifier: MIT */
/*
 * Finds the processes whose memory is registered with one of some userfaultfds, whoever their
 * parents are, and kills them. Which process a userfaultfd belongs to cannot be asked; it is
 * proved.
 *
 * Neither allocates by malloc nor takes a lock: a bare clone of a process with threads may call it.
 */
#ifndef ATTACH_HUNT_H
#define ATTACH_HUNT_H

#include <stddef.h>

/* `proc`: /proc, open. How many it has killed now, some of them perhaps not for the first time, or
 * -errno. A process that cannot be looked at now is found by a later call. */
int hunt(int proc, const int *userfaults, size_t count);
/*
 * Answers those who wait for missing pages with an error (SIGBUS, EFAULT): a process that was not
 * found, or one that reads the memory of a dead one. Lets go who waits for an event to be read.
 */
void hunt_release(int userfault);

#endif
