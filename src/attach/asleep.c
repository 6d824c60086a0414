/* SPDX-License-Identifier: MIT */
#include "attach/asleep.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Younger than some C libraries. */
#ifndef SYS_futex_wait
#define SYS_futex_wait 455
#endif

/* Calls that wait. None maps, moves, drops or unmaps memory, nor forks. */
static bool waits(long number)
{
	static const short calls[] = {
		SYS_read,
		SYS_readv,
		SYS_recvfrom,
		SYS_recvmsg,
		SYS_recvmmsg,
		SYS_accept,
		SYS_accept4,
		SYS_poll,
		SYS_ppoll,
		SYS_select,
		SYS_pselect6,
		SYS_epoll_wait,
		SYS_epoll_pwait,
		SYS_epoll_pwait2,
		SYS_futex,
		SYS_futex_waitv,
		SYS_futex_wait,
		SYS_nanosleep,
		SYS_clock_nanosleep,
		SYS_restart_syscall,
		SYS_wait4,
		SYS_waitid,
		SYS_pause,
		SYS_rt_sigsuspend,
		SYS_rt_sigtimedwait,
		SYS_semop,
		SYS_semtimedop,
		SYS_msgrcv,
		SYS_mq_timedreceive,
		SYS_io_getevents,
		SYS_io_pgetevents,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (calls[i] == number)
			return true;
	}
	return false;
}

bool is_asleep(pid_t pid, pid_t tid)
{
	char path[64], text[32], *end;
	ssize_t got;
	long number;
	int file;

	/* "running" of one that has the CPU, -1 of one that sleeps in a fault. */
	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	got = read(file, text, sizeof(text) - 1);
	close(file);
	text[got > 0 ? got : 0] = '\0';
	number = strtol(text, &end, 10);
	return end != text && waits(number);
}
