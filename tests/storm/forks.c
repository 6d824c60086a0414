/* SPDX-License-Identifier: MIT */
/*
 * fork, nested, while the parent and the other threads go on; vfork, exec and
 * posix_spawn. A child ends with 0 only if all its memory was right.
 */
#include "storm.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void child_died(struct worker *worker, pid_t pid, int status)
{
	/* It has told why. */
	if (atomic_load(&shared->failed))
		_exit(1);
	if (WIFSIGNALED(status))
		storm_fail(worker, "child %d was killed by signal %d", pid, WTERMSIG(status));
	storm_fail(worker, "child %d ended with status %d", pid, WEXITSTATUS(status));
}

/* Waits as the watchdog likes it: the child's own beats say whether it hangs. */
static void wait_for(struct worker *worker, pid_t pid)
{
	int status;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0 || (got < 0 && errno == EINTR)) {
		usleep(500);
		if (one_in(worker, 1000))
			storm_beat(worker);
	}
	if (got < 0)
		storm_fail(worker, "waitpid: %m");
	if (status)
		child_died(worker, pid, status);
}

void children_reap(struct worker *worker, bool all)
{
	for (unsigned int i = worker->child_count; i-- > 0;) {
		pid_t pid = worker->children[i].pid;
		int status;
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == 0 && !all && worker->child_count < MAX_CHILDREN)
			continue;
		if (got == 0)
			wait_for(worker, pid);
		else if (got < 0)
			storm_fail(worker, "waitpid: %m");
		else if (status)
			child_died(worker, pid, status);
		atomic_store(&shared->slots[worker->children[i].slot].pid, 0);
		worker->children[i] = worker->children[--worker->child_count];
	}
}

/* What fork did to the mappings, as they were advised. */
static void child_mappings(struct worker *worker)
{
	for (unsigned int r = 0; r < worker->region_count;) {
		struct region *region = &worker->regions[r];
		bool cut = false;

		for (size_t i = 0; i < region->pages && !cut; i++) {
			size_t first = i;

			if (region->model[i].flags & PAGE_WIPE)
				pages_forget(region, i, 1);
			while (i < region->pages && region->model[i].flags & PAGE_DONTFORK)
				i++;
			if (i == first)
				continue;
			/* No room in the table: the rest goes too, and is never looked at. */
			if (!region_cut(worker, region, first, i - first))
				region_cut(worker, region, first, region->pages - first);
			cut = true;
		}
		if (!cut)
			r++;
	}
}

static void child_run(struct worker *worker, unsigned int slot, bool with_common)
{
	unsigned int operations = 20 + random_below(worker, 200) / (worker->depth + 1);

	worker->slot = slot;
	worker->depth++;
	worker->random = storm_mix(worker->random ^ getpid());
	worker->child_count = 0;
	atomic_store(&shared->slots[slot].pid, getpid());
	atomic_store(&shared->slots[slot].tid, getpid());
	io_child(worker);
	uring_child(worker);
	child_mappings(worker);
	storm_record(worker, "fork (here the child)", NULL, ~(size_t)0 / PAGE);
	if (with_common) {
		child_mappings(common);
		common->slot = slot;
		worker_check_all(common);
		pthread_mutex_unlock(&common_lock);
	}
	common_usable &= with_common;
	if (one_in(worker, 2))
		worker_check_all(worker);
	for (unsigned int i = 0; i < operations && !atomic_load(&shared->stop); i++) {
		storm_run_operation(worker);
		children_reap(worker, false);
	}
	children_reap(worker, true);
	worker_check_all(worker);
	_exit(0);
}

void op_fork(struct worker *worker)
{
	int slot;
	bool with_common;
	pid_t pid;

	if (worker == common || worker->depth >= MAX_DEPTH || worker->child_count == MAX_CHILDREN)
		return;
	slot = storm_take_slot();
	if (slot < 0)
		return;
	/* Only when held across the fork is the common memory of any use to the child. */
	with_common = common_usable && !pthread_mutex_trylock(&common_lock);
	pid = fork();
	if (pid == 0)
		child_run(worker, slot, with_common);
	if (with_common)
		pthread_mutex_unlock(&common_lock);
	if (pid < 0) {
		atomic_store(&shared->slots[slot].pid, 0);
		if (errno == EAGAIN || errno == ENOMEM)
			return;
		storm_fail(worker, "fork: %m");
	}
	storm_record(worker, "fork (here the parent)", NULL, ~(size_t)0 / PAGE);
	worker->children[worker->child_count].pid = pid;
	worker->children[worker->child_count++].slot = slot;
	/* Both sides write at once. */
	for (unsigned int i = 0; i < 4; i++)
		op_write(worker);
	if (one_in(worker, 4))
		children_reap(worker, true);
}

void op_vfork(struct worker *worker)
{
	size_t first, count;
	struct region *region = run_any(worker, 8, true, &first, &count);
	pid_t pid;

	if (!region)
		return;
	pages_write(worker, region, first, count);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		storm_fail(worker, "vfork: %m");
	pages_check(worker, region, first, count);
	wait_for(worker, pid);
}

/* The arguments stand in a page that may be swapped. */
void op_spawn(struct worker *worker)
{
	size_t first, count;
	struct region *region = run_any(worker, 1, true, &first, &count);
	char **arguments;
	char *page;
	pid_t pid;
	int error;

	if (!region)
		return;
	page = region->base + first * PAGE;
	storm_record(worker, "used for arguments", page, 1);
	pages_flag(region, first, 1, PAGE_RAW, 0);
	memset(page, 0, PAGE);
	arguments = (char **)page;
	arguments[0] = page + 256;
	arguments[1] = page + 512;
	strcpy(arguments[0], "sh");
	strcpy(arguments[1], "-c");
	arguments[2] = page + 768;
	strcpy(arguments[2], "exit 0");
	op_check(worker);
	error = posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, environ);
	if (error)
		storm_fail(worker, "posix_spawn: %s", strerror(error));
	pages_write(worker, region, first, 1);
	wait_for(worker, pid);
}
