/* SPDX-License-Identifier: MIT */
#include "attach/seize.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <unistd.h>
#include "base/clock.h"

#define LEAVE_SIGNAL (SIGRTMIN + 1)
/* Pause between looks at the thread. */
#define LOOK_NS 20000000u

static _Atomic uint64_t since_ns; /* 0: nobody seizes now */
static _Thread_local sigjmp_buf out;
static _Thread_local volatile sig_atomic_t waits;

/* Anybody else's is for nobody. */
static void leave(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (waits && info->si_code == SI_TKILL && info->si_pid == getpid())
		siglongjmp(out, 1);
}

static void listen(void)
{
	struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO};

	sigaction(LEAVE_SIGNAL, &action, NULL);
}

/* True: it was left. */
static bool call(pid_t tid, unsigned long options, long *result)
{
	if (sigsetjmp(out, false)) {
		waits = false;
		return true;
	}
	waits = true;
	*result = ptrace(PTRACE_SEIZE, tid, NULL, (void *)options) ? -errno : 0;
	waits = false;
	return false;
}

int seize(pid_t tid, unsigned long options)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigset_t signals;
	long result = 0;
	bool left;

	pthread_once(&once, listen);
	sigemptyset(&signals);
	sigaddset(&signals, LEAVE_SIGNAL);
	/* One that comes too late is for nobody. */
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	atomic_store(&since_ns, monotonic_ns());
	left = call(tid, options, &result);
	atomic_store(&since_ns, 0);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	/* The signal may have come as the call was over. */
	if (left && ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		return -ETIMEDOUT;
	return (int)result;
}

void seize_join(pthread_t thread)
{
	for (;;) {
		struct timespec until = timespec_of(monotonic_ns() + LOOK_NS);
		uint64_t since;

		if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
			return;
		since = atomic_load(&since_ns);
		if (since && monotonic_ns() - since > SEIZE_NS)
			pthread_kill(thread, LEAVE_SIGNAL);
	}
}
