/* SPDX-License-Identifier: MIT */
#include "pager/children.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pager/futex.h"
#include "pager/state.h"
#include "pager/userfault.h"

/* How long to wait for a child to show itself after its FORK event, ns. */
#define NEWBORN_NS 2000000u

/* Where a process's stack begins: fork keeps it, exec changes it. 0: dead or not to be seen. */
static uint64_t stack_start(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], text[1024], *at;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = 0;
	at = strrchr(text, ')');
	for (int field = 2; at && field < 28; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%llu", &start) != 1)
		return 0;
	return start;
}

struct newborn {
	struct attached *parent;
	uint64_t stack_start;
};

static bool is_elder(const struct attached *parent, pid_t pid)
{
	for (size_t i = 0; i < parent->elder_count; i++)
		if (parent->elders[i] == pid)
			return true;
	return false;
}

static bool is_served(struct pager *pager, pid_t pid)
{
	bool served = false;

	pthread_mutex_lock(&pager->attached_lock);
	for (size_t i = 0; i < pager->attached_count && !served; i++)
		served = pager->attached[i]->pid == pid && !pager->attached[i]->dead;
	pthread_mutex_unlock(&pager->attached_lock);
	return served;
}

static bool is_newborn(void *argument, pid_t pid)
{
	const struct newborn *newborn = argument;
	struct attached *parent = newborn->parent;

	return !is_elder(parent, pid) && !is_served(parent->pager, pid) &&
	       stack_start(pid) == newborn->stack_start &&
	       syscall(SYS_kcmp, parent->pid, pid, KCMP_VM, 0, 0) != 0;
}

static bool note_elder(void *argument, pid_t pid)
{
	struct attached *attached = argument;
	pid_t *elders = realloc(attached->elders, (attached->elder_count + 1) * sizeof(pid_t));

	if (elders) {
		attached->elders = elders;
		attached->elders[attached->elder_count++] = pid;
	}
	return false;
}

void children_note_elders(struct attached *attached)
{
	tree_each_child(attached->pid, note_elder, attached);
}

/*
 * The event does not say which process the child is; the child shows itself a moment
 * later. No other fork can come between: its event has not been read yet. So it is
 * the one child with a copy of the program's memory (fork keeps where the stack
 * begins, exec does not) that we do not know.
 */
static pid_t find_newborn(struct attached *parent)
{
	struct newborn newborn = {parent, stack_start(parent->pid)};
	uint64_t since = monotonic_ns();
	pid_t pid;

	do {
		pid = tree_each_child(parent->pid, is_newborn, &newborn);
		if (!pid)
			sched_yield();
	} while (!pid && monotonic_ns() - since < NEWBORN_NS);
	return pid;
}

static void set_pid(struct attached *child, pid_t pid)
{
	int pidfd;

	if (pid == child->pid || pid <= 0)
		return;
	if (child->keeper_handle >= 0)
		keeper_remove(child->pager->keeper, child->keeper_handle);
	child->keeper_handle = -1;
	child->pid = pid;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return;
	if (child->pidfd >= 0)
		close(child->pidfd);
	child->pidfd = pidfd;
	child->keeper_handle = keeper_add(child->pager->keeper, pid, pidfd);
}

static void drop(struct attached *child, uint64_t start, uint64_t end)
{
	if (start < end &&
	    (memory_clear(child->memory, start, end) || region_remove(&child->regions, start, end)))
		pager_lose(child);
}

/* What the child does not have (MADV_DONTFORK) must not keep its parent's bytes: something else
 * may come to lie there. Spares [from, to), which has just moved away. */
static void drop_unmapped(struct attached *child, const struct maps *maps, uint64_t from,
			  uint64_t to)
{
	uint64_t at = 0;

	for (size_t i = 0; i <= maps->count; i++) {
		uint64_t end = i < maps->count ? maps->items[i].start : MEMORY_END;

		if (end > MEMORY_END)
			end = MEMORY_END;
		if (from < to && at < to && from < end) {
			drop(child, at, from);
			at = to;
		}
		drop(child, at, end);
		if (i < maps->count)
			at = maps->items[i].end;
	}
}

/* Looks at the child's mappings before it has had time to change them. If it was so quick that
 * a message waits already, its mappings are looked at with the first fault instead. From now on
 * its messages may be read. */
static void look_at_newborn(struct attached *child)
{
	struct pollfd message = {.fd = child->userfault, .events = POLLIN};
	struct maps maps = {0};

	child->needs_maps =
		!child->pid || maps_read(child->pid, &maps) || poll(&message, 1, 0) != 0;
	if (!child->needs_maps)
		drop_unmapped(child, &maps, 0, 0);
	maps_free(&maps);
	unlock_write(&child->lock);
}

void children_add(struct attached *parent, int userfault)
{
	struct pager *pager = parent->pager;
	struct attached *child = attached_new(pager, userfault);

	if (!child) {
		close(userfault);
		pager_lose(parent);
		return;
	}
	fcntl(userfault, F_SETFL, O_NONBLOCK);
	fcntl(userfault, F_SETFD, FD_CLOEXEC);
	child->needs_wipe = true;
	/* Another server may hear of it first, and must wait until it is born. */
	lock_write(&child->lock);
	set_pid(child, find_newborn(parent));
	if (memory_fork(parent->memory, child->memory) ||
	    region_copy(&child->regions, &parent->regions) || attached_list(child)) {
		pager_kill(child);
		pager_lose(parent);
		attached_free(child);
		return;
	}
	if (parent->unborn_count < UNBORN)
		parent->unborn[parent->unborn_count++] = child;
	else
		look_at_newborn(child);
}

/* A move that overtook, or was overtaken by, the FORK of a child: whether it happened to the
 * child as well is seen from its mappings. */
static void follow_remap(struct attached *child, const struct maps *maps, const struct remap *remap)
{
	bool has_from = false, has_to = false;

	for (size_t i = 0; i < maps->count; i++) {
		has_from |= maps->items[i].start <= remap->from && remap->from < maps->items[i].end;
		has_to |= maps->items[i].start <= remap->to && remap->to < maps->items[i].end;
	}
	if (!has_to || has_from)
		return;
	if (memory_move(child->memory, remap->from, remap->to, remap->length) ||
	    region_add(&child->regions, remap->to, remap->to + remap->length, false))
		pager_lose(child);
}

void children_note_remap(struct attached *parent, const struct remap *remap)
{
	if (parent->unborn_count && parent->remap_count < REMAPS)
		parent->remaps[parent->remap_count++] = *remap;
}

void children_born(struct attached *parent)
{
	struct attached *child;

	if (!parent->unborn_count)
		return;
	child = parent->unborn[--parent->unborn_count];
	for (unsigned int i = 0; i < parent->remap_count; i++) {
		struct maps maps = {0};

		if (child->pid && !maps_read(child->pid, &maps))
			follow_remap(child, &maps, &parent->remaps[i]);
		maps_free(&maps);
	}
	if (!parent->unborn_count)
		parent->remap_count = 0;
	look_at_newborn(child);
}

/* A first event that came before its mappings could be looked at: they show how it is after it. */
void children_first_event(struct attached *child, const struct uffd_msg *message)
{
	uint64_t from = message->arg.remap.from, to = message->arg.remap.to;
	uint64_t length = message->event == UFFD_EVENT_REMAP ? message->arg.remap.len : 0;
	struct maps maps = {0};

	if (!child->pid || maps_read(child->pid, &maps))
		return;
	child->needs_maps = false;
	for (size_t i = 0; length && i < maps.count; i++)
		if (maps.items[i].start <= to && to < maps.items[i].end &&
		    memory_clear(child->memory, to, maps.items[i].end))
			pager_lose(child);
	drop_unmapped(child, &maps, from, from + length);
	maps_free(&maps);
}

static pid_t process_of(pid_t thread)
{
	char path[64], line[256];
	pid_t process = thread;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", thread);
	file = fopen(path, "re");
	if (!file)
		return thread;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Tgid: %d", &process) == 1)
			break;
	fclose(file);
	return process;
}

static void wipe(void *argument, uint64_t start, uint64_t end)
{
	struct attached *child = argument;

	if (memory_clear(child->memory, start, end))
		pager_lose(child);
}

void children_first_fault(struct attached *child, pid_t thread)
{
	struct maps maps = {0};
	pid_t process = child->pid ? child->pid : process_of(thread);

	/* We read its memory, too: such a fault tells nothing. */
	if (process == getpid())
		return;
	child->needs_wipe = false;
	set_pid(child, process);
	if (maps_read(child->pid, &maps) || maps_check_flags(child->pid, &maps, wipe, child)) {
		/* Not readable although its thread waits for us: it is dying. */
		child->needs_wipe = true;
	}
	maps_free(&maps);
}
