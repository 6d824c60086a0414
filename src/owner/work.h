/* SPDX-License-Identifier: MIT */
/* What the owner is asked for, by clients, signals or its own loop. Control thread. */
#ifndef OWNER_WORK_H
#define OWNER_WORK_H

#include <stdbool.h>
#include "base/message.h"

struct client;
struct owner;
struct pager_removal;
struct report;
struct request;

/* As things are now, or were when the pager was closed. */
void work_report(struct owner *owner, struct report *report);

/* Long work; `client` (or NULL: the terminal) hears how far it is. 0 or -errno with a message: then
 * the program is served as before. `lose`: pages that cannot be read are given up. */
int work_detach(struct owner *owner, struct client *client, bool lose, char message[MESSAGE_BYTES]);
int work_thaw(struct owner *owner, struct client *client, char message[MESSAGE_BYTES]);

/* A removal of a backend goes on while programs run: asked for in each turn of the loop, by the same
 * client. -EINPROGRESS; 0; -errno with a message. */
int work_remove(struct owner *owner, struct client *client, const struct request *request,
		struct pager_removal *removal, char message[MESSAGE_BYTES]);
/* At the end of each turn: calls it off when nobody waits for it any more. */
void work_remove_tick(struct owner *owner);

/* The pager is at something long: others are answered as far as that goes. `argument`: the owner. */
void work_meanwhile(void *argument);

/* Once something was attached, reports say so for good. */
void work_remember(struct owner *owner);

#endif
