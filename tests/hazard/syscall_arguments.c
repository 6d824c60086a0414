/* SPDX-License-Identifier: MIT */
/*
 * Description: system calls of many kinds whose arguments and results stand in swapped
 * pages: none fails with EFAULT, each gives what it gives otherwise.
 */
#include "hazard.h"
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>

#define PAGES 32

static char *at;

/* The page `i`, gone when we are under vswap. */
static void *cold(int i)
{
	return at + i * PAGE;
}

static void files(void)
{
	struct stat *status = cold(2);
	char *path = cold(0), *bytes = cold(3);
	ssize_t n;
	int fd;

	strcpy(path, "/proc/self/exe");
	must_evict(at, PAGES);
	expect(!stat(path, status) && S_ISREG(status->st_mode), "stat: %m");
	evict(at, PAGES);
	n = readlink(path, bytes, PAGE);
	expect(n > 0, "readlink: %m");
	fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
	evict(at, PAGES);
	expect(syscall(SYS_getdents64, fd, bytes, PAGE) > 0, "getdents64: %m");
	close(fd);
}

static void sockets(void)
{
	struct msghdr *message = cold(4);
	struct iovec *vector = cold(5);
	char *bytes = cold(6), *control = cold(7);
	struct cmsghdr *header;
	int ends[2], got;

	expect(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair: %m");
	memset(message, 0, sizeof *message);
	memset(control, 0, 64);
	strcpy(bytes, "a message");
	*vector = (struct iovec){bytes, 10};
	message->msg_iov = vector;
	message->msg_iovlen = 1;
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(sizeof(int));
	header = CMSG_FIRSTHDR(message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &ends[0], sizeof(int));
	must_evict(at, PAGES);
	expect(sendmsg(ends[0], message, 0) == 10, "sendmsg: %m");
	memset(bytes, 0, 10);
	evict(at, PAGES);
	expect(recvmsg(ends[1], message, 0) == 10, "recvmsg: %m");
	expect(!strcmp(bytes, "a message"), "recvmsg gave something else");
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(message)), sizeof got);
	expect(got > 2 && fcntl(got, F_GETFD) >= 0, "no descriptor came over");
	close(got);
	close(ends[0]);
	close(ends[1]);
}

static void waiting(void)
{
	struct epoll_event *events = cold(8);
	struct pollfd *fds = cold(9);
	fd_set *set = cold(10);
	struct timespec *left = cold(11);
	int ends[2], ep = epoll_create1(0);

	expect(!pipe(ends) && ep >= 0, "pipe: %m");
	expect(write(ends[1], "x", 1) == 1, "write: %m");
	*events = (struct epoll_event){.events = EPOLLIN, .data.u64 = 77};
	must_evict(at, PAGES);
	expect(!epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], events), "epoll_ctl: %m");
	memset(events, 0, sizeof *events);
	evict(at, PAGES);
	expect(epoll_wait(ep, events, 4, 1000) == 1 && events->data.u64 == 77, "epoll_wait: %m");
	fds[0] = (struct pollfd){.fd = ends[0], .events = POLLIN};
	evict(at, PAGES);
	expect(poll(fds, 1, 1000) == 1 && fds[0].revents == POLLIN, "poll: %m");
	FD_ZERO(set);
	FD_SET(ends[0], set);
	evict(at, PAGES);
	expect(select(ends[0] + 1, set, NULL, NULL, NULL) == 1 && FD_ISSET(ends[0], set),
	       "select: %m");
	*left = (struct timespec){0, 1000};
	evict(at, PAGES);
	expect(!nanosleep(left, left), "nanosleep: %m");
	close(ends[0]);
	close(ends[1]);
	close(ep);
}

static void others(void)
{
	struct sigaction *action = cold(12), *old = cold(13);
	struct utsname *name = cold(14);
	struct rlimit *limit = cold(15);
	cpu_set_t *cpus = cold(16);
	sigset_t *signals = cold(17);
	struct timespec *now = cold(18);
	struct rusage *usage = cold(19);
	int *status = cold(20);
	pid_t pid;

	must_evict(at, PAGES);
	expect(!uname(name) && !strcmp(name->sysname, "Linux"), "uname: %m");
	expect(!getrlimit(RLIMIT_NOFILE, limit) && limit->rlim_cur, "getrlimit: %m");
	expect(!sched_getaffinity(0, sizeof *cpus, cpus) && CPU_COUNT(cpus), "getaffinity: %m");
	memset(action, 0, sizeof *action);
	action->sa_handler = SIG_IGN;
	sigemptyset(signals);
	evict(at, PAGES);
	expect(!sigaction(SIGUSR2, action, old), "sigaction: %m");
	expect(!sigprocmask(SIG_BLOCK, signals, NULL), "sigprocmask: %m");
	/* Not by the vdso, which would write it itself. */
	expect(!syscall(SYS_clock_gettime, CLOCK_MONOTONIC, now) && now->tv_sec >= 0,
	       "clock_gettime: %m");
	pid = fork();
	if (pid == 0)
		_exit(5);
	evict(at, PAGES);
	expect(wait4(pid, status, 0, usage) == pid && WEXITSTATUS(*status) == 5, "wait4: %m");
}

int main(void)
{
	hazard_start();
	at = anonymous(PAGES);
	fill(at, PAGES, 17);
	files();
	sockets();
	waiting();
	others();
	return 0;
}
