/* SPDX-License-Identifier: MIT */
/*
 * Description: threads that are bad to borrow. One whose system calls are dispatched (Syscall User
 * Dispatch) keeps that and sees no SIGSYS of ours; one that may make no calls (seccomp's strict
 * mode) is not made to make any when vswap leaves; one that waits with other signals blocked, or
 * while an ignored signal arrives, is not interrupted.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "harness.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH /* Linux 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#define WAIT_MS 100
#define ROUNDS	10

static volatile char selector;

static void map(void)
{
	board->memory = (uintptr_t)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset((void *)board->memory, 7, PAGES * PAGE);
}

static void count_call(int signal)
{
	(void)signal;
	selector = 0;
	board->counter++;
}

/* Spins with its calls dispatched; one of its own at the end must be, too. */
static int dispatched(void)
{
	map();
	signal(SIGSYS, count_call);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &selector)) {
		board->value = SKIP;
		board->ready = 1;
		return 0;
	}
	selector = 1;
	board->ready = 1;
	while (!board->stop)
		;
	board->value = board->counter;
	syscall(SYS_getppid);
	return board->value != 0 || board->counter != 1;
}

static int strict(void)
{
	map();
	board->ready = 1;
	while (!board->value)
		;
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	board->value = 2;
	while (!board->stop)
		;
	syscall(SYS_exit, 0);
	return 1;
}

/* As valgrind's programs are. */
static int no_vdso(void)
{
	unsigned long start, end;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[256];

	map();
	while (maps && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			board->failures += munmap((void *)start, end - start) != 0;
	}
	board->ready = 1;
	while (!board->stop)
		syscall(SYS_sched_yield);
	return board->failures != 0;
}

static void tick(int signal)
{
	(void)signal;
	board->counter++;
}

static int waits(int (*wait)(int epoll, const sigset_t *mask))
{
	int epoll = epoll_create1(0);
	sigset_t mask;

	map();
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	signal(SIGUSR1, tick);
	board->ready = 1;
	while (!board->stop) {
		if (wait(epoll, &mask) < 0)
			board->failures++;
	}
	return board->failures != 0;
}

static int wait_ppoll(int epoll, const sigset_t *mask)
{
	struct timespec time = {0, WAIT_MS * 1000000};

	(void)epoll;
	return ppoll(NULL, 0, &time, mask);
}

static int wait_epoll(int epoll, const sigset_t *mask)
{
	struct epoll_event event;

	return epoll_pwait(epoll, &event, 1, WAIT_MS, mask);
}

static int waits_ppoll(void)
{
	return waits(wait_ppoll);
}

static int waits_epoll(void)
{
	return waits(wait_epoll);
}

static bool is_strict(void *unused)
{
	(void)unused;
	return board->value == 2;
}

static void attach(struct pager *pager, pid_t pid)
{
	char message[MESSAGE_BYTES];

	check(!pager_attach(pager, pid, message), "%s", message);
}

static void leave(struct pager *pager)
{
	char message[MESSAGE_BYTES];

	check(!pager_leave(pager, message), "%s", message);
}

static void end_well(pid_t pid, const char *name)
{
	int status;

	board->stop = 1;
	status = wait_program(pid, 20);
	check(status == 0, "%s: wait status %x, %d failures", name, status, board->failures);
}

static void test_dispatched(void)
{
	pid_t pid = start_program(dispatched);
	struct pager pager;

	if (board->value != SKIP) {
		attach(&pager, pid);
		leave(&pager);
	}
	end_well(pid, "dispatched");
}

static void test_strict(void)
{
	pid_t pid = start_program(strict);
	struct pager pager;

	attach(&pager, pid);
	board->value = 1;
	wait_until(is_strict, NULL, "strict mode");
	leave(&pager);
	end_well(pid, "strict");
}

static void test_no_vdso(void)
{
	pid_t pid = start_program(no_vdso);
	struct pager pager;

	attach(&pager, pid);
	leave(&pager);
	end_well(pid, "no vDSO");
}

static int send_ignored(struct target *target, void *unused)
{
	(void)unused;
	return kill(target->pid, SIGCHLD) ? -errno : 0;
}

static void test_waits(int (*program)(void), const char *name)
{
	pid_t pid = start_program(program);
	char message[MESSAGE_BYTES];
	struct target target;

	for (int round = 0; round < ROUNDS; round++) {
		kill(pid, SIGUSR1); /* it waits until the call is over */
		check(!attach_inject(pid, -1, &target, send_ignored, NULL, message), "%s", message);
		let_pass(WAIT_MS * 3 / 10);
		check(!attach_leave(&target, message), "%s", message);
		let_pass(WAIT_MS * 3 / 10);
	}
	check(board->counter > 0, "no signal came");
	end_well(pid, name);
}

int main(void)
{
	need_rights();
	test_dispatched();
	test_strict();
	test_no_vdso();
	test_waits(waits_ppoll, "ppoll");
	test_waits(waits_epoll, "epoll_pwait");
	return 0;
}
