/* SPDX-License-Identifier: MIT */
#ifndef OWNER_ANSWER_H
#define OWNER_ANSWER_H

struct client;
struct request;

/* What control_open calls, with a struct owner. */
void answer(void *argument, struct client *client, const struct request *request);

#endif
