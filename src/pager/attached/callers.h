/* SPDX-License-Identifier: MIT */
/* What changes/who.c has seen of the threads that sleep in mremap and munmap. */
#ifndef PAGER_ATTACHED_CALLERS_H
#define PAGER_ATTACHED_CALLERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CALLERS 32u

/* Who has moved something. */
struct mover {
	pid_t thread;	/* 0: it is not known */
	uint64_t since; /* it slept in this call at this look (callers.look), or at none before */
};

struct callers {
	struct caller {
		pid_t thread;
		bool unmaps; /* munmap of [from, end); else mremap */
		uint64_t from, end;
		uint64_t stack; /* where its stack was */
		uint64_t look;	/* it slept at this look for the first time */
		bool told;	/* its event has been read */
	} items[CALLERS];
	unsigned int count;
	pid_t one;	  /* some thread that was seen, ever */
	bool several;	  /* and another one */
	uint64_t next_ns; /* no look before that */
	uint64_t look;	  /* the number of the last one */
};

#endif
