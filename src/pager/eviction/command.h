/* SPDX-License-Identifier: MIT */
/* Commands to an agent (attach/channel.h), one at a time. Evictor's thread. */
#ifndef PAGER_EVICTION_COMMAND_H
#define PAGER_EVICTION_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include "attach/channel.h"

struct attached;

/* Has not answered the last one yet. */
bool command_is_busy(const struct attached *attached);

/* What else the verb needs is in the channel already. */
void command_send(struct attached *attached, enum channel_verb verb, unsigned int count);

/* Waits for the answer, BATCH_PATIENCE_US at most, or until somebody is in a hurry (the batch's
 * `cancel`). False: it did not come. */
bool command_wait(struct attached *attached);

#endif
