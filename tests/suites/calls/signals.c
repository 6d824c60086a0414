/* SPDX-License-Identifier: MIT */
/* Description: signals: stacks, masks, actions and what tells of them have left. */
#include "calls.h"
#include <sys/signalfd.h>
#include <ucontext.h>

#define STACK_PAGES 16

static volatile int seen, code, value;
static volatile bool on_stack;
static char *stack_at;

static void handler(int number, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	seen = number;
	code = info->si_code;
	value = info->si_value.sival_int;
	on_stack = &here >= stack_at && &here < stack_at + STACK_PAGES * PAGE;
}

static long sigaction_call(int number, void *action, void *old)
{
	return syscall(SYS_rt_sigaction, number, action, old, 8);
}

static void on_other_stack(void)
{
	char *at = area(1);
	stack_t *stack = (stack_t *)at, *old = (stack_t *)(at + 256);
	struct sigaction action = {.sa_sigaction = handler,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	stack_at = area(STACK_PAGES);
	*stack = (stack_t){.ss_sp = stack_at, .ss_size = STACK_PAGES * PAGE};
	leave(at, 1);
	show(sigaltstack(stack, old));
	show(old->ss_flags);
	expect(!sigaction(SIGUSR1, &action, NULL), "sigaction: %m");
	for (int i = 0; i < 3; i++) {
		memset(stack_at, 0x5a, STACK_PAGES * PAGE);
		leave(stack_at, STACK_PAGES);
		show(raise(SIGUSR1));
		show(seen == SIGUSR1 && on_stack);
	}
	leave(stack_at, STACK_PAGES);
	show(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}));
	show(value);
	show(code == SI_QUEUE);
	stack->ss_flags = SS_DISABLE;
	leave(at, 1);
	show(sigaltstack(stack, NULL));
}

/* The kernel's own form of struct sigaction. */
static void actions(void)
{
	char *at = area(2);

	leave(at, 2);
	show(sigaction_call(SIGUSR2, NULL, at));
	memset(at + PAGE, 0, PAGE);
	*(void **)(at + PAGE) = SIG_IGN;
	leave(at, 2);
	show(sigaction_call(SIGUSR2, at + PAGE, at));
	leave(at, 2);
	show(sigaction_call(SIGUSR2, NULL, at));
	show(*(void **)at == SIG_IGN);
	*(void **)(at + PAGE) = SIG_DFL;
	show(sigaction_call(SIGUSR2, at + PAGE, NULL));
}

static void waiting(void)
{
	char *at = area(3);
	sigset_t *set = (sigset_t *)at, *other = (sigset_t *)(at + 128);
	siginfo_t *info = (siginfo_t *)(at + PAGE);
	struct timespec *limit = (struct timespec *)(at + 512);
	struct signalfd_siginfo *read_info = (struct signalfd_siginfo *)(at + 2 * PAGE);
	int fd;

	sigemptyset(set);
	sigaddset(set, SIGRTMIN + 1);
	leave(at, 3);
	show(sigprocmask(SIG_BLOCK, set, other));
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 1});
	sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 2});
	leave(at, 3);
	show(sigpending(other));
	show(sigismember(other, SIGRTMIN + 1));
	*limit = (struct timespec){5, 0};
	leave(at, 3);
	show(sigtimedwait(set, info, limit) == SIGRTMIN + 1);
	show(info->si_value.sival_int);
	leave(at, 3);
	fd = signalfd(-1, set, SFD_CLOEXEC);
	show(fd >= 0);
	leave(at, 3);
	show(read(fd, read_info, sizeof(*read_info)));
	show(read_info->ssi_int);
	*limit = (struct timespec){0, 20000000};
	leave(at, 3);
	show(sigtimedwait(set, info, limit));
	close(fd);
	leave(at, 3);
	show(sigprocmask(SIG_UNBLOCK, set, other));
}

static void fault_handler(int number, siginfo_t *info, void *context)
{
	ucontext_t *user = context;

	(void)user;
	seen = number;
	code = info->si_code;
	mprotect((void *)((uintptr_t)info->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}

/* A write to protected memory that has left is the program's to see, once a page. */
static void faults(void)
{
	char *at = area(8);
	struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
	int count = 0;

	fill(at, 8, 1);
	expect(!sigaction(SIGSEGV, &action, NULL), "sigaction: %m");
	leave(at, 8);
	expect(!mprotect(at, 8 * PAGE, PROT_READ), "mprotect: %m");
	for (int i = 0; i < 8; i++) {
		seen = 0;
		*(volatile char *)(at + i * PAGE) = at[i * PAGE];
		count += seen == SIGSEGV && code == SEGV_ACCERR;
	}
	show(count);
	show_pages(at, 8, 1);
	signal(SIGSEGV, SIG_DFL);
}

int main(void)
{
	hazard_start();
	on_other_stack();
	actions();
	waiting();
	faults();
	return 0;
}
