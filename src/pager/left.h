/* SPDX-License-Identifier: MIT */
/*
 * Processes that cannot be paged, and why: for good (`left_alone` of the process), or so far: what
 * is short now (descriptors, memory, threads) may be there later. Control thread.
 */
#ifndef PAGER_LEFT_H
#define PAGER_LEFT_H

#include "pager/figures.h"

struct pager;
struct process;

struct left {
	unsigned int count, total; /* of more than REPORT_LEFT only the number is kept */
	struct report_left items[REPORT_LEFT];
};

/* 0 or -ENOMEM. */
int left_open(struct pager *pager);
void left_close(struct pager *pager);

/* An attempt to attach it failed. Says so once, at once or, where it may pass, after some. */
void left_refused(struct pager *pager, struct process *process, int error, const char *why);
/* It is left alone for good; `why` has been said. */
void left_note(struct pager *pager, const struct process *process, const char *why);
/* It can be paged after all. */
void left_forget(struct pager *pager, struct process *process);

#endif
