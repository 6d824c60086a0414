/* SPDX-License-Identifier: MIT */
/* What is told to the user, who is heard in the middle of long work, and the end of a process that
 * cannot be served truthfully. Any thread, but where it says so. */
#ifndef PAGER_ATTACHED_SAY_H
#define PAGER_ATTACHED_SAY_H

struct attached;
struct pager;

void pager_say(struct pager *pager, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* At something long, every PAGER_MEANWHILE_NS: others are heard. Control thread, no lock held. */
#define PAGER_MEANWHILE_NS 200000000ull
void pager_meanwhile(struct pager *pager);

/* Kills the process behind it: its memory can no longer be told truthfully. */
void pager_kill(struct attached *attached);

/* The same, because the owner has no memory left to follow it; says so. */
void pager_lose(struct attached *attached);

/* What else to say of an error that a limit of the shell may cause; empty: nothing. */
const char *pager_limit_hint(int error);

#endif
