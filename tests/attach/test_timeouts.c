/* SPDX-License-Identifier: MIT */
/*
 * Description: a program waits with a time-out in calls that the kernel does not restart, and is
 * stopped again and again, or once early and once late. Each call ends, with what it says when its
 * time is over, not before and not much later; one that comes after it has its own time.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "attach/timeouts.h"
#include "attach/trace.h"
#include "harness.h"

#define LENGTH	      0.3 /* seconds */
#define LONG	      2.0
#define CALLS	      2
#define STOPS_MOST_S  20
#define LONG_TOO_LATE (LONG * 1.5)

static struct timespec length(double seconds)
{
	long whole = (long)seconds;

	return (struct timespec){whole, (long)((seconds - (double)whole) * 1e9)};
}

/* Each: whether the call said that its time was over. */
static bool in_epoll_wait(double seconds)
{
	struct epoll_event event;
	int epoll = epoll_create1(0);
	bool over = epoll_wait(epoll, &event, 1, (int)(seconds * 1000)) == 0;

	close(epoll);
	return over;
}

static bool in_epoll_pwait(double seconds)
{
	struct epoll_event event;
	int epoll = epoll_create1(0);
	sigset_t all;
	bool over;

	sigfillset(&all);
	over = epoll_pwait(epoll, &event, 1, (int)(seconds * 1000), &all) == 0;
	close(epoll);
	return over;
}

static bool in_epoll_pwait2(double seconds)
{
	struct timespec time = length(seconds);
	struct epoll_event event;
	int epoll = epoll_create1(0);
	bool over = syscall(SYS_epoll_pwait2, epoll, &event, 1, &time, NULL, 8) == 0;

	close(epoll);
	return over;
}

static bool in_semtimedop(double seconds)
{
	struct timespec time = length(seconds);
	struct sembuf down = {0, -1, 0};
	int semaphores = semget(IPC_PRIVATE, 1, 0600);
	bool over = semtimedop(semaphores, &down, 1, &time) == -1 && errno == EAGAIN;

	semctl(semaphores, 0, IPC_RMID);
	return over;
}

static bool in_sigtimedwait(double seconds)
{
	struct timespec time = length(seconds);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return sigtimedwait(&set, NULL, &time) == -1 && errno == EAGAIN;
}

static bool in_io_getevents(double seconds)
{
	struct timespec time = length(seconds);
	aio_context_t context = 0;
	struct io_event event;
	bool over;

	if (syscall(SYS_io_setup, 1, &context)) {
		usleep((useconds_t)(seconds * 1e6)); /* a kernel without it */
		return true;
	}
	over = syscall(SYS_io_getevents, context, 1, 1, &event, &time) == 0;
	syscall(SYS_io_destroy, context);
	return over;
}

static const struct {
	const char *name;
	bool (*call)(double seconds);
} calls[] = {
	{"epoll_wait", in_epoll_wait},	   {"epoll_pwait", in_epoll_pwait},
	{"epoll_pwait2", in_epoll_pwait2}, {"semtimedop", in_semtimedop},
	{"sigtimedwait", in_sigtimedwait}, {"io_getevents", in_io_getevents},
};
static unsigned int current;

/* 3: not the time-out; 4: too soon. */
static int wait_for(double seconds)
{
	double start = seconds_now();

	if (!calls[current].call(seconds))
		return 3;
	return seconds_now() - start < seconds * 0.999 ? 4 : 0;
}

static int program(void)
{
	int error = 0;

	board->ready = 1;
	for (int i = 0; !error && i < CALLS; i++)
		error = wait_for(LENGTH);
	board->stop = 1;
	return error;
}

static int long_program(void)
{
	double start = seconds_now();
	int error;

	board->ready = 1;
	error = wait_for(LONG);
	return error ? error : seconds_now() - start > LONG_TOO_LATE ? 5 : 0;
}

static int nothing(struct target *target, void *argument)
{
	(void)target;
	(void)argument;
	return 0;
}

static void attach(pid_t pid, struct target *target)
{
	char message[MESSAGE_BYTES];
	int error = attach_inject(pid, -1, target, nothing, NULL, message);

	check(!error, "%s: %s", calls[current].name, message);
}

/* The stops come more often than the calls take: they would never end. */
static void many_stops(void)
{
	double start = seconds_now();
	struct target target;
	pid_t pid = start_program(program);
	int status;

	attach(pid, &target);
	while (!board->stop) {
		check(seconds_now() - start < STOPS_MOST_S, "%s goes on", calls[current].name);
		attach_stop(&target, 1000, nothing, NULL);
		let_pass(20);
	}
	status = wait_program(pid, 20);
	check(!status, "%s: wait status %x", calls[current].name, status);
	attach_forget(&target);
}

/* Nothing stops it when its time is over. */
static void late_stop(void)
{
	struct target target;
	pid_t pid = start_program(long_program);
	int status;

	wait_until(is_waiting, &pid, "its call");
	attach(pid, &target);
	let_pass((unsigned int)(LONG * 0.8e3));
	attach_stop(&target, 1000, nothing, NULL);
	while (state_of(pid) != 'Z') {
		timeouts_end(0, trace_touch);
		usleep(5000);
	}
	status = wait_program(pid, 20);
	check(!status, "%s: wait status %x", calls[current].name, status);
	attach_forget(&target);
}

int main(void)
{
	need_rights();
	for (current = 0; current < sizeof(calls) / sizeof(*calls); current++)
		many_stops();
	current = 0;
	late_stop();
	return 0;
}
