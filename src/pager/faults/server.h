/* SPDX-License-Identifier: MIT */
/*
 * The servers: threads that read the userfaultfds, apply events and serve faults.
 *
 * A fault is served fastest on the CPU that it came from: waking a thread on another, idle CPU
 * costs five times the whole rest of a fault. So there is one server for each CPU (at most
 * SERVERS), and only those are awake from whose CPUs faults came lately (follow.c). All of them
 * wait on every userfaultfd. Whichever wakes first reads the message, under the memory lock for
 * writing; the faults of one address space are then served side by side.
 *
 * An address space is freed only after every server has seen that it is no longer listed
 * (`serving` in listing.h).
 */
#ifndef PAGER_FAULTS_SERVER_H
#define PAGER_FAULTS_SERVER_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "pager/attached/attached.h"
#include "pager/faults/aside.h"
#include "pager/faults/fault.h"

/* Ends a read that a server sleeps in (watchdog.h): its own signal, never passed on to the program.
 */
#define SERVER_SIGNAL SIGPIPE

struct server {
	struct pager *pager;
	unsigned int index; /* CPUs index, index + SERVERS, ... are its own */
	pthread_t thread;
	struct fill_buffers *buffers;
	struct door *door;
	uint32_t generation;	/* of the list of address spaces that epoll has */
	_Atomic uint32_t reads; /* begun and ended: odd inside of one (watchdog.h) */

	bool changing;	    /* some faults put aside wait for an event or its waiter */
	unsigned int turns; /* spent waiting for that */
	uint64_t retry_ns;  /* none is tried again before */

	/* follow.c */
	pid_t followed;
	int followed_stat, cpu;
	uint64_t followed_at;
	bool polite;

	struct aside aside;
};

int servers_start(struct pager *pager);
void servers_stop(struct pager *pager);

#endif
