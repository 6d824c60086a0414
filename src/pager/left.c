/* SPDX-License-Identifier: MIT */
#include "pager/left.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/job/tree.h"

/* After a failed attempt to inject, since each stops the threads; twice as long after each, so many
 * times. */
#define RETRY_LEAST_NS 200000000ull
#define RETRY_STEPS    5u
/* The user is told of what may pass after so many, which is a second and a half. */
#define TELL_AFTER 4u

static bool may_pass(int error)
{
	switch (error) {
	case -EAGAIN:
	case -EINTR:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

int left_open(struct pager *pager)
{
	pager->job.left = calloc(1, sizeof(*pager->job.left));
	return pager->job.left ? 0 : -ENOMEM;
}

void left_close(struct pager *pager)
{
	free(pager->job.left);
}

void left_note(struct pager *pager, const struct process *process, const char *why)
{
	struct report_left *left = NULL;

	for (unsigned int i = 0; i < pager->job.left->count && !left; i++)
		if (pager->job.left->items[i].pid == process->pid)
			left = &pager->job.left->items[i];
	if (!left) {
		pager->job.left->total++;
		if (pager->job.left->count == REPORT_LEFT)
			return;
		left = &pager->job.left->items[pager->job.left->count++];
	}
	left->pid = process->pid;
	snprintf(left->command, sizeof(left->command), "%s", process->command);
	snprintf(left->reason, sizeof(left->reason), "%s", why);
}

void left_forget(struct pager *pager, struct process *process)
{
	process->not_yet = false;
	for (unsigned int i = 0; i < pager->job.left->count; i++) {
		if (pager->job.left->items[i].pid != process->pid)
			continue;
		pager->job.left->items[i] = pager->job.left->items[--pager->job.left->count];
		pager->job.left->total--;
		return;
	}
}

void left_refused(struct pager *pager, struct process *process, int error, const char *why)
{
	unsigned int steps = process->tries < RETRY_STEPS ? process->tries : RETRY_STEPS;

	process->retry_ns = monotonic_ns() + (RETRY_LEAST_NS << steps);
	process->not_yet |= ++process->tries >= TELL_AFTER;
	if (error == -ESRCH || (may_pass(error) && process->tries != TELL_AFTER))
		return;
	tree_read_command(process);
	left_note(pager, process, why);
	if (may_pass(error)) {
		pager_say(pager, "process %d is not paged yet: %s; vswap tries again", process->pid,
			  why);
		return;
	}
	process->left_alone = true;
	pager_say(pager, "process %d is left alone: %s", process->pid, why);
}
