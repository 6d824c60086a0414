/* SPDX-License-Identifier: MIT */
#include "attach/leash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/area.h"
#include "attach/borrow.h"
#include "attach/grant.h"
#include "attach/remote.h"

int leash_make(struct trace *trace, struct target *target, int ends[2])
{
	uint64_t scratch = area_scratch(target);
	int got[2];
	long error = trace_call(trace, SYS_pipe2, scratch, O_CLOEXEC);

	if (!error)
		error = remote_read(trace->borrowed, scratch, got, sizeof(got));
	if (error)
		return (int)error;
	for (int i = 0; i < 2; i++) {
		ends[i] = got[i];
		target->leash[i] = take_descriptor(trace, target, got[i]);
		if (target->leash[i] < 0)
			return target->leash[i];
	}
	if (fcntl(target->leash[0], F_SETOWN, target->pid) ||
	    fcntl(target->leash[0], F_SETSIG, SIGKILL) || fcntl(target->leash[0], F_SETFL, O_ASYNC))
		return -errno;
	target->channel->leash = got[0];
	return 0;
}

void leash_release(struct target *target)
{
	/* The agent may have its end still. */
	if (target->leash[0] >= 0)
		fcntl(target->leash[0], F_SETOWN, 0);
	for (int i = 0; i < 2; i++) {
		if (target->leash[i] >= 0)
			close(target->leash[i]);
		target->leash[i] = -1;
	}
}
