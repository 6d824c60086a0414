/* SPDX-License-Identifier: MIT */
/* Which servers are awake: those from whose CPUs faults come (server.h). Server only. */
#ifndef PAGER_FAULTS_FOLLOW_H
#define PAGER_FAULTS_FOLLOW_H

#include <stdint.h>
#include <sys/types.h>

struct server;

/* A fault of `thread` has been served: has servers awake where faults come from. */
void follow(struct server *server, pid_t thread, uint64_t now);

/* Goes to sleep if no fault has come from its CPUs for a while and another server is awake. */
void follow_leave(struct server *server, uint64_t now);

/* Sleeps until faults come from this server's CPUs, or all servers stop. */
void follow_wait(struct server *server);

#endif
