/* SPDX-License-Identifier: MIT */
/*
 * The leash of a program with an agent: a pipe into which nobody writes. Owner and keepers have the
 * end for writing, the agent has the other in its own table. When the last of the former has died,
 * by whatever, the kernel signals to the program that nothing will come any more: by SIGKILL.
 * Nobody would serve its faults, and it would hang. The agent takes no part in it.
 */
#ifndef ATTACH_LEASH_H
#define ATTACH_LEASH_H

#include "attach/attach.h"
#include "attach/trace.h"

/* Makes it in the stopped program, before the agent is started; fills target->leash and tells the
 * channel. `ends`: the program's numbers, which are closed there once the agent has its own (-1:
 * none). 0, or -errno: what pipe2 said there, or that an end could not be taken. */
int leash_make(struct trace *trace, struct target *target, int ends[2]);
/* Lets go without harm, and closes the owner's ends. */
void leash_release(struct target *target);

#endif
