/* SPDX-License-Identifier: MIT */
/*
 * A keeper is a copy of the owner made by a bare clone. It waits in poll(2) until the owner is
 * dead, makes the descriptor table its own, and closes all but the userfaultfds: with the last
 * keeper's copy of a leash (leash.h) the kernel kills the program that has an agent. The others
 * are hunted (hunt.h).
 *
 * No new process can come meanwhile: a child of fork is not there before its parent's event was
 * read, and a parent that is killed while it waits for that makes none.
 *
 * The owner may have threads when it starts one anew. So nothing here calls malloc or stdio's
 * files: another thread may have held their locks.
 */
#include "attach/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
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
#include "attach/hunt.h"
#include "attach/nap.h"
#include "attach/probe.h"
#include "base/clock.h"
#include "base/proc.h"

/* Not the owner's name: who kills all of that name must not get both. */
#define KEEPER_NAME    "swap-keeper"
#define USERFAULT_NAME "anon_inode:[userfaultfd]"
/* Most userfaultfds that are looked at in one round. */
#define ROUND 4096
/* Between two rounds. */
#define PAUSE_US 2000
/* Then whoever waits for a page of what is left gets an error. */
#define PATIENCE_NS 1000000000ull
#define LEAVE_MS    200

struct keeper {
	pid_t pid; /* 0: none */
	int self;  /* its pidfd */
};

struct keepers {
	int owner, stop; /* pidfd of the owner; eventfd: it ends in order */
	int proc;	 /* /proc */
	struct nap *nap;
	struct keeper all[KEEPERS];
};

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- in a keeper ---- */

/* What ps and pkill -f take for the command line: our own copy of it. */
static void rename_self(void)
{
	char text[PROC_STAT];
	const char *stat = proc_stat(getpid(), 0, text);
	const char *from = proc_field(stat, 48), *to = proc_field(stat, 49);
	char *start = from ? (char *)strtoull(from, NULL, 10) : NULL;
	size_t size = start && to ? strtoull(to, NULL, 10) - (uintptr_t)start : 0;

	prctl(PR_SET_NAME, KEEPER_NAME);
	if (size) {
		memset(start, 0, size);
		strncpy(start, KEEPER_NAME, size - 1);
	}
}

static bool is_userfault(int descriptors, int number)
{
	char text[16], name[sizeof(USERFAULT_NAME)];
	ssize_t length;

	snprintf(text, sizeof(text), "%d", number);
	length = readlinkat(descriptors, text, name, sizeof(name));
	return length == sizeof(name) - 1 && !memcmp(name, USERFAULT_NAME, sizeof(name) - 1);
}

/* The table, when the owner is no more. */
struct table {
	int proc, descriptors; /* /proc, /proc/self/fd */
	int alive[ROUND];      /* userfaultfds of memory that is there still */
	size_t count;
};

static bool sort_out(void *argument, int number)
{
	struct table *table = argument;

	if (number == table->proc || number == table->descriptors)
		return false;
	if (!is_userfault(table->descriptors, number) || probe_memory(number) == -ESRCH)
		close(number);
	else if (table->count < ROUND)
		table->alive[table->count++] = number;
	return false;
}

/* Closes what is of no use, and says whether anything is left. */
static bool look_at_table(struct table *table)
{
	table->count = 0;
	table->descriptors = openat(table->proc, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (table->descriptors < 0)
		return true; /* no memory: later */
	proc_each_number(table->descriptors, sort_out, table);
	close(table->descriptors);
	return table->count;
}

/* The owner's death closes nothing that a table shared with us has. */
static void own_table(const struct keepers *keepers)
{
	while (unshare(CLONE_FILES))
		usleep(PAUSE_US);
	/* Room for what has to be opened, however full the table is. */
	close(keepers->owner);
	close(keepers->stop);
	for (int i = 0; i < KEEPERS; i++)
		if (keepers->all[i].self >= 0)
			close(keepers->all[i].self);
}

static void end_all(int proc)
{
	const uint64_t until = monotonic_ns() + PATIENCE_NS;
	struct table table = {.proc = proc};

	while (look_at_table(&table)) {
		hunt(proc, table.alive, table.count);
		for (size_t i = 0; i < table.count && monotonic_ns() >= until; i++)
			hunt_release(table.alive[i]);
		usleep(PAUSE_US);
	}
}

static _Noreturn void keep(const struct keepers *keepers)
{
	struct pollfd wait[3] = {
		{.fd = keepers->stop, .events = POLLIN},
		{.fd = keepers->owner, .events = POLLIN},
		{.fd = nap_poll(keepers->nap), .events = POLLIN},
	};
	pid_t owner = getppid();
	int ready;

	/* Locks are not inherited, and one that starts later has a copy of what the owner locks. */
	mlockall(MCL_CURRENT | MCL_ONFAULT);
	setsid();
	(void)!chdir("/");
	rename_self();
	do {
		while ((ready = poll(wait, 3, NAP_CHECK_MS)) < 0)
			;
		if (!ready)
			nap_check(keepers->nap, keepers->owner, owner);
		if (wait[2].revents)
			nap_watch(keepers->nap, keepers->owner, keepers->stop);
	} while (!wait[0].revents && !wait[1].revents);
	own_table(keepers);
	end_all(keepers->proc);
	/* Not exit: the owner's buffers and exit handlers are the owner's. */
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

/* ---- in the owner ---- */

static int start_one(struct keepers *keepers, struct keeper *keeper)
{
	sigset_t all, old;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* No exit signal: a wait for any child does not find it. */
	keeper->pid = (pid_t)syscall(SYS_clone, CLONE_FILES, 0, 0, 0, 0);
	if (!keeper->pid)
		keep(keepers);
	if (keeper->pid < 0)
		error = -errno;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error) {
		keeper->pid = 0;
		return error;
	}
	keeper->self = open_pidfd(keeper->pid);
	return 0;
}

static void close_one(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

/* `late`: one has the table still, and will look into /proc: that is closed with us. */
static void close_all(struct keepers *keepers, bool late)
{
	for (int i = 0; i < KEEPERS; i++)
		close_one(&keepers->all[i].self);
	close_one(&keepers->owner);
	close_one(&keepers->stop);
	if (!late)
		close_one(&keepers->proc);
	nap_close(keepers->nap);
	free(keepers);
}

int keepers_start(struct keepers **out)
{
	struct keepers *keepers = calloc(1, sizeof(*keepers));
	int error = 0;

	if (!keepers)
		return -ENOMEM;
	for (int i = 0; i < KEEPERS; i++)
		keepers->all[i].self = -1;
	keepers->owner = open_pidfd(getpid());
	keepers->stop = eventfd(0, EFD_CLOEXEC);
	keepers->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (keepers->owner < 0 || keepers->stop < 0 || keepers->proc < 0)
		error = -errno;
	if (!error)
		error = nap_open(&keepers->nap);
	if (!error)
		error = keepers_mend(keepers);
	if (error)
		keepers_stop(keepers);
	else
		*out = keepers;
	return error;
}

void keepers_polls(const struct keepers *keepers, struct pollfd polls[KEEPERS])
{
	for (int i = 0; i < KEEPERS; i++)
		polls[i] = (struct pollfd){.fd = keepers->all[i].self, .events = POLLIN};
}

int keepers_mend(struct keepers *keepers)
{
	int error = 0;

	for (int i = 0; i < KEEPERS && !error; i++) {
		struct keeper *keeper = &keepers->all[i];

		/* One that has no pidfd is asked for without. */
		if (keeper->pid && waitpid(keeper->pid, NULL, __WALL | WNOHANG) == 0)
			continue;
		close_one(&keeper->self);
		keeper->pid = 0;
		error = start_one(keepers, keeper);
	}
	return error;
}

void keepers_nap(struct keepers *keepers, const struct nap_plan *plan)
{
	nap_take(keepers->nap, plan);
}

bool keepers_has(const struct keepers *keepers, pid_t pid)
{
	for (int i = 0; i < KEEPERS; i++)
		if (keepers->all[i].pid == pid)
			return true;
	return false;
}

void keepers_stop(struct keepers *keepers)
{
	uint64_t one = 1;
	bool late = false;

	if (!keepers)
		return;
	if (keepers->stop >= 0 && write(keepers->stop, &one, sizeof(one)) < 0)
		one = 0;
	/* What has to be killed first takes them longer. */
	for (int i = 0; one && i < KEEPERS; i++) {
		struct pollfd wait = {.fd = keepers->all[i].self, .events = POLLIN};

		if (!keepers->all[i].pid)
			continue;
		if (poll(&wait, 1, LEAVE_MS) > 0)
			waitpid(keepers->all[i].pid, NULL, __WALL | WNOHANG);
		else
			late = true;
	}
	close_all(keepers, late);
}
