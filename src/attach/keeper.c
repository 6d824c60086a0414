/* SPDX-License-Identifier: MIT */
/*
 * The keeper is a copy of the owner made by a bare clone. It shares the
 * descriptor table and a list of processes, nothing else; it waits in poll(2).
 *
 * A child that was forked a moment before the owner's death has our userfaultfd
 * but is in no list yet. Before anybody is killed the keeper therefore looks at
 * all descendants of the listed processes and picks those with memory that is
 * registered with a userfaultfd (a child that has called exec has none, and
 * lives). No new one can come: fork waits until the owner has read its event.
 */
#include "attach/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/proc.h"

#define KEEPER_NAME "vswap-keeper"
#define DESCENDANTS 4096

enum slot_state { SLOT_FREE = 0, SLOT_TAKEN = 1, SLOT_LISTED = 2 };

struct slot {
	_Atomic int state;
	pid_t pid;
	int pidfd;
};

/* Shared by owner and keeper. */
struct list {
	_Atomic int end; /* one past the highest slot ever used */
	struct slot slots[KEEPER_PROCESSES];
};

struct keeper {
	struct list *list;
	pid_t pid;
	int owner, stop; /* pidfd of the owner; eventfd: leave quietly */
	int self;	 /* pidfd of the keeper */
};

struct process {
	pid_t pid, parent;
	int pidfd;
};

struct family {
	struct process members[DESCENDANTS];
	size_t count;
};

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool in_family(const struct family *family, pid_t pid)
{
	for (size_t i = 0; i < family->count; i++) {
		if (family->members[i].pid == pid)
			return true;
	}
	return false;
}

/* One pass over /proc: adds children of members; how many. */
static size_t add_children(struct family *family)
{
	DIR *directory = opendir("/proc");
	size_t before = family->count;
	struct dirent *entry;

	while (directory && family->count < DESCENDANTS && (entry = readdir(directory))) {
		pid_t pid = atoi(entry->d_name), parent;

		if (pid <= 0 || in_family(family, pid))
			continue;
		parent = proc_parent(pid);
		if (parent > 0 && in_family(family, parent))
			family->members[family->count++] = (struct process){pid, parent, -1};
	}
	if (directory)
		closedir(directory);
	return family->count - before;
}

/* Whether a process has memory that is registered with some userfaultfd. */
static bool has_registered_memory(pid_t pid)
{
	char path[32], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	file = fopen(path, "re");
	while (file && !found && getline(&line, &size, file) > 0)
		found = !strncmp(line, "VmFlags:", 8) && strstr(line, " um ");
	free(line);
	if (file)
		fclose(file);
	return found;
}

static void list_members(const struct list *list, struct family *family)
{
	for (int i = 0; i < list->end && family->count < DESCENDANTS; i++) {
		const struct slot *slot = &list->slots[i];

		if (slot->state == SLOT_LISTED)
			family->members[family->count++] =
				(struct process){slot->pid, 0, slot->pidfd};
	}
}

static void kill_family(struct family *family, size_t listed)
{
	/* Stays open until the last has died, see keeper.h. */
	for (size_t i = listed; i < family->count; i++) {
		struct process *child = &family->members[i];

		child->pidfd = open_pidfd(child->pid);
		/* Its number may be another's by now. */
		if (child->pidfd >= 0 && (!in_family(family, proc_parent(child->pid)) ||
					  !has_registered_memory(child->pid))) {
			close(child->pidfd);
			child->pidfd = -1;
		}
	}
	for (size_t i = 0; i < family->count; i++) {
		if (family->members[i].pidfd >= 0)
			syscall(SYS_pidfd_send_signal, family->members[i].pidfd, SIGKILL, NULL, 0);
	}
	for (size_t i = 0; i < family->count; i++) {
		struct pollfd wait = {.fd = family->members[i].pidfd, .events = POLLIN};

		while (wait.fd >= 0 && poll(&wait, 1, -1) < 0 && errno == EINTR)
			;
	}
}

static _Noreturn void keep(const struct keeper *keeper, struct family *family)
{
	struct pollfd wait[2] = {
		{.fd = keeper->stop, .events = POLLIN},
		{.fd = keeper->owner, .events = POLLIN},
	};
	size_t listed;

	setsid();
	prctl(PR_SET_NAME, KEEPER_NAME);
	do {
		while (poll(wait, 2, -1) < 0)
			;
	} while (!wait[0].revents && !wait[1].revents);
	if (!wait[0].revents) {
		list_members(keeper->list, family);
		listed = family->count;
		while (add_children(family))
			;
		kill_family(family, listed);
	}
	/* Not exit: the owner's buffers and exit handlers are the owner's. */
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

static void close_all(struct keeper *keeper)
{
	if (keeper->owner >= 0)
		close(keeper->owner);
	if (keeper->stop >= 0)
		close(keeper->stop);
	if (keeper->self >= 0)
		close(keeper->self);
	if (keeper->list)
		munmap(keeper->list, sizeof(*keeper->list));
	free(keeper);
}

int keeper_start(struct keeper **out)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	/* For the keeper, which gets a copy. */
	struct family *family = calloc(1, sizeof(*family));
	sigset_t all, old;
	int error = 0;

	if (!keeper || !family) {
		free(keeper);
		free(family);
		return -ENOMEM;
	}
	keeper->self = -1;
	keeper->list = mmap(NULL, sizeof(*keeper->list), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	keeper->owner = open_pidfd(getpid());
	keeper->stop = eventfd(0, EFD_CLOEXEC);
	if (keeper->list == MAP_FAILED) {
		keeper->list = NULL;
		error = -ENOMEM;
	} else if (keeper->owner < 0 || keeper->stop < 0) {
		error = -errno;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	/* No exit signal: a wait for any child does not find it. */
	keeper->pid = error ? error : (pid_t)syscall(SYS_clone, CLONE_FILES, 0, 0, 0, 0);
	if (!keeper->pid)
		keep(keeper, family);
	if (keeper->pid < 0 && !error)
		error = -errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	free(family);
	if (error) {
		close_all(keeper);
		return error;
	}
	keeper->self = open_pidfd(keeper->pid);
	*out = keeper;
	return 0;
}

int keeper_add(struct keeper *keeper, pid_t pid, int pidfd)
{
	struct list *list = keeper->list;

	for (int i = 0; i < KEEPER_PROCESSES; i++) {
		int expected = SLOT_FREE, end = list->end;

		if (!atomic_compare_exchange_strong(&list->slots[i].state, &expected, SLOT_TAKEN))
			continue;
		list->slots[i].pid = pid;
		list->slots[i].pidfd = pidfd;
		while (end <= i && !atomic_compare_exchange_weak(&list->end, &end, i + 1))
			;
		list->slots[i].state = SLOT_LISTED;
		return i;
	}
	return -ENOSPC;
}

void keeper_remove(struct keeper *keeper, int handle)
{
	if (handle >= 0 && handle < KEEPER_PROCESSES)
		keeper->list->slots[handle].state = SLOT_FREE;
}

bool keeper_alive(const struct keeper *keeper)
{
	struct pollfd wait = {.fd = keeper->self, .events = POLLIN};

	return keeper->self >= 0 && poll(&wait, 1, 0) == 0;
}

void keeper_stop(struct keeper *keeper)
{
	uint64_t one = 1;

	if (!keeper)
		return;
	if (write(keeper->stop, &one, sizeof(one)) == (ssize_t)sizeof(one)) {
		while (waitpid(keeper->pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	close_all(keeper);
}
