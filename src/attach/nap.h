/* SPDX-License-Identifier: MIT */
/*
 * While the owner is stopped. The shell that waits for it must see that it has stopped (job
 * control), but somebody may need it meanwhile: a process of the job that runs on has a fault, the
 * program is continued by somebody else or killed, a client asks. Then the keepers (keeper.h), who
 * are not stopped with it, have it go on.
 *
 *     owner    naps: what may need it is in an epoll ── SIGSTOP ── ... ── goes on
 *     keepers  wait: epoll readable, program not stopped, time is up ──── SIGCONT ┘
 *
 * Owner and keepers have one descriptor table, and one page of memory.
 */
#ifndef ATTACH_NAP_H
#define ATTACH_NAP_H

#include <stdbool.h>
#include <sys/types.h>

struct nap;

/* 0 or -errno. Before the first keeper starts. */
int nap_open(struct nap **nap);
/* NULL is fine. */
void nap_close(struct nap *nap);

/* ---- in the owner; control thread ---- */

struct nap_plan {
	pid_t program; /* its child, which has stopped */
	int needs;     /* an epoll: readable when somebody needs the owner */
	bool is_short; /* somebody does, and nothing shows it: it goes on after a moment */
};

/* Stops the whole owner. Comes back when it goes on. */
void nap_take(struct nap *nap, const struct nap_plan *plan);

/* ---- in a keeper ---- */

/* So often is the owner looked at, ms. */
#define NAP_CHECK_MS 500
/* It was stopped by somebody else, process `pid`: it goes on, and naps if its program has stopped.
 */
void nap_check(const struct nap *nap, int owner, pid_t pid);
/* To wait for: readable when the owner naps. */
int nap_poll(const struct nap *nap);
/* Until the owner is awake, or one of the two is readable: has it woken when somebody needs it.
 * `owner`: its pidfd. */
void nap_watch(const struct nap *nap, int owner, int stop);

#endif
