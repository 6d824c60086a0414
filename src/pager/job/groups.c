/* SPDX-License-Identifier: MIT */
/*
 * Who is in which group. A process inherits its parent's when it is found. One whose parent had
 * ended by then (a daemon that was quicker than the look for new processes) is an orphan that
 * says itself where it belongs: `vswap group' leaves that in its environment.
 */
#include "pager/job/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attach/remote.h"
#include "base/ask_process.h"
#include "base/clock.h"
#include "base/proc.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/job/tree.h"

/* Most of an environment that is looked through. */
#define ENVIRONMENT_BYTES (256u << 10)
/* Above its limit for so long without a page that left: said once. */
#define STUCK_NS 2000000000u

/* The group that an environment names: GROUP_VARIABLE=PID/PATH, PID being the job's. */
static struct group *named(struct pager *pager, const char *text)
{
	char *end;
	long job = strtol(text, &end, 10);

	return job == pager->job.tree.root && *end == '/' ? groups_find(&pager->job.groups, end + 1)
							  : NULL;
}

static struct group *from_environment(struct pager *pager, pid_t pid)
{
	size_t name = strlen(GROUP_VARIABLE "=");
	char *text = malloc(ENVIRONMENT_BYTES + 1);
	struct group *group = NULL;
	ssize_t got = -1;
	int file = ask_open(pid, "environ", O_RDONLY);

	if (text && file >= 0)
		got = remote_file(file, text, ENVIRONMENT_BYTES);
	if (file >= 0)
		close(file);
	if (got > 0)
		text[got] = '\0';
	for (ssize_t at = 0; at < got && !group; at += (ssize_t)strlen(text + at) + 1)
		if (!strncmp(text + at, GROUP_VARIABLE "=", name))
			group = named(pager, text + at + name);
	free(text);
	return group;
}

struct group *groups_inherited(struct pager *pager, pid_t pid)
{
	const struct process *parent;

	if (!pager->job.groups.count)
		return NULL;
	parent = tree_find(pager, proc_parent(pid));
	return parent ? parent->group : from_environment(pager, pid);
}

/* ---- figures ---- */

static void add_up(const struct pager *pager, struct process *process)
{
	struct attached *attached = process->attached;
	int64_t pages = attached ? attached->count.resident_pages : process->pages;
	int64_t fixed = tree_fixed_pages(pager, process);

	if (attached && attached->group != process->group)
		attached->group = process->group;
	for (struct group *group = process->group; group; group = group->parent) {
		group->pages += pages;
		group->fixed_pages += fixed;
		group->processes++;
	}
}

/* Above its limit although nothing leaves it any more. */
static void watch(struct pager *pager, struct group *group, uint64_t now)
{
	char path[GROUP_PATH];
	int64_t limit = (int64_t)(group->limit_bytes >> PAGE_SHIFT);

	if (group->pages <= limit || pager->budget.paused) {
		group->stuck_ns = 0;
		return;
	}
	if (!group->stuck_ns || group->stuck_out != group->pages_out) {
		group->stuck_ns = now;
		group->stuck_out = group->pages_out;
		return;
	}
	if (group->told || now - group->stuck_ns < STUCK_NS)
		return;
	group->told = true;
	pager_say(
		pager,
		"group '%s' has %lld MiB, above its limit of %llu MiB, and nothing more can leave "
		"it; raise the limit: vswap limit --group %s SIZE",
		group_path(group, path), (long long)(group->pages >> (20 - PAGE_SHIFT)),
		(unsigned long long)(group->limit_bytes >> 20), path);
}

void groups_look(struct pager *pager)
{
	struct groups *groups = &pager->job.groups;
	uint64_t now = groups->count ? monotonic_ns() : 0;

	if (!groups->count)
		return;
	for (unsigned int i = 0; i < groups->count; i++) {
		groups->items[i]->pages = groups->items[i]->fixed_pages = 0;
		groups->items[i]->processes = 0;
	}
	for (size_t i = 0; i < pager->job.tree.count; i++)
		add_up(pager, pager->job.tree.items[i]);
	for (unsigned int i = 0; i < groups->count; i++) {
		struct group *group = groups->items[i];

		group->resident_pages = group->pages;
		group_set_marks(group);
		watch(pager, group, now);
	}
}

bool groups_must_evict(const struct pager *pager)
{
	for (unsigned int i = 0; i < pager->job.groups.count; i++) {
		const struct group *group = pager->job.groups.items[i];

		if (group->resident_pages > group->target_pages)
			return true;
	}
	return false;
}

bool groups_are_strained(const struct pager *pager)
{
	for (unsigned int i = 0; i < pager->job.groups.count; i++) {
		const struct group *group = pager->job.groups.items[i];

		if (group->resident_pages > (int64_t)(group->limit_bytes >> PAGE_SHIFT))
			return true;
	}
	return false;
}

bool groups_are_pressed(const struct pager *pager)
{
	for (unsigned int i = 0; i < pager->job.groups.count; i++) {
		const struct group *group = pager->job.groups.items[i];

		if (group->resident_pages > group->target_pages / 2)
			return true;
	}
	return false;
}

uint64_t groups_lowest_limit(const struct pager *pager)
{
	uint64_t lowest = UINT64_MAX;

	for (unsigned int i = 0; i < pager->job.groups.count; i++) {
		const struct group *group = pager->job.groups.items[i];

		if (group->processes && group->limit_bytes < lowest)
			lowest = group->limit_bytes;
	}
	return lowest;
}

uint64_t groups_until_near(const struct pager *pager)
{
	uint64_t least = UINT64_MAX;

	for (unsigned int i = 0; i < pager->job.groups.count; i++) {
		uint64_t left = group_until_near(pager->job.groups.items[i]);

		if (left < least)
			least = left;
	}
	return least;
}
