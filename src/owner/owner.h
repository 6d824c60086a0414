/* SPDX-License-Identifier: MIT */
/*
 * The owner: the process that hosts a space. Its one control thread watches the
 * program, drives the pager, answers clients and passes signals on.
 *
 * Order of a life: owner_block_signals, (spawn,) owner_open, owner_take and owner_listen,
 * owner_loop, owner_close.
 */
#ifndef OWNER_OWNER_H
#define OWNER_OWNER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "backend/backend.h"
#include "base/message.h"

struct owner_config {
	uint64_t limit_bytes;
	bool cgroup; /* the limit of the job's memory cgroup instead; it is followed */
	const struct backend_spec *backends;
	unsigned int backend_count;
	const char *stats_path; /* NULL: none; checked by owner_open */
	bool no_children;	/* only the process itself, not what it has started or will start */
	bool quiet;		/* no closing paragraph, no notices */
	bool is_parent;		/* the program is our child: its signals and status are passed on */
	const char *command;	/* what the program was called as; NULL: ask the kernel */
};

struct owner;

/* Blocks all signals that the owner handles; threads made later inherit it. */
void owner_block_signals(sigset_t *before);

/* For process `pid`: checks the stats path, hardens this process, opens the pager. 0 or -errno with
 * a message. */
int owner_open(struct owner **owner, const struct owner_config *config, pid_t pid,
	       char message[MESSAGE_BYTES]);
/* Opens the control socket of the process's space: who asks is answered by owner_loop. A process of
 * ours may ask as soon as it runs, so this comes before; for another's, which may have a space
 * already, after owner_take. Without a socket the program still runs in its budget: that is said.
 */
void owner_listen(struct owner *owner);
/* Takes the process under watch. Owns pidfd from here on, also on failure. 0 or -errno with a
 * message: the process is as it was. */
int owner_take(struct owner *owner, int pidfd, char message[MESSAGE_BYTES]);
/* Until the program has ended, or (not is_parent) was detached. Writes the stats file and the
 * closing paragraph. 0, or -errno when the stats file could not be written. */
int owner_loop(struct owner *owner);
/* After owner_loop with is_parent: how the program ended, in the form of waitpid(2). */
int owner_wait_status(const struct owner *owner);
void owner_close(struct owner *owner);

#endif
