/* SPDX-License-Identifier: MIT */
/*
 * The keepers: two small processes that share the owner's descriptor table (CLONE_FILES, not
 * CLONE_VM), so that every userfaultfd stays open when the owner dies. They then kill every
 * process that has memory behind one of them, so that none reads zeros for its data. Whoever
 * kills the owner and one of them has not killed the other.
 *
 * A keeper stays until all that memory is dead and not a moment longer: a page that the kernel
 * itself reads for a dying process (write(2) from a swapped buffer) would be zeros too if the
 * userfaultfd were closed before. It needs no list: what is open in the table is all there is.
 */
#ifndef ATTACH_KEEPER_H
#define ATTACH_KEEPER_H

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#define KEEPERS 2

struct keepers;
struct nap_plan;

/* Starts them. 0 or -errno. */
int keepers_start(struct keepers **keepers);
/* To wait for: readable when one has died. */
void keepers_polls(const struct keepers *keepers, struct pollfd polls[KEEPERS]);
/* Starts anew whoever has died. 0 or -errno: call it again later. One thread at a time. */
int keepers_mend(struct keepers *keepers);
/* Stops the owner, and comes back when it goes on: they have it go on when somebody needs it. */
void keepers_nap(struct keepers *keepers, const struct nap_plan *plan);
/* It is one of them. */
bool keepers_has(const struct keepers *keepers, pid_t pid);
/* The owner ends in order: they leave, too. Processes whose userfaultfd is open still are killed,
 * and are not waited for. */
void keepers_stop(struct keepers *keepers);

#endif
