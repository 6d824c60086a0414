/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a small process that shares the owner's descriptor table
 * (CLONE_FILES, not CLONE_VM), so that every userfaultfd stays open when the
 * owner dies; it then kills every attached process, so that none reads
 * zeros for its data, and every process that a userfaultfd belongs to.
 *
 * It stays until those are dead and not a moment longer: a page that the kernel
 * itself reads for a dying process (write(2) from a swapped buffer) would be
 * zeros too if the userfaultfd were closed before.
 */
#ifndef ATTACH_KEEPER_H
#define ATTACH_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

struct keeper;

/* Most processes that can be listed at a time. */
#define KEEPER_PROCESSES 4096

/* Starts it, before any thread of the owner runs. 0 or -errno. */
int keeper_start(struct keeper **keeper);
/*
 * `pidfd` (open in the owner's table) will be killed when the owner dies. Returns a
 * handle >= 0 or -ENOSPC. Any thread. Children of listed processes that still share their
 * memory are killed too when the owner dies before it could list them.
 */
int keeper_add(struct keeper *keeper, pid_t pid, int pidfd);
/* Before the pidfd is closed: its number may mean another process later. */
void keeper_remove(struct keeper *keeper, int handle);
/* False when somebody has killed it: the programs are no longer safe from the owner's death. */
bool keeper_alive(const struct keeper *keeper);
/* The owner ends in order: the keeper leaves without killing anybody. */
void keeper_stop(struct keeper *keeper);

#endif
