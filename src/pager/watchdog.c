/* SPDX-License-Identifier: MIT */
#include "pager/watchdog.h"

#include <errno.h>
#include "pager/futex.h"
#include "pager/server.h"
#include "pager/state.h"

#define LOOK_NS 100000000u

/* Sent again at each look: it may come a moment before the read. */
static void look(struct pager *pager, uint32_t *seen)
{
	for (unsigned int i = 0; i < pager->server_count; i++) {
		uint32_t reads = pager->servers[i]->reads;

		if (reads % 2 && reads == seen[i])
			pthread_kill(pager->servers[i]->thread, WATCHDOG_SIGNAL);
		seen[i] = reads;
	}
}

static void *watchdog_main(void *argument)
{
	struct pager *pager = argument;
	uint32_t seen[SERVERS] = {0};

	pthread_setname_np(pthread_self(), "vswap-watchdog");
	while (!pager->watchdog_stop) {
		futex_wait(&pager->watchdog_stop, 0, LOOK_NS);
		look(pager, seen);
	}
	return NULL;
}

static void nothing(int number)
{
}

void watchdog_listen(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, WATCHDOG_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int watchdog_start(struct pager *pager)
{
	/* Without SA_RESTART. */
	struct sigaction action = {.sa_handler = nothing};

	if (sigaction(WATCHDOG_SIGNAL, &action, NULL))
		return -errno;
	pager->watchdog_stop = 0;
	return -pthread_create(&pager->watchdog, NULL, watchdog_main, pager);
}

void watchdog_stop(struct pager *pager)
{
	__atomic_store_n(&pager->watchdog_stop, 1, __ATOMIC_SEQ_CST);
	futex_wake(&pager->watchdog_stop, 1);
	pthread_join(pager->watchdog, NULL);
}
