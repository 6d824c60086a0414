/* SPDX-License-Identifier: MIT */
/*
 * A thread of the first process: ends the storm when it is time, and at once when anything is
 * wrong or stands still; kills processes at random; reaps orphans. Its stack is locked, so that
 * it runs even when nobody serves faults.
 */
#include "forkstorm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../storm/where.h"

#define STACK_BYTES  (128 * 1024ul)
#define TICK_MS	     20u
#define SECOND_TICKS (1000 / TICK_MS)
#define STALE_TICKS  (5 * SECOND_TICKS)

struct stillness {
	unsigned int beats, seconds;
};

static struct stillness stillness[MAX_SLOTS][MAX_WORKERS];
static unsigned int stale[MAX_SLOTS];

static void show_all(void)
{
	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		struct slot *slot = &shared->slots[i];
		int pid = atomic_load(&slot->pid);
		char folder[24];

		if (!pid)
			continue;
		dprintf(STDERR_FILENO, "forkstorm: pid %d (taken by %d, depth %u):", pid,
			atomic_load(&slot->taker), slot->depth);
		for (unsigned int w = 0; w < MAX_WORKERS; w++)
			if (atomic_load(&slot->worker[w].active))
				dprintf(STDERR_FILENO, " worker %u in %s for %u s,", w,
					atomic_load(&slot->worker[w].operation),
					stillness[i][w].seconds);
		snprintf(folder, sizeof(folder), "/proc/%d", pid);
		show_where(folder);
	}
}

static void end_all(void)
{
	int own = getpid();

	atomic_store(&shared->failed, true);
	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		int pid = atomic_load(&shared->slots[i].pid);

		if (pid > 0 && pid != own)
			kill(pid, SIGKILL);
	}
	_exit(1);
}

static void look_for_hangs(void)
{
	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		struct slot *slot = &shared->slots[i];

		for (unsigned int w = 0; w < MAX_WORKERS; w++) {
			struct stillness *still = &stillness[i][w];
			unsigned int beats = atomic_load(&slot->worker[w].beat);
			bool active =
				atomic_load(&slot->pid) > 0 && atomic_load(&slot->worker[w].active);

			still->seconds = active && beats == still->beats ? still->seconds + 1 : 0;
			still->beats = beats;
			if (still->seconds < HANG_SECONDS)
				continue;
			dprintf(STDERR_FILENO,
				"forkstorm: HANG: worker %u of pid %d stands still for %u s; "
				"seed %llu\n",
				w, atomic_load(&slot->pid), still->seconds,
				(unsigned long long)options.seed);
			show_all();
			end_all();
		}
	}
}

/* Taken by a process that was killed before it could fork. */
static void free_stale(void)
{
	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		struct slot *slot = &shared->slots[i];
		int taken = -1;

		if (atomic_load(&slot->pid) != -1 || !kill(atomic_load(&slot->taker), 0) ||
		    errno != ESRCH)
			stale[i] = 0;
		else if (++stale[i] > STALE_TICKS)
			atomic_compare_exchange_strong(&slot->pid, &taken, 0);
	}
}

static void kill_one(uint64_t *random)
{
	struct slot *slot = &shared->slots[trees_random(random) % MAX_SLOTS];
	int pid = atomic_load(&slot->pid);

	if (pid <= 0 || !slot->depth)
		return;
	/* Killed by us, in case it is found before kill returns. */
	atomic_store(&slot->killed, true);
	kill(pid, SIGKILL);
}

static void *watch(void *argument)
{
	uint64_t random = options.seed;
	double start = seconds_now();

	for (unsigned int tick = 1;; tick++) {
		pause_ms(TICK_MS);
		if (atomic_load(&shared->failed))
			end_all();
		if (options.kill)
			for (unsigned int i = 0; i < 8; i++)
				kill_one(&random);
		reap_orphans(false);
		free_stale();
		if (tick % SECOND_TICKS == 0)
			look_for_hangs();
		if ((options.pages && atomic_load(&shared->pages) >= options.pages) ||
		    (options.seconds && seconds_now() - start >= (double)options.seconds))
			atomic_store(&shared->stop, true);
	}
	return argument;
}

void watch_start(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	void *stack = map_private(STACK_BYTES);

	if (mlock(stack, STACK_BYTES))
		fprintf(stderr, "forkstorm: the watching thread's stack is not locked: %m\n");
	pthread_attr_init(&attributes);
	pthread_attr_setstack(&attributes, stack, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, watch, NULL)) {
		fprintf(stderr, "forkstorm: no thread that watches\n");
		exit(1);
	}
	pthread_attr_destroy(&attributes);
}
