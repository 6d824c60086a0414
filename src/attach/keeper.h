/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a small process that shares the owner's descriptor table
 * (CLONE_FILES, not CLONE_VM), so that every userfaultfd stays open when the
 * owner dies; it then kills every attached process, so that none reads
 * zeros for its data, and every process that a userfaultfd belongs to.
 */
#ifndef ATTACH_KEEPER_H
#define ATTACH_KEEPER_H

#include <sys/types.h>

struct keeper;

/* Starts it, before any thread of the owner runs. 0 or -errno. */
int keeper_start(struct keeper **keeper);
/* `pidfd` (open in the owner's table) will be killed when the owner dies. Returns a
 * handle >= 0 or -ENOSPC. */
int keeper_add(struct keeper *keeper, pid_t pid, int pidfd);
void keeper_remove(struct keeper *keeper, int handle);
/* The owner ends in order: the keeper leaves without killing anybody. */
void keeper_stop(struct keeper *keeper);

#endif
