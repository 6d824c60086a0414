/* SPDX-License-Identifier: MIT */
#include "attach/dispatch.h"

#include <sys/ptrace.h>

#define SET_DISPATCH 0x4210 /* PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, Linux 6.4 */
#define GET_DISPATCH 0x4211
#define INCLUSIVE    2 /* PR_SYS_DISPATCH_INCLUSIVE_ON, Linux 6.17 */

static bool set(pid_t tid, struct dispatch dispatch)
{
	return !ptrace(SET_DISPATCH, tid, (void *)sizeof(dispatch), &dispatch);
}

void dispatch_get(pid_t tid, struct dispatch *dispatch)
{
	*dispatch = (struct dispatch){0};
	if (ptrace(GET_DISPATCH, tid, (void *)sizeof(*dispatch), dispatch))
		*dispatch = (struct dispatch){0};
}

void dispatch_suspend(pid_t tid, const struct dispatch *dispatch)
{
	if (dispatch->mode)
		set(tid, (struct dispatch){0});
}

void dispatch_resume(pid_t tid, const struct dispatch *dispatch)
{
	if (!dispatch->mode || set(tid, *dispatch))
		return;
	/* A range that is dispatched, not spared, is told as the one around it, which the kernel
	 * does not take. */
	set(tid, (struct dispatch){INCLUSIVE, dispatch->selector,
				   dispatch->offset + dispatch->length, -dispatch->length});
}
