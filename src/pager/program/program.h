/* SPDX-License-Identifier: MIT */
/* Injecting a process, recording what it has, letting go of it. Control thread only. */
#ifndef PAGER_PROGRAM_PROGRAM_H
#define PAGER_PROGRAM_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/message.h"

struct pager;

struct attached;
struct process;

/* Injects, registers all mappings, records all present pages; the pager's threads run. Not for a
 * child of fork that is served already. 0 or -errno with a message; on failure the process is as it
 * was. */
int program_attach(struct pager *pager, struct process *process, char message[MESSAGE_BYTES]);

/* The same for a child of fork that is served already: from now on pages may leave it, too. */
int program_adopt(struct pager *pager, struct process *process, char message[MESSAGE_BYTES]);

/* Registers mappings that have come since. 0 or -errno. */
int program_register_new(struct attached *attached);

/* Stops all threads for a moment and records the pages that no descriptor knows of. */
int program_record(struct attached *attached);

typedef void (*program_progress_fn)(void *argument, uint64_t left_pages);

struct bring_back {
	program_progress_fn progress; /* or NULL */
	void *argument;
	bool lose;	  /* a page that cannot be read is given up: touching it raises SIGBUS */
	bool hasty;	  /* tries each page once only */
	uint64_t told_ns; /* when progress was told last */
	uint64_t changing_ns; /* starve_mark's */
	/* What came of it: */
	uint64_t unreadable; /* pages that are not back */
	int error;	     /* of the device, -errno */
	const char *device;  /* its name */
	bool stuck;	     /* it does not answer */
};
/* Brings back every swapped page. Nothing leaves it any more (attached->paused). -ESRCH; -EIO: some
 * cannot be read, in FETCH_PATIENCE_NS since the last that could; -ETIMEDOUT: the device does not
 * answer. Then all is as it was, but for what is back already. */
int program_bring_back(struct attached *attached, struct bring_back *work);
/* -EIO or -ETIMEDOUT in words. */
void program_explain(const struct attached *attached, const struct bring_back *work, int error,
		     char message[MESSAGE_BYTES]);

/* Everything is back: unregisters, takes the agent out if there is one, and frees it. Pages that
 * cannot be read are lost if `lose` says so; else it fails, and the process is served on. */
int program_release(struct attached *attached, bool lose, char message[MESSAGE_BYTES]);

/*
 * Brings all back and lets go without a stop and without a call made inside the program: its new
 * seccomp filter could kill it for either. The agent stays asleep in the call it made before.
 * -EIO, -ETIMEDOUT: not all could be read, and it is served on.
 */
int program_abandon(struct attached *attached);

#endif
