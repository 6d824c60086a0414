/* SPDX-License-Identifier: MIT */
/*
 * Which thread sends an event: userfaultfd does not say it of events, and two mappings that look
 * alike to the page table can be told apart by who moves them. A thread sleeps in its system call
 * until its event is read, and /proc shows which call, with its arguments.
 *
 * Everything here under the memory lock, held for writing.
 */
#ifndef PAGER_CHANGES_WHO_H
#define PAGER_CHANGES_WHO_H

#include <stdbool.h>
#include <stdint.h>
#include "pager/attached/callers.h"

struct attached;

/* Looks at what the program's threads sleep in, if an event is in flight. */
void who_look(struct attached *attached);
/* The same before each event that is read, from the first that moves something until nothing is in
 * flight: else it costs nothing. */
void who_watch(struct attached *attached);
/* A REMAP from `from` was read after that: who has sent it. */
struct mover who_moves(struct attached *attached, uint64_t from);
/* The same for an UNMAP of [start, end). */
void who_has_unmapped(struct attached *attached, uint64_t start, uint64_t end);
/* Somebody slept in an munmap of all of [start, end), whose event has not been read. */
bool who_unmaps(const struct attached *attached, uint64_t start, uint64_t end);

#endif
