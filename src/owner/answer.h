/* SPDX-License-Identifier: MIT */
#ifndef OWNER_ANSWER_H
#define OWNER_ANSWER_H

#include <stdbool.h>

struct client;
struct request;

/* What control_open calls, with a struct owner. False: when the pager's long work is done. */
bool answer(void *argument, struct client *client, const struct request *request);

#endif
