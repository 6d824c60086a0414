/* SPDX-License-Identifier: MIT */
/* Waking the threads that serve and evict. Any thread, any lock held. */
#ifndef PAGER_ATTACHED_KICK_H
#define PAGER_ATTACHED_KICK_H

struct attached;
struct pager;

/* An address space is no longer listed: no server waits on it any more. Control thread. */
void servers_forget(struct attached *attached);
/* Something has changed that every server must look at. */
void servers_kick(struct pager *pager);
/* Pages have left: faults that were put aside for that can be tried again. */
void servers_kick_deferred(struct pager *pager);
/* There may be pages to evict. */
void evictor_kick(struct pager *pager);

#endif
