/* SPDX-License-Identifier: MIT */
/*
 * Asking a userfaultfd in what state the memory is that it belongs to, without touching it.
 *
 *   0        it is there, and nothing is in flight
 *   -EAGAIN  its mappings are changing: some thread's event has not been read yet, or the thread
 *            has not woken up since
 *   -ESRCH   it is gone: the process has ended, or called exec
 */
#ifndef ATTACH_PROBE_H
#define ATTACH_PROBE_H

int probe_memory(int userfault);

#endif
