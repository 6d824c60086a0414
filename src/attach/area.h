/* SPDX-License-Identifier: MIT */
/* The agent's memory in a stopped program. */
#ifndef ATTACH_AREA_H
#define ATTACH_AREA_H

#include <stdint.h>
#include "attach/attach.h"
#include "attach/trace.h"
#include "base/message.h"

/* Maps all of it there and the channel here; fills the target's addresses and channel. 0, or
 * -errno with a message; area_unmap then takes away what there is. */
int area_map(struct trace *trace, struct target *target, char message[MESSAGE_BYTES]);
/* Makes the code staging writable and executable. 0 or -errno: the kernel may forbid it (-EACCES).
 */
int area_stage_code(struct trace *trace, const struct target *target);
void area_unmap(struct trace *trace, struct target *target);

/* Where the agent's stack ends, and a page of it for other uses while no agent runs. */
uint64_t area_stack_end(const struct target *target);
uint64_t area_scratch(const struct target *target);

#endif
