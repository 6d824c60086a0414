/* SPDX-License-Identifier: MIT */
/*
 * Description: a program whose memory is swapped installs a seccomp filter for all its threads that
 * kills at any call but a few. It must not be killed by what vswap does inside it, and all
 * memory, swapped or not, must stay readable.
 */
#include "hazard.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define PAGES 4096
#define ALLOW(call)                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

int main(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(write),
		ALLOW(exit_group),
		ALLOW(clock_gettime),
		ALLOW(rt_sigreturn),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
	char *at = anonymous(PAGES);

	hazard_start();
	fill(at, PAGES, 3);
	evict_most(at, PAGES);
	expect(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "NO_NEW_PRIVS: %m");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program))
		skip("seccomp: %m");
	/* No libc calls from here on that may want more. */
	for (int round = 0; round < 5; round++) {
		for (size_t p = 0; p < PAGES; p++) {
			if (!page_is(at + p * PAGE, 3, p)) {
				static const char text[] = "FAILED: wrong after the filter\n";

				syscall(SYS_write, 2, text, sizeof text - 1);
				syscall(SYS_exit_group, 1);
			}
		}
		for (volatile long i = 0; i < 100000000; i++)
			;
	}
	syscall(SYS_exit_group, 0);
}
