/* SPDX-License-Identifier: MIT */
/* Backends that are changed while programs run. Control thread. */
#ifndef PAGER_BACKENDS_H
#define PAGER_BACKENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/spec.h"
#include "base/message.h"

struct pager;

/*
 * Opens one more, for what leaves from here on; `spec` as on the command line (backend/spec.h).
 * *name: what it is called. 0, and `message` may hold a note for who asked; or -errno with a
 * message, and it is not used: -EINVAL; -EEXIST: another one has the name; -ENOSPC: there are
 * BACKEND_MOST, or were; or what opening it said.
 */
int pager_backend_add(struct pager *pager, const char *spec, char *name, size_t name_bytes,
		      char message[MESSAGE_BYTES]);

/* Changes where segments go first. 0, or -ENOENT with a message. */
int pager_backend_set(struct pager *pager, const char *name, int priority,
		      char message[MESSAGE_BYTES]);

struct pager_removal {
	uint64_t done_bytes, total_bytes; /* moved; and what there was, or came meanwhile */
	double seconds;
};

/*
 * Begins to move all that is on a backend elsewhere; one at a time. 0, or -errno with a message,
 * and nothing is done: -ENOENT; -ENOSPC: there is no room elsewhere; -EBUSY. `lose`: pages that
 * cannot be read are given up; touching one raises SIGBUS.
 */
int pager_backend_remove(struct pager *pager, const char *name, bool lose,
			 char message[MESSAGE_BYTES]);
/*
 * How far it is: -EINPROGRESS; 0: the backend is closed. Other errors come with a message, and the
 * backend is as before, but for what has moved: -EIO: some cannot be read; -ENOSPC; -ETIMEDOUT. Not
 * to be asked again after that.
 */
int pager_backend_removal(struct pager *pager, struct pager_removal *removal,
			  char message[MESSAGE_BYTES]);
/* Calls it off, while it is in progress. */
void pager_backend_keep(struct pager *pager);

/* Before the tier is closed: calls off a removal, and waits for its device. */
void backends_end(struct pager *pager);

#endif
