/* SPDX-License-Identifier: MIT */
/* What runs beside servers and evictor (threads.c). Private to src/pager. */
#ifndef PAGER_ATTACHED_STATE_THREADS_H
#define PAGER_ATTACHED_STATE_THREADS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pager_threads {
	bool run;		/* control thread */
	_Atomic bool stop;	/* to all */
	pthread_t watchdog;	/* watchdog.c */
	uint32_t watchdog_stop; /* futex */
	pthread_t starve;	/* starve.c */
	uint32_t starve_wake;	/* futex */
	_Atomic bool starve_stop;
};

#endif
