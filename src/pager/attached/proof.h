/* SPDX-License-Identifier: MIT */
/*
 * Whose memory it is, proved. No number does that: a fault names its thread as the thread's own pid
 * namespace does, and may come from who reads somebody else's memory; a FORK names nobody; and a
 * process may have called exec since. But a mark (attach/marks.h) that is put here, taken away and
 * put again by this userfaultfd is seen to come and go in one page table only. What /proc says of a
 * process is used only after that (pagemap_is_proved).
 */
#ifndef PAGER_ATTACHED_PROOF_H
#define PAGER_ATTACHED_PROOF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct attached;

enum proof {
	PROOF_NONE, /* nothing can be told by this page, or not now */
	PROOF_NO,
	PROOF_YES,
};

/* Is that this memory's page table? Tried at a page that should be missing, and was never swapped.
 * Lock held for writing. */
enum proof proof_at(const struct attached *attached, int pagemap, uint64_t page);

/*
 * A fault, not answered yet: while no page table is proved, or the process is not known, those that
 * may be it are tried: the process that it is thought to be, that of the thread, and its relatives.
 * False: not now, an event is in flight. True with nothing found: it cannot be seen. Words are
 * believed then as they are. Lock held for writing.
 */
bool proof_find(struct attached *attached, pid_t thread, uint64_t address);

/* The same when nobody has a fault: tried at a page that is swapped, if there is one. */
bool proof_search(struct attached *attached);

/* One of those that it may be, while it is not known; 0: nobody. Any lock. */
pid_t proof_suspect(const struct attached *attached, unsigned int turn);

#endif
