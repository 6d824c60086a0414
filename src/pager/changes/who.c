/* SPDX-License-Identifier: MIT */
#include "pager/changes/who.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/ask_process.h"
#include "base/clock.h"
#include "base/page.h"
#include "base/proc.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/* One alone, beside the agent, sends its events in order, and to look at more than so many would
 * cost too much: they are counted again after this, ns. */
#define THREADS_MOST 64u
#define PAUSE_NS     10000000u
/* Most looks before one event. */
#define LOOKS 3u

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

/*
 * Where it sleeps is asked first, and its call only if it sleeps for its event: to read the call
 * waits for a thread that is about to sleep, with a lock that exec holds, and a program could make
 * either last.
 */
static bool read_call(pid_t thread, struct caller *caller)
{
	char text[256];
	ssize_t got;

	proc_line(thread, "wchan", text, sizeof(text));
	if (!strstr(text, "userfaultfd"))
		return false;
	got = ask_read(thread, "syscall", ASK_CALL, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = '\0';
	caller->thread = thread;
	return parse_call(text, caller);
}

struct looking {
	const struct callers *before;
	struct callers *now;
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
	if (!read_call(thread, caller))
		return false;
	now->several |= now->one && now->one != thread;
	now->one = thread;
	before = same_call(looking->before, caller);
	caller->look = before ? before->look : now->look;
	caller->told = before && before->told;
	now->count++;
	return false;
}

static void look_once(struct attached *attached)
{
	struct callers *callers = &attached->changes.callers;
	const struct callers before = *callers;
	struct looking looking = {&before, callers, 0};
	int folder = proc_open_threads(attached->task.pid);

	callers->count = 0;
	callers->look++;
	if (folder < 0)
		return;
	if (proc_each_number(folder, look_at, &looking))
		callers->count = 0;
	close(folder);
	if (looking.threads <= 1u + attached->task.has_agent || looking.threads > THREADS_MOST)
		callers->next_ns = monotonic_ns() + PAUSE_NS;
}

/* Somebody sleeps of whom nothing has been read. */
static bool any_waits(const struct callers *callers)
{
	for (unsigned int i = 0; i < callers->count; i++)
		if (!callers->items[i].told)
			return true;
	return false;
}

/* Whoever is about to sleep is given a moment. */
void who_look(struct attached *attached)
{
	assert_writing(&attached->lock);
	for (unsigned int i = 0;
	     i < LOOKS && attached->task.pid && userfault_is_changing(attached->task.userfault);
	     i++) {
		if (i)
			sched_yield();
		look_once(attached);
		if (any_waits(&attached->changes.callers))
			break;
	}
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
