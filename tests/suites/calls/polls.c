/* SPDX-License-Identifier: MIT */
/* Description: poll, select, epoll, timers and clocks; sets, events and times have left. */
#include "calls.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>

static char *at; /* two pages */
static struct timespec *limit;
static int ends[2];

static void cold(void)
{
	leave(at, 2);
}

static void sets(void)
{
	struct pollfd *list = (struct pollfd *)at;
	fd_set *reading = (fd_set *)at, *writing = reading + 1;
	struct timeval *most = (struct timeval *)(at + PAGE + 64);
	sigset_t *mask = (sigset_t *)(at + PAGE + 512);

	sigemptyset(mask);
	list[0] = (struct pollfd){ends[0], POLLIN, 0};
	list[1] = (struct pollfd){ends[1], POLLOUT, 0};
	list[2] = (struct pollfd){999, POLLIN, 0};
	cold();
	show(poll(list, 3, 1000));
	for (int i = 0; i < 3; i++)
		show(list[i].revents);
	*limit = (struct timespec){0, 20000000};
	cold();
	show(ppoll(list, 1, limit, mask));
	FD_ZERO(reading);
	FD_ZERO(writing);
	FD_SET(ends[0], reading);
	FD_SET(ends[1], writing);
	*most = (struct timeval){1, 0};
	cold();
	show(select(ends[1] + 1, reading, writing, NULL, most));
	show(FD_ISSET(ends[0], reading) + 2 * FD_ISSET(ends[1], writing));
	FD_ZERO(reading);
	FD_SET(ends[0], reading);
	*limit = (struct timespec){0, 20000000};
	cold();
	show(pselect(ends[1] + 1, reading, NULL, NULL, limit, mask));
}

static void epolls(void)
{
	struct epoll_event *event = (struct epoll_event *)at,
			   *got = (struct epoll_event *)(at + PAGE);
	int fd = epoll_create1(EPOLL_CLOEXEC), other = eventfd(0, EFD_CLOEXEC);
	uint64_t *value = (uint64_t *)(at + 512);

	*event = (struct epoll_event){EPOLLIN | EPOLLET, {.u64 = 4711}};
	cold();
	show(epoll_ctl(fd, EPOLL_CTL_ADD, other, event));
	cold();
	show(epoll_wait(fd, got, 8, 20));
	*value = 7;
	cold();
	show(write(other, value, 8));
	cold();
	show(epoll_wait(fd, got, 8, 1000));
	show(got->data.u64);
	cold();
	show(read(other, value, 8));
	show(*value);
	event->events = EPOLLOUT;
	cold();
	show(epoll_ctl(fd, EPOLL_CTL_MOD, other, event));
	*limit = (struct timespec){1, 0};
	cold();
	show(syscall(SYS_epoll_pwait2, fd, got, 8, limit, NULL, 0));
	show(got->events);
	close(fd);
	close(other);
}

static void timers(void)
{
	struct itimerspec *time = (struct itimerspec *)at, *old = (struct itimerspec *)(at + PAGE);
	struct itimerval *interval = (struct itimerval *)at;
	struct sigevent *event = (struct sigevent *)(at + 1024);
	timer_t timer;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), *id = (int *)(at + PAGE + 1024);

	*time = (struct itimerspec){{0, 0}, {0, 5000000}};
	cold();
	show(timerfd_settime(fd, 0, time, old));
	cold();
	show(read(fd, at + 512, 8));
	cold();
	show(timerfd_gettime(fd, old));
	show(old->it_value.tv_nsec);
	*event = (struct sigevent){.sigev_notify = SIGEV_NONE};
	cold();
	show(syscall(SYS_timer_create, CLOCK_MONOTONIC, event, id));
	timer = (timer_t)(uintptr_t)*id;
	*time = (struct itimerspec){{0, 0}, {1000, 0}};
	cold();
	show(syscall(SYS_timer_settime, timer, 0, time, old));
	cold();
	show(syscall(SYS_timer_gettime, timer, old));
	show(old->it_value.tv_sec > 900);
	show(syscall(SYS_timer_delete, timer));
	*interval = (struct itimerval){{0, 0}, {1000, 0}};
	cold();
	show(setitimer(ITIMER_VIRTUAL, interval, NULL));
	cold();
	show(getitimer(ITIMER_VIRTUAL, interval));
	close(fd);
}

static void clocks(void)
{
	struct timespec *rest = (struct timespec *)at;

	*limit = (struct timespec){0, 5000000};
	cold();
	show(syscall(SYS_nanosleep, limit, rest));
	*limit = (struct timespec){0, 5000000};
	cold();
	show(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, limit, rest));
	cold();
	show(syscall(SYS_clock_gettime, CLOCK_REALTIME, rest));
	cold();
	show(clock_gettime(CLOCK_MONOTONIC, rest)); /* in user space */
	cold();
	show(gettimeofday((struct timeval *)rest, NULL));
	cold();
	show(time((time_t *)at) > 0);
	cold();
	show(clock_getres(CLOCK_MONOTONIC, rest));
	show(rest->tv_nsec);
	memset(at, 0, PAGE);
	cold();
	show(adjtimex((struct timex *)at) >= 0);
}

int main(void)
{
	hazard_start();
	at = area(2);
	limit = (struct timespec *)(at + PAGE + 2048);
	expect(!pipe2(ends, O_CLOEXEC), "pipe: %m");
	sets();
	epolls();
	timers();
	clocks();
	return 0;
}
