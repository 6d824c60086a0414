/* SPDX-License-Identifier: MIT */
/*
 * The page table of an address space. An open /proc/PID/pagemap is of the memory that the process
 * had when it was opened, and stays so when the process calls exec. But the number alone does not
 * say whose memory it is: a process may have called exec while another still has what it had
 * (vfork, CLONE_VM), a fault may come from who reads somebody else's memory, and it names a thread
 * as the thread's own pid namespace does. So one is used only when it was proved to be of this
 * memory: a page that was installed here by the userfaultfd, and was missing there before, is seen
 * there. Until one is, words are believed as they are.
 */
#ifndef PAGER_ATTACHED_PAGEMAP_H
#define PAGER_ATTACHED_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "pager/attached/attached.h"

/* The descriptor; -1: none is proved. Any lock. */
static inline int pagemap_of(const struct attached *attached)
{
	return attached->task.has_agent ? attached->target.pagemap : attached->task.pagemap;
}
/* Of a process's or a thread's memory as it is now, to be closed; -1. */
int pagemap_open(pid_t thread);
/* It was proved: takes it over. Any lock. */
void pagemap_keep(struct attached *attached, int pagemap);

/*
 * While none is proved, or the process is not known: what the thread of a fault has (or else the
 * process that is thought to be it), if that may be this memory; its process is known from then on.
 * -1: no. A page that has lost its mark there is empty from now on: a mark of ours was seen to
 * come. Lock held for writing, the fault not answered yet.
 */
int pagemap_suspect(struct attached *attached, pid_t thread, uint64_t address);
/* The fault was answered, perhaps: that is the proof. Lock held for reading. Or it will not be. */
void pagemap_settle(struct attached *attached, int suspect, uint64_t address);
void pagemap_close(int suspect);

/* How many of the pages one COPY may bring: it must not go over what is not empty, a guard
 * (MADV_GUARD_INSTALL, which no event tells). At least 1: the first is one that is missing. */
unsigned int pagemap_count_empty(const struct attached *attached, uint64_t address,
				 unsigned int pages);
/* Nothing is there, nor a guard; a mark may be. True where it is not known. */
bool pagemap_is_empty(const struct attached *attached, uint64_t address);

#endif
