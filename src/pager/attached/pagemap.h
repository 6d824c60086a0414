/* SPDX-License-Identifier: MIT */
/*
 * The page table of an address space. An open /proc/PID/pagemap is of the memory that the process
 * had when it was opened, and stays so when the process calls exec. It is used only when it was
 * proved to be of this memory (proof.h). Until one is, words are believed as they are.
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
/* It was proved: takes it over (-1: nothing). Any lock. */
void pagemap_keep(struct attached *attached, int pagemap);

/* There is one, and the process that is known is of this memory, or was. Without marks none can be
 * proved, and what is thought is believed. Any lock. */
bool pagemap_is_proved(const struct attached *attached);

/* How many of the pages one COPY may bring: it must not go over what is not empty, a guard
 * (MADV_GUARD_INSTALL, which no event tells). At least 1: the first is one that is missing. */
unsigned int pagemap_count_empty(const struct attached *attached, uint64_t address,
				 unsigned int pages);
/* Nothing is there, nor a guard; a mark may be. True where it is not known. */
bool pagemap_is_empty(const struct attached *attached, uint64_t address);

#endif
