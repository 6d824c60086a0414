/* SPDX-License-Identifier: MIT */
#include "attach/own_userfault.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "attach/trace.h"
#include "attach/wait.h"
#include "base/clock.h"
#include "base/proc.h"

#define NAME "anon_inode:[userfaultfd]"

struct search {
	pid_t pid, agent_tid;
	int descriptors; /* the folder, once there is one */
};

/* A thread that has ended has no descriptors any more. */
static bool open_of(void *argument, int tid)
{
	struct search *search = argument;
	char path[64];

	if (tid == search->agent_tid || thread_dead(search->pid, tid))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fd", (int)search->pid, tid);
	search->descriptors = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return search->descriptors >= 0;
}

static int open_descriptors(pid_t pid, pid_t agent_tid)
{
	struct search search = {pid, agent_tid, -1};
	char path[48];
	int tasks;

	if (open_of(&search, pid))
		return search.descriptors;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tasks < 0)
		return -1;
	proc_each_number(tasks, open_of, &search);
	close(tasks);
	return search.descriptors;
}

static bool is_userfault(void *argument, int number)
{
	char name[16], target[sizeof(NAME)];
	ssize_t length;

	snprintf(name, sizeof(name), "%d", number);
	length = readlinkat(*(const int *)argument, name, target, sizeof(target));
	return length == (ssize_t)strlen(NAME) && !memcmp(target, NAME, strlen(NAME));
}

bool own_userfault(struct own_userfault *own, pid_t pid, pid_t agent_tid)
{
	int descriptors = open_descriptors(pid, agent_tid);
	struct stat status;

	if (descriptors < 0)
		return own->has;
	if (fstat(descriptors, &status) || status.st_size != own->descriptors ||
	    coarse_ns() - own->asked_ns > OWN_USERFAULT_NS) {
		own->has = proc_each_number(descriptors, is_userfault, &descriptors);
		own->descriptors = status.st_size;
		own->asked_ns = coarse_ns();
	}
	close(descriptors);
	return own->has;
}
