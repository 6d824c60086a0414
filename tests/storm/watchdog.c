/* SPDX-License-Identifier: MIT */
/*
 * A hang is a failure: when a worker or a child has made no step for HANG_SECONDS, says where
 * every one of them is and ends the run. Its stack is locked, so that it runs even when
 * nobody serves faults.
 */
#include "watchdog.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "where.h"

#define STACK_BYTES (128 * 1024ul)

/* It has ended; that its parent has not waited for it yet is no hang of its own. */
static bool has_ended(int pid, int tid)
{
	char path[64], text[400], *name_end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	name_end = strrchr(text, ')');
	return !name_end || name_end[2] == 'Z' || name_end[2] == 'X';
}

static void show_all(const unsigned int *still)
{
	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		const struct slot_state *slot = &shared->slots[i];
		int pid = atomic_load(&slot->pid), tid = atomic_load(&slot->tid);
		const char *operation = atomic_load(&slot->operation);
		char folder[48];

		if (pid <= 0)
			continue;
		dprintf(STDERR_FILENO, "storm: slot %u pid %d tid %d in %s, still for %u s:", i,
			pid, tid, operation ? operation : "-", still[i]);
		snprintf(folder, sizeof folder, "/proc/%d/task/%d", pid, tid);
		show_where(folder);
	}
}

static void end_all(void)
{
	int self = getpid();

	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		int pid = atomic_load(&shared->slots[i].pid);

		if (pid > 0 && pid != self)
			kill(pid, SIGKILL);
	}
	_exit(1);
}

static void progress(unsigned int second)
{
	dprintf(STDERR_FILENO, "storm: %u s, %lu pages checked, %lu operations, %lu signals\n",
		second, atomic_load(&shared->pages), atomic_load(&shared->operations),
		atomic_load(&shared->signals));
}

static void *watch(void *argument)
{
	unsigned int beats[MAX_SLOTS] = {0}, still[MAX_SLOTS] = {0};

	for (unsigned int second = 1;; second++) {
		struct timespec pause = {.tv_sec = 1};

		nanosleep(&pause, NULL);
		for (unsigned int i = 0; i < MAX_SLOTS; i++) {
			unsigned int beat = atomic_load(&shared->slots[i].beat);

			still[i] = atomic_load(&shared->slots[i].pid) > 0 && beat == beats[i]
					   ? still[i] + 1
					   : 0;
			beats[i] = beat;
			if (still[i] < HANG_SECONDS)
				continue;
			if (has_ended(atomic_load(&shared->slots[i].pid),
				      atomic_load(&shared->slots[i].tid))) {
				still[i] = 0;
				continue;
			}
			dprintf(STDERR_FILENO,
				"storm: HANG: slot %u stands still for %u s; seed %llu\n", i,
				still[i], (unsigned long long)options.seed);
			show_all(still);
			end_all();
		}
		if (options.verbose)
			progress(second);
		if ((options.seconds && second >= options.seconds) ||
		    (options.pages && atomic_load(&shared->pages) >= options.pages))
			atomic_store(&shared->stop, true);
	}
	return argument;
}

void watchdog_start(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, old;
	void *stack =
		mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (stack == MAP_FAILED || (mlock(stack, STACK_BYTES) && options.verbose))
		perror("storm: locking the watchdog's stack");
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (pthread_create(&thread, &attributes, watch, NULL))
		perror("storm: the watchdog");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
}
