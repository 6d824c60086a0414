/* SPDX-License-Identifier: MIT */
/*
 * Fetching: faults whose bytes are on a device. A few threads read them; while one reads it
 * holds no lock, no descriptor and no address space, so that a device that is slow, or ill, holds
 * up nobody but who wants these very pages.
 *
 *   server: slot locked ─► word and segment noted ─► slot unlocked, fault forgotten
 *   thread: read and check ─► address space looked up anew ─► memory lock, slot locked with the
 *           very same word ─► COPY ─► resident
 *
 * If the word is another by then, who waits is woken and faults again. A page is fetched once,
 * however many faults there are for it.
 *
 * Errors. A checksum that does not match after a second read is final: the page is bad. Any
 * other error may pass: the read is tried again for FETCH_PATIENCE_NS, while the thread waits. Then
 * touching the page raises SIGBUS, but its descriptor keeps the location: the bytes are on the
 * device still, and come back with the next detach or thaw that can read them.
 */
#ifndef PAGER_FAULTS_FETCH_H
#define PAGER_FAULTS_FETCH_H

#include <stdbool.h>
#include <stdint.h>
#include "pager/faults/fault.h"
#include "space/space.h"

struct attached;
struct backend;
struct pager;

/* How long a read that fails is tried again: longer than a path of a multipath device takes to
 * fail over or a link to come back, shorter than people wait before they kill a program. */
#define FETCH_PATIENCE_NS 10000000000ull

int fetch_open(struct pager *pager);
/* Waits for reads that are under way. NULL is fine. */
void fetch_close(struct pager *pager);

/* A device that is read from here on. Control thread; 0 or -errno. */
int fetch_add_device(struct pager *pager, const struct backend *backend);

/* Some page is wanted. */
bool fetch_any(struct pager *pager);

/* The fault of `address`, whose slot has the swapped `word`: nothing more to do for the caller, or
 * FAULT_CHANGING, FAULT_LEAVING (all requests are in use, or it is about to be here): again.
 * `since`: when it was read, ns; 0: nobody waits. Memory lock held for reading. */
enum fault_result fetch_ask(struct attached *attached, uint64_t address, slot_t *slot, desc_t word,
			    uint64_t since);

/* The same for the control thread, which wants to know what becomes of it, and then asks
 * fetch_wait, without the lock. Who else waits for the page waits on. `lose`: it is given up if it
 * cannot be read. */
enum fault_result fetch_ask_once(struct attached *attached, uint64_t address, slot_t *slot,
				 desc_t word, bool lose);
/* 0: brought in, or changed meanwhile; look again. -EILSEQ: given up after a second read. Other
 * errors of the device, after one try: the page is as it was, or given up (`lose`). -ETIMEDOUT: no
 * answer yet. On errors *device is its name. */
int fetch_wait(struct pager *pager, uint64_t timeout_ns, const char **device);

#endif
