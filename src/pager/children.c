/* SPDX-License-Identifier: MIT */
#include "pager/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pager/state.h"
#include "pager/userfault.h"

/* An address that is never registered: the ioctl says whether there is an address space
 * at all. Above the kernel's lowest mappable address. */
#define PROBE_ADDRESS 0x10000u

static bool is_known(struct pager *pager, pid_t pid)
{
	for (unsigned int i = 0; i < pager->attached_count; i++)
		if (pager->attached[i]->pid == pid)
			return true;
	return false;
}

/* The last child in /proc/PID/task/TID/children that is not known yet; the file
 * lists them in the order of their birth. */
static pid_t newest_child_of_thread(struct pager *pager, const char *path)
{
	pid_t newest = 0, pid;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	while (fscanf(file, "%d", &pid) == 1)
		if (!is_known(pager, pid))
			newest = pid;
	fclose(file);
	return newest;
}

/* The event does not say which process the child is. It is the newest child: it has
 * just been made. (A thread that forked at the same time may confuse the two for a
 * moment; the first fault says for sure.) */
static pid_t newest_child(struct pager *pager, pid_t parent)
{
	char path[300];
	struct dirent *entry;
	pid_t newest = 0, pid;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", parent);
	tasks = opendir(path);
	if (!tasks)
		return 0;
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", parent, entry->d_name);
		pid = newest_child_of_thread(pager, path);
		if (pid > newest)
			newest = pid;
	}
	closedir(tasks);
	return newest;
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

/* What the child does not have (MADV_DONTFORK) must not keep its parent's bytes: something else
 * may come to lie there. */
static void drop_unmapped(struct attached *child, const struct maps *maps)
{
	uint64_t at = 0;

	for (size_t i = 0; i <= maps->count; i++) {
		uint64_t end = i < maps->count ? maps->items[i].start : MEMORY_END;

		if (at < end && end <= MEMORY_END &&
		    (memory_clear(child->memory, at, end) ||
		     region_remove(&child->regions, at, end)))
			pager_lose(child);
		if (i < maps->count)
			at = maps->items[i].end;
	}
}

/* Looks at the child's mappings before it has had time to change them. */
static void look_at_newborn(struct attached *child)
{
	struct maps maps = {0};

	child->needs_maps = !child->pid || maps_read(child->pid, &maps);
	if (!child->needs_maps)
		drop_unmapped(child, &maps);
	maps_free(&maps);
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
	set_pid(child, newest_child(pager, parent->pid));
	if (memory_fork(parent->memory, child->memory) ||
	    region_copy(&child->regions, &parent->regions) || server_add(pager, child)) {
		pager_kill(child);
		pager_lose(parent);
		attached_free(child);
		return;
	}
	look_at_newborn(child);
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

	child->needs_wipe = false;
	set_pid(child, process_of(thread));
	if (maps_read(child->pid, &maps) || maps_check_flags(child->pid, &maps, wipe, child)) {
		/* Not readable although its thread waits for us: it is dying. */
		child->needs_wipe = true;
	}
	maps_free(&maps);
}

void children_find_dead(struct pager *pager)
{
	bool found = false;

	for (unsigned int i = 0; i < pager->attached_count; i++) {
		struct attached *child = pager->attached[i];

		if (child->has_agent)
			continue;
		if (userfault_zero(child->userfault, PROBE_ADDRESS, 1) == -ESRCH)
			child->dead = true;
		found |= child->dead;
	}
	if (found)
		pager->attached_generation++;
}
