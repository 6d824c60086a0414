/* SPDX-License-Identifier: MIT */
#include "pager/job/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/array.h"
#include "base/ask_process.h"
#include "base/clock.h"
#include "base/proc.h"
#include "pager/attached/holder.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/limits/marks.h"

/* New processes are searched this often at most, and for this part of the time. */
#define SCAN_IDLE_NS	20000000u
#define SCAN_PRESSED_NS 2000000u
#define SCAN_SHARE	50
/* Sizes are looked at with each call, for this part of the time. */
#define LOOK_SHARE 20
/* What is shared is looked up so often, for this part of the time. */
#define SHARED_NS    200000000u
#define SHARED_SHARE 20
/* A process is injected if it has this part of the budget (its group's, too), or this much. */
#define WORTH_SHARE 32
#define WORTH_LEAST (1u << 20)
/* While the job stays above its budget for so long, with nobody left who is worth an agent, half of
 * that is enough, and when it was not for longer, it is as before. */
#define LOWER_NS     300000000u
#define RAISE_NS     5000000000u
#define LOWERED_MOST 8u
/* Such a small process must have lived for so long: most end soon. */
#define OLD_NS 500000000u
/* It may soon be, with this part of that. */
#define SOON_SHARE 4
/* A forked child that is younger may be about to call exec. */
#define YOUNG_NS 20000000u

static int64_t worth_at(const struct pager *pager, const struct process *process,
			unsigned int lowered)
{
	uint64_t limit = group_tightest(process->group);
	uint64_t worth = (limit < pager->budget.limit_bytes ? limit : pager->budget.limit_bytes) /
			 WORTH_SHARE;

	worth >>= lowered;
	return (int64_t)((worth > WORTH_LEAST ? worth : WORTH_LEAST) >> PAGE_SHIFT);
}

static int64_t worth_pages(const struct pager *pager, const struct process *process)
{
	return worth_at(pager, process, pager->job.tree.lowered);
}

/* What it counts for. */
static int64_t counted_pages(const struct process *process)
{
	return process->attached ? process->attached->count.resident_pages : process->pages;
}

/* What it has: of a forked child also what it shares, which can only leave all who share it. */
static int64_t own_pages(const struct process *process)
{
	return counted_pages(process) + (process->attached ? process->shared : 0);
}

struct process *tree_find(struct pager *pager, pid_t pid)
{
	for (size_t i = 0; i < pager->job.tree.count; i++)
		if (pager->job.tree.items[i]->pid == pid)
			return pager->job.tree.items[i];
	return NULL;
}

void tree_read_command(struct process *process)
{
	char name[sizeof(process->command)];

	proc_command(process->pid, name, sizeof(name));
	/* Of one that has ended the last name stays. */
	if (name[0])
		memcpy(process->command, name, sizeof(name));
}

static void forget(struct process *process)
{
	if (process->pidfd >= 0)
		close(process->pidfd);
	if (process->statm >= 0)
		close(process->statm);
	free(process);
}

/* A process that has the memory of another one of the job: until it calls exec (vfork), or for
 * good. */
static pid_t find_twin(struct pager *pager, pid_t pid)
{
	for (size_t i = 0; i < pager->job.tree.count; i++) {
		const struct process *other = pager->job.tree.items[i];

		if (other->pid != pid && !other->twin && ask_same_memory(other->pid, pid))
			return other->pid;
	}
	return 0;
}

static int add(struct pager *pager, pid_t pid)
{
	struct tree *tree = &pager->job.tree;
	struct process *process;
	char path[64];
	int error = array_grow((void **)&tree->items, &tree->capacity, tree->count + 1,
			       sizeof(struct process *));

	if (error)
		return error;
	process = calloc(1, sizeof(*process));
	if (!process)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	process->pid = pid;
	process->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	process->statm = open(path, O_RDONLY | O_CLOEXEC);
	if (process->pidfd < 0 || process->statm < 0) {
		error = -errno;
		forget(process);
		return error;
	}
	process->found_ns = monotonic_ns();
	tree_read_command(process);
	process->twin = find_twin(pager, pid);
	process->group = pager->job.tree.inherited(pager, pid);
	tree->items[tree->count++] = process;
	return 0;
}

static bool is_ignored(const struct pager *pager, pid_t pid)
{
	const struct tree *tree = &pager->job.tree;

	if (keepers_has(pager->job.keepers, pid))
		return true;
	for (size_t i = 0; i < tree->ignored_count; i++)
		if (tree->ignored[i] == pid)
			return true;
	return false;
}

static bool ignore(void *argument, pid_t child)
{
	struct tree *tree = argument;
	pid_t *items = realloc(tree->ignored, (tree->ignored_count + 1) * sizeof(pid_t));

	if (items) {
		tree->ignored = items;
		tree->ignored[tree->ignored_count++] = child;
	}
	return false;
}

void tree_ignore_own(struct pager *pager)
{
	proc_each_child(getpid(), ignore, &pager->job.tree);
}

int tree_open(struct pager *pager, pid_t root, struct group *(*inherited)(struct pager *, pid_t))
{
	pager->job.tree.root = root;
	pager->job.tree.inherited = inherited;
	return add(pager, root);
}

/* Who had the same memory, and has not called exec, has it still. */
static pid_t find_heir(const struct pager *pager, const struct attached *attached, pid_t pid)
{
	for (size_t i = 0; i < pager->job.tree.count; i++) {
		const struct process *other = pager->job.tree.items[i];

		if (other->twin == pid && !other->attached && holder_is(attached, other->pid))
			return other->pid;
	}
	return 0;
}

/*
 * The process does not have this memory any more. Another one may (vfork, CLONE_VM): one that is
 * not found here shows itself by its next fault (pagemap.h); bury_unknown sees when none has.
 */
static void part(struct pager *pager, struct process *process)
{
	struct attached *attached = process->attached;
	pid_t heir;

	process->attached = NULL;
	attached->watch.process = NULL;
	attached_set_pages(attached, 0);
	/* The agent has gone with the process. */
	heir = attached->task.has_agent ? 0 : find_heir(pager, attached, process->pid);
	lock_write(&attached->lock);
	if (attached->task.pid == process->pid)
		attached->task.pid = 0;
	if (!attached->task.pid)
		holder_set(attached, heir);
	unlock_write(&attached->lock);
}

static void remove_at(struct pager *pager, size_t at)
{
	struct tree *tree = &pager->job.tree;
	struct process *process = tree->items[at];

	if (process->attached)
		part(pager, process);
	atomic_fetch_sub(&pager->budget.resident_pages, process->pages);
	tree->items[at] = tree->items[--tree->count];
	forget(process);
}

void tree_close(struct pager *pager)
{
	struct tree *tree = &pager->job.tree;

	for (size_t i = 0; i < tree->count; i++)
		forget(tree->items[i]);
	free(tree->items);
	free(tree->ignored);
	memset(tree, 0, sizeof(*tree));
}

static bool note_child(void *argument, pid_t child)
{
	struct pager *pager = argument;

	if (child != pager->job.tree.root && !is_ignored(pager, child) && !tree_find(pager, child))
		add(pager, child);
	return false;
}

/* New ones go to the end of the list, so their children are found in the same pass. */
static void scan(struct pager *pager)
{
	struct tree *tree = &pager->job.tree;

	for (size_t i = 0; i < tree->count; i++)
		proc_each_child(tree->items[i]->pid, note_child, pager);
	proc_each_child(getpid(), note_child, pager);
}

static bool has_ended(const struct process *process)
{
	struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};

	return poll(&ended, 1, 0) > 0;
}

/* It shared nothing at the last look, and no fork has been since. */
static bool shares_nothing(const struct process *process)
{
	return process->attached && process->shared_ns && !process->shared &&
	       !process->attached->changes.forked;
}

/* Processes that fork left with the same pages have them once. */
static void look_at_shared(struct process *process, bool alone)
{
	uint64_t now = monotonic_ns(), bytes;

	/* The evictor changes it, too (evict.c). */
	if (process->attached && process->shared_ns)
		process->shared = process->attached->count.shared_pages;
	if (now < process->shared_ns)
		return;
	if (alone)
		process->shared = 0;
	else if (!shares_nothing(process) && !maps_shared(process->pid, &bytes))
		process->shared = (int64_t)(bytes >> PAGE_SHIFT);
	process->shared_ns = now + (monotonic_ns() - now) * SHARED_SHARE + SHARED_NS;
	if (process->attached)
		process->attached->count.shared_pages = process->shared;
}

/* It has called exec. */
static bool has_parted(const struct process *process)
{
	const struct attached *attached = process->attached;

	return attached->task.pid != process->pid ||
	       (monotonic_ns() >= process->shared_ns && !holder_is(attached, process->pid));
}

/* It may have called exec, or who had the same memory. Not believed while one does not answer. */
static void look_at_twin(struct pager *pager, struct process *process)
{
	const unsigned int unanswered = ask_unanswered();
	pid_t twin;

	if (!process->twin || ask_same_memory(process->twin, process->pid))
		return;
	twin = find_twin(pager, process->pid);
	if (ask_unanswered() == unanswered)
		process->twin = twin;
}

/* False: the process is no more. */
static bool look(struct pager *pager, struct process *process)
{
	const struct attached *attached;
	struct process_size size;
	int64_t pages;

	/* After exec its userfaultfd belongs to no memory. */
	if (process->attached &&
	    (process->attached->task.dead || userfault_is_gone(process->attached->task.userfault)))
		attached_bury(process->attached);
	if (process->attached && has_parted(process))
		part(pager, process);
	attached = process->attached;
	if (maps_size(attached && attached->task.has_agent ? attached->target.statm
							   : process->statm,
		      &size)) {
		/* Its first thread may have ended before the others. */
		return !has_ended(process);
	}
	look_at_twin(pager, process);
	/* What two processes share is counted, and paged, with one of them. */
	look_at_shared(process, pager->job.tree.count == 1);
	pages = (int64_t)(size.anonymous >> PAGE_SHIFT) - process->shared;
	pages = process->twin || pages < 0 ? 0 : pages;
	if (process->attached) {
		attached_set_pages(process->attached, pages);
		pages = 0;
	}
	atomic_fetch_add(&pager->budget.resident_pages, pages - process->pages);
	process->pages = pages;
	return true;
}

/* Children that the servers have taken in are processes that may not have been found yet. */
static void join_attached(struct pager *pager)
{
	struct attached *attached;

	for (size_t i = 0; (attached = attached_at(pager, i)); i++) {
		struct process *process;

		if (attached->watch.process || !attached->task.pid)
			continue;
		process = tree_find(pager, attached->task.pid);
		if (!process && !add(pager, attached->task.pid))
			process = pager->job.tree.items[pager->job.tree.count - 1];
		if (!process || process->attached)
			continue;
		process->attached = attached;
		process->shared_ns = 0;
		attached->watch.process = process;
	}
}

/* A child whose process was never learned has ended when its address space has. */
static void bury_unknown(struct pager *pager)
{
	struct attached *attached;
	size_t i = 0;

	while ((attached = attached_at(pager, i))) {
		if (!attached->watch.process &&
		    (attached->task.dead || userfault_is_gone(attached->task.userfault)))
			attached_bury(attached);
		else
			i++;
	}
}

static bool has_agent(const struct process *process)
{
	return process->attached && process->attached->task.has_agent;
}

/* All of those that must not get an agent, and of those that are not worth one. */
int64_t tree_fixed_pages(const struct pager *pager, const struct process *process)
{
	const struct attached *attached = process->attached;
	int64_t pages = counted_pages(process), fixed;

	if (has_agent(process)) {
		fixed = attached->evict.fixed.pages + attached->watch.unmanaged;
		return fixed < pages ? fixed : pages;
	}
	if (process->left_alone || process->not_yet ||
	    own_pages(process) < worth_pages(pager, process))
		return pages;
	return 0;
}

static int64_t count_fixed(struct pager *pager)
{
	int64_t pages = 0;

	for (size_t i = 0; i < pager->job.tree.count; i++)
		pages += tree_fixed_pages(pager, pager->job.tree.items[i]);
	return pages;
}

static unsigned int count_growing(const struct pager *pager)
{
	unsigned int growing = 0;

	for (size_t i = 0; i < pager->job.tree.count; i++) {
		const struct process *process = pager->job.tree.items[i];

		growing += !has_agent(process) && !process->left_alone && !process->twin &&
			   own_pages(process) >= worth_pages(pager, process) / SOON_SHARE;
	}
	return growing;
}

/* Many small processes may together be far above the budget. */
static void set_worth(struct pager *pager, uint64_t now)
{
	struct tree *tree = &pager->job.tree;
	int64_t head = (int64_t)(marks_head_bytes(pager->budget.limit_bytes) >> PAGE_SHIFT);
	bool over = pager->budget.resident_pages > pager->budget.room_pages + head;

	if (over != tree->over) {
		tree->over = over;
		tree->over_ns = now;
	} else if (over && now - tree->over_ns > LOWER_NS && tree->lowered < LOWERED_MOST &&
		   !tree_largest(pager, true)) {
		tree->lowered++;
		tree->over_ns = now;
	} else if (!over && now - tree->over_ns > RAISE_NS) {
		tree->lowered = 0;
	}
}

void tree_refresh(struct pager *pager, bool pressed)
{
	struct tree *tree = &pager->job.tree;
	uint64_t now = monotonic_ns(), before = worked_ns();
	uint64_t pause = pressed ? SCAN_PRESSED_NS : SCAN_IDLE_NS;

	if (!tree->alone && now - tree->scanned_ns > pause &&
	    now - tree->scanned_ns > tree->scan_cost_ns * SCAN_SHARE) {
		scan(pager);
		tree->scanned_ns = now;
		tree->scan_cost_ns = worked_ns() - before;
	}
	now = monotonic_ns();
	before = worked_ns();
	if (now - tree->looked_ns < tree->look_cost_ns * LOOK_SHARE)
		return;
	join_attached(pager);
	for (size_t i = 0; i < tree->count;) {
		if (look(pager, tree->items[i]))
			i++;
		else
			remove_at(pager, i);
	}
	bury_unknown(pager);
	pager->budget.fixed_pages = count_fixed(pager);
	tree->growing = count_growing(pager);
	set_worth(pager, now);
	tree->looked_ns = now;
	tree->look_cost_ns = worked_ns() - before;
}

static uint64_t least_age(const struct pager *pager, const struct process *process)
{
	if (own_pages(process) < worth_at(pager, process, 0))
		return OLD_NS;
	return process->attached ? YOUNG_NS : 0;
}

struct process *tree_largest(struct pager *pager, bool all)
{
	struct process *largest = NULL;
	uint64_t now = monotonic_ns();

	for (size_t i = 0; i < pager->job.tree.count; i++) {
		struct process *process = pager->job.tree.items[i];

		if (process->left_alone || process->twin || has_agent(process) ||
		    own_pages(process) < worth_pages(pager, process) || now < process->retry_ns)
			continue;
		if (now - process->found_ns < least_age(pager, process))
			continue;
		if ((all || !group_until_near(process->group)) &&
		    (!largest || own_pages(process) > own_pages(largest)))
			largest = process;
	}
	return largest;
}
