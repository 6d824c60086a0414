/* SPDX-License-Identifier: MIT */
#include "pager/changes/who.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/page.h"
#include "base/proc.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/* To look at more threads would cost too much. */
#define THREADS_MOST 64u
/* A program of one thread, beside the agent, is looked at so much later again, ns. */
#define ALONE_NS 10000000u

/* A number, the six arguments, the stack and where it was called from: of a running thread, none
 * of them. */
static bool parse_call(const char *text, struct caller *caller)
{
	unsigned long from, length, stack;
	long number;

	if (sscanf(text, "%ld %lx %lx %*x %*x %*x %*x %lx", &number, &from, &length, &stack) != 4 ||
	    (number != SYS_mremap && number != SYS_munmap))
		return false;
	caller->unmaps = number == SYS_munmap;
	caller->from = from;
	caller->end = from + ((length + PAGE_BYTES - 1) & PAGE_MASK);
	caller->stack = stack;
	return true;
}

static void read_file(pid_t pid, pid_t thread, const char *name, char *text, size_t bytes)
{
	char path[64];
	ssize_t got;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)thread, name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	got = file < 0 ? 0 : read(file, text, bytes - 1);
	if (file >= 0)
		close(file);
	text[got > 0 ? got : 0] = '\0';
}

/* To read the call of a thread that is about to sleep takes until it does. In the same call it may
 * wait for a lock, or have been stopped. */
static bool read_call(pid_t pid, pid_t thread, struct caller *caller)
{
	char text[256];

	read_file(pid, thread, "syscall", text, sizeof(text));
	caller->thread = thread;
	if (!parse_call(text, caller))
		return false;
	read_file(pid, thread, "wchan", text, sizeof(text));
	return strstr(text, "userfaultfd");
}

struct looking {
	const struct callers *before;
	struct callers *now;
	pid_t pid;
	unsigned int threads;
};

static const struct caller *same_call(const struct callers *callers, const struct caller *call)
{
	for (unsigned int i = 0; i < callers->count; i++) {
		const struct caller *item = &callers->items[i];

		if (item->thread == call->thread && item->unmaps == call->unmaps &&
		    item->from == call->from && item->end == call->end &&
		    item->stack == call->stack)
			return item;
	}
	return NULL;
}

/* True: there are too many. */
static bool look_at(void *argument, int thread)
{
	struct looking *looking = argument;
	struct callers *now = looking->now;
	struct caller *caller = &now->items[now->count];
	const struct caller *before;

	if (++looking->threads > THREADS_MOST || now->count == CALLERS)
		return true;
	if (!read_call(looking->pid, thread, caller))
		return false;
	before = same_call(looking->before, caller);
	caller->look = before ? before->look : now->look;
	caller->told = before && before->told;
	now->count++;
	return false;
}

void who_look(struct attached *attached)
{
	struct callers *callers = &attached->changes.callers;
	const struct callers before = *callers;
	struct looking looking = {&before, callers, attached->task.pid, 0};
	int folder;

	assert_writing(&attached->lock);
	if (!attached->task.pid || !userfault_is_changing(attached->task.userfault))
		return;
	callers->count = 0;
	callers->look++;
	folder = proc_open_threads(attached->task.pid);
	if (folder < 0)
		return;
	if (proc_each_number(folder, look_at, &looking))
		callers->count = 0;
	close(folder);
	if (looking.threads <= 2)
		callers->next_ns = monotonic_ns() + ALONE_NS;
}

void who_watch(struct attached *attached)
{
	const struct attached_changes *changes = &attached->changes;

	assert_writing(&attached->lock);
	if ((changes->limbo.count || changes->moved.count) &&
	    monotonic_ns() >= changes->callers.next_ns)
		who_look(attached);
	else
		attached->changes.callers.count = 0; /* it is not known what they have done since */
}

/* The kernel hands out events in the order in which they were queued: of several, who slept first.
 * Where that is not known, none of them is believed any more. */
struct mover who_moves(struct attached *attached, uint64_t from)
{
	struct callers *callers = &attached->changes.callers;
	struct caller *found = NULL;
	bool sure = true;

	assert_writing(&attached->lock);
	for (unsigned int i = 0; i < callers->count; i++) {
		struct caller *item = &callers->items[i];

		if (item->unmaps || item->from != from || item->told)
			continue;
		if (found && found->look == item->look)
			sure = false;
		else if (!found || item->look < found->look)
			found = item, sure = true;
	}
	if (!found)
		return (struct mover){0};
	if (sure) {
		found->told = true;
		return (struct mover){found->thread, found->look};
	}
	for (unsigned int i = 0; i < callers->count; i++)
		callers->items[i].told |= callers->items[i].from == from;
	return (struct mover){0};
}

void who_has_unmapped(struct attached *attached, uint64_t start, uint64_t end)
{
	struct callers *callers = &attached->changes.callers;

	assert_writing(&attached->lock);
	for (unsigned int i = 0; i < callers->count; i++) {
		struct caller *item = &callers->items[i];

		item->told |= item->unmaps && item->from == start && item->end == end;
	}
}

bool who_unmaps(const struct attached *attached, uint64_t start, uint64_t end)
{
	const struct callers *callers = &attached->changes.callers;

	assert_writing(&attached->lock);
	for (unsigned int i = 0; i < callers->count; i++) {
		const struct caller *item = &callers->items[i];

		if (item->unmaps && !item->told && item->from <= start && item->end >= end)
			return true;
	}
	return false;
}
