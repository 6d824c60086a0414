/* SPDX-License-Identifier: MIT */
#include "pager/watchdog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "attach/remote.h"
#include "base/futex.h"
#include "base/proc.h"
#include "pager/attached/state.h"
#include "pager/eviction/evictor.h"
#include "pager/faults/server.h"

#define LOOK_NS 100000000u
/* Looks in which the evictor's thread is in the same read. */
#define STAGING_LOOKS 5u
#define READ_LOOKS    20u
/* Where so many threads want to be served, one more; but not without an end. */
#define CROWD_THREADS	32u
#define READ_LOOKS_MOST 100u

struct evictor_look {
	const struct remote_guard *guard;
	uint32_t reads;
	unsigned int looks;
};

/* Sent again at each look: it may come a moment before the read. */
static void look(struct pager *pager, uint32_t *seen)
{
	for (unsigned int i = 0; i < pager->serve.count; i++) {
		uint32_t reads = pager->serve.servers[i]->reads;

		if (reads % 2 && reads == seen[i])
			pthread_kill(pager->serve.servers[i]->thread, SERVER_SIGNAL);
		seen[i] = reads;
	}
}

/* Where the kernel says that the thread sleeps; "" when it does not sleep. */
static void find_sleep(pid_t tid, char *where, size_t size)
{
	char text[PROC_STAT], path[64];
	const char *state = proc_stat(getpid(), tid, text);
	int file = -1;
	ssize_t got = 0;

	if (state && *state == 'D') {
		snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", (int)tid);
		file = open(path, O_RDONLY | O_CLOEXEC);
		got = file < 0 ? 0 : read(file, where, size - 1);
		if (got <= 0)
			got = snprintf(where, size, "?");
	}
	if (file >= 0)
		close(file);
	where[got] = '\0';
}

static bool is_reading_staging(struct pager *pager)
{
	bool staging;

	pthread_mutex_lock(&pager->listing.lock);
	staging = pager->listing.evicting && pager->listing.evicting->batch.state == BATCH_MOVING;
	pthread_mutex_unlock(&pager->listing.lock);
	return staging;
}

/* How long an honest program's read may take: its page comes after all that its threads wait for,
 * and thousands of them have the CPUs meanwhile. */
static unsigned int most_looks(struct pager *pager)
{
	unsigned int looks = READ_LOOKS;
	pid_t pid;

	pthread_mutex_lock(&pager->listing.lock);
	pid = pager->listing.evicting ? pager->listing.evicting->task.pid : 0;
	pthread_mutex_unlock(&pager->listing.lock);
	if (pid)
		looks += proc_threads(pid) / CROWD_THREADS;
	return looks < READ_LOOKS_MOST ? looks : READ_LOOKS_MOST;
}

/* Pages that left are never behind our own userfaultfd: nobody but the program can hold them up
 * there. Anything else may be a server that has much to do, or a disk. */
static bool is_too_long(struct pager *pager, unsigned int looks)
{
	char where[64];

	if (looks < STAGING_LOOKS)
		return false;
	find_sleep(pager->evict.guard->tid, where, sizeof(where));
	if (where[0] && looks >= READ_LOOKS && looks >= most_looks(pager))
		return true;
	return (strstr(where, "userfault") || strstr(where, "fuse")) && is_reading_staging(pager);
}

static void look_at_evictor(struct pager *pager, struct evictor_look *last)
{
	struct remote_guard *guard = pager->evict.guard;
	uint32_t reads = guard ? guard->reads : 0;

	if (!(reads % 2) || reads != last->reads || guard != last->guard) {
		*last = (struct evictor_look){guard, reads, 0};
		return;
	}
	if (is_too_long(pager, ++last->looks) && remote_give_up(guard, reads))
		evictor_replace(pager);
}

static void *watchdog_main(void *argument)
{
	struct pager *pager = argument;
	uint32_t seen[SERVERS] = {0};
	struct evictor_look last = {0};

	pthread_setname_np(pthread_self(), "vswap-watchdog");
	while (!__atomic_load_n(&pager->threads.watchdog_stop, __ATOMIC_SEQ_CST)) {
		futex_wait(&pager->threads.watchdog_stop, 0, LOOK_NS);
		look(pager, seen);
		look_at_evictor(pager, &last);
	}
	return NULL;
}

static void nothing(int number)
{
	(void)number;
}

int watchdog_start(struct pager *pager)
{
	/* Without SA_RESTART. */
	struct sigaction action = {.sa_handler = nothing};

	if (sigaction(SERVER_SIGNAL, &action, NULL))
		return -errno;
	pager->threads.watchdog_stop = 0;
	return -pthread_create(&pager->threads.watchdog, NULL, watchdog_main, pager);
}

void watchdog_stop(struct pager *pager)
{
	__atomic_store_n(&pager->threads.watchdog_stop, 1, __ATOMIC_SEQ_CST);
	futex_wake(&pager->threads.watchdog_stop, 1);
	pthread_join(pager->threads.watchdog, NULL);
}
