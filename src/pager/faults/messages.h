/* SPDX-License-Identifier: MIT */
/* A server's messages: events are applied, faults served or put aside. Server only. */
#ifndef PAGER_FAULTS_MESSAGES_H
#define PAGER_FAULTS_MESSAGES_H

struct attached;
struct server;

/* Reads a message of a userfaultfd that has one, and deals with it. */
void messages_read(struct server *server, struct attached *attached);

/* Tries again what was put aside. */
void messages_retry(struct server *server);

/* Those whose FORK could not be read for want of a descriptor, again. `serving` is held. */
void messages_read_short(struct server *server);

/* Whoever serves next knows nothing of what was put aside: those threads fault again. */
void messages_forget(struct server *server);

#endif
