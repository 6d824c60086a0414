/* SPDX-License-Identifier: MIT */
/*
 * The owner must never wait for memory that it serves itself, must outlive its
 * programs when memory is short, and shows nobody what it holds. Each step is
 * tried; `vswap doctor` tells which the machine allows. Call it after the
 * program was forked: nothing of this is the program's.
 */
#ifndef OWNER_HARDEN_H
#define OWNER_HARDEN_H

#include <stdbool.h>

/* True if everything that vswap will map may be locked: CAP_IPC_LOCK or no limit. */
bool harden_may_lock(void);
void harden_owner(void);
/* All threads, and those that they make from now on, come before whatever else wants the CPU: for a
 * budget above which the kernel kills. On a busy machine a program fills tens of MiB while the
 * owner waits for its turn. */
void harden_hurry(void);

#endif
