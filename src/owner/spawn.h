/* SPDX-License-Identifier: MIT */
/*
 * Starts a command as a child that waits until the owner is ready, so that
 * everything that can go wrong goes wrong before the program runs. The child keeps
 * the process group, terminal, descriptors, signal mask and limits that vswap
 * was started with.
 */
#ifndef OWNER_SPAWN_H
#define OWNER_SPAWN_H

#include <signal.h>
#include <sys/types.h>

struct spawn {
	pid_t pid;
	int pidfd;
	int go;	    /* closing it unwritten ends the child */
	int failed; /* reads the error of exec */
};

/* Forks. `mask` is the signal mask that the program gets. 0 or -errno. Call it before any
 * thread runs. */
int spawn_prepare(struct spawn *spawn, char **command, const sigset_t *mask);
/* Lets the child call exec. 0, or exec's -errno: the child is gone then and reaped. */
int spawn_go(struct spawn *spawn);
/* Ends and reaps a child that has not been let go. */
void spawn_cancel(struct spawn *spawn);

#endif
