/* SPDX-License-Identifier: MIT */
/*
 * Description: a program that sleeps in a system call is attached and left, several
 * times over. Whatever call it is, it goes on as if nothing had been: no EINTR, no
 * early end, no lost wake-up.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/rseq.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "harness.h"

#define LENGTH_MS 400

static int pipe_ends[2];
static long current_changes; /* by how much the word of in_sequence changes at a stop */

/* Each returns 0 when the call did what it must. Those of `timed` end by themselves. */
static int in_nanosleep(void)
{
	struct timespec length = {0, LENGTH_MS * 1000000l};

	return nanosleep(&length, NULL);
}

static int in_clock_nanosleep(void)
{
	struct timespec length = {0, LENGTH_MS * 1000000l};

	return clock_nanosleep(CLOCK_MONOTONIC, 0, &length, NULL);
}

static int in_poll(void)
{
	struct pollfd wait = {.fd = pipe_ends[0], .events = POLLIN};

	return poll(&wait, 1, LENGTH_MS);
}

static int in_futex_timeout(void)
{
	struct timespec length = {0, LENGTH_MS * 1000000l};
	int word = 1;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 1, &length, NULL, 0) != -1 ||
	       errno != ETIMEDOUT;
}

static int in_ppoll(void)
{
	struct pollfd wait = {.fd = pipe_ends[0], .events = POLLIN};
	struct timespec length = {0, LENGTH_MS * 1000000l};
	sigset_t none;

	sigemptyset(&none);
	return ppoll(&wait, 1, &length, &none);
}

static int in_select(void)
{
	struct timeval length = {0, LENGTH_MS * 1000};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_ends[0], &set);
	return select(pipe_ends[0] + 1, &set, NULL, NULL, &length);
}

static int in_read(void)
{
	char byte;

	return read(pipe_ends[0], &byte, 1) != 1 || byte != 'x';
}

static int in_poll_forever(void)
{
	struct pollfd wait = {.fd = pipe_ends[0], .events = POLLIN};

	return poll(&wait, 1, -1) != 1;
}

/* The kernel ends this one and the next three with EINTR after any stop. */
static int in_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[0], &event);
	return epoll_wait(epoll, &event, 1, -1) != 1;
}

static int in_epoll_pwait(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0);
	sigset_t all;

	sigfillset(&all);
	epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[0], &event);
	return epoll_pwait(epoll, &event, 1, 1000000, &all) != 1;
}

static int in_semop(void)
{
	struct sembuf down = {0, -1, 0};
	int semaphores = semget(IPC_PRIVATE, 1, 0600), got;
	struct timespec length = {0, LENGTH_MS * 1000000l};

	got = semtimedop(semaphores, &down, 1, &length);
	semctl(semaphores, 0, IPC_RMID);
	return got != -1 || errno != EAGAIN;
}

static int in_recv(void)
{
	struct timeval length = {0, LENGTH_MS * 1000};
	int ends[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return 1;
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &length, sizeof(length));
	return recv(ends[0], &byte, 1, 0) != -1 || errno != EAGAIN;
}

static void note(int signal)
{
	board->value = signal;
}

/* A signal ends the call all the same. */
static int in_epoll_signal(void)
{
	struct sigaction action = {.sa_handler = note};
	struct epoll_event event;

	sigaction(SIGUSR1, &action, NULL);
	return epoll_wait(epoll_create1(0), &event, 1, -1) != -1 || errno != EINTR ||
	       board->value != SIGUSR1;
}

static int in_sigsuspend(void)
{
	sigset_t set;

	signal(SIGUSR1, note);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigemptyset(&set);
	sigsuspend(&set);
	sigprocmask(SIG_BLOCK, NULL, &set);
	return errno != EINTR || board->value != SIGUSR1 || !sigismember(&set, SIGUSR1);
}

static int in_wait(void)
{
	pid_t pid = fork();
	char byte;

	if (!pid)
		_exit(read(pipe_ends[0], &byte, 1) == 1 ? 7 : 8);
	int status = 0;

	return waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 7;
}

static int in_getpid(void)
{
	pid_t pid = getpid();

	while (!board->stop) {
		if (syscall(SYS_getpid) != pid || syscall(SYS_getppid) == pid)
			return 1;
	}
	return 0;
}

static int in_arithmetic(void)
{
	double sum = 0, next = 1;
	unsigned long turns = 0;

	while (!board->stop) {
		sum += next;
		next *= 0.5;
		if (++turns % 64 == 0) {
			if (sum != 2 - next * 2)
				return 1;
			sum = 0;
			next = 1;
		}
	}
	return 0;
}

/*
 * A restartable sequence that looks twice at a word, which changes only while the
 * program is stopped: it must never get to the end with two different values.
 */
static int in_sequence(void)
{
	const char *thread;

	__asm__("mov %%fs:0, %0" : "=r"(thread));
	while (!board->stop) {
		const void *area = thread + __rseq_offset;
		long first, last;

		__asm__ volatile(".pushsection __rseq_cs, \"aw\"\n"
				 ".balign 32\n"
				 "3:	.long 0, 0\n"
				 "	.quad 1f, 2f - 1f, 4f\n"
				 ".popsection\n"
				 "	lea 3b(%%rip), %%rax\n"
				 "	mov %%rax, 8(%[area])\n"
				 "1:	mov (%[word]), %[first]\n"
				 "	mov $200000, %%ecx\n"
				 "5:	dec %%ecx\n"
				 "	jnz 5b\n"
				 "	mov (%[word]), %[last]\n"
				 "2:	jmp 6f\n"
				 "	.long 0x53053053\n"
				 "4:	xor %[first], %[first]\n"
				 "	mov %[first], %[last]\n"
				 "6:\n"
				 : [first] "=&r"(first), [last] "=&r"(last)
				 : [area] "r"(area), [word] "r"(&board->value)
				 : "rax", "rcx", "cc", "memory");
		if (first != last)
			return 1;
	}
	return 0;
}

static int change_word(struct target *target, void *argument)
{
	(void)target;
	(void)argument;
	board->value += current_changes;
	return 0;
}

enum ending { TIMED, BYTE, SIGNAL, STOP };
static const struct {
	const char *name;
	int (*call)(void);
	enum ending ending;
} calls[] = {
	{"nanosleep", in_nanosleep, TIMED},
	{"clock_nanosleep", in_clock_nanosleep, TIMED},
	{"poll", in_poll, TIMED},
	{"futex with a timeout", in_futex_timeout, TIMED},
	{"ppoll", in_ppoll, TIMED},
	{"select", in_select, TIMED},
	{"read", in_read, BYTE},
	{"poll without a timeout", in_poll_forever, BYTE},
	{"epoll_wait", in_epoll, BYTE},
	{"epoll_pwait", in_epoll_pwait, BYTE},
	{"semtimedop", in_semop, TIMED},
	{"recv with a timeout", in_recv, TIMED},
	{"epoll_wait and a signal", in_epoll_signal, SIGNAL},
	{"sigsuspend", in_sigsuspend, SIGNAL},
	{"waitpid", in_wait, BYTE},
	{"getpid in a loop", in_getpid, STOP},
	{"arithmetic", in_arithmetic, STOP},
	{"a restartable sequence", in_sequence, STOP},
};
static unsigned int current;

static int program(void)
{
	double start = seconds_now();
	int error;

	board->ready = 1;
	error = calls[current].call();
	if (calls[current].ending == TIMED && seconds_now() - start < LENGTH_MS * 1e-3)
		return 4; /* too soon */
	return error ? 3 : 0;
}

int main(void)
{
	char message[MESSAGE_BYTES];
	struct target target;

	need_rights();
	for (current = 0; current < sizeof(calls) / sizeof(*calls); current++) {
		pid_t pid;
		int status;

		/* Without rseq there is no such section. */
		if (calls[current].call == in_sequence && !__rseq_size)
			continue;
		current_changes = calls[current].call == in_sequence;
		check(!pipe(pipe_ends), "pipe");
		pid = start_program(program);
		/* Time passes on purpose: it is in its call now, or is stopped before it. */
		let_pass(20);
		for (int i = 0; i < 5; i++) {
			/* On a slow machine its time may be over by now. */
			if (calls[current].ending == TIMED && state_of(pid) == 'Z')
				break;
			status = attach_inject(pid, -1, &target, change_word, NULL, message);
			if (calls[current].ending == TIMED && status == -ESRCH)
				break;
			check(!status, "%s: %s", calls[current].name, message);
			let_pass(5);
			status = attach_stop(&target, 1000, NULL, NULL);
			status = status ? status : attach_leave(&target, message);
			if (calls[current].ending == TIMED && status == -ESRCH) {
				attach_forget(&target);
				break;
			}
			check(!status, "%s: %s", calls[current].name, message);
			let_pass(5);
		}
		if (calls[current].ending != TIMED)
			check(state_of(pid) != 'Z', "%s ended too soon", calls[current].name);
		if (calls[current].ending == BYTE)
			check(write(pipe_ends[1], "x", 1) == 1, "write");
		if (calls[current].ending == SIGNAL)
			kill(pid, SIGUSR1);
		board->stop = 1;
		status = wait_program(pid, 20);
		check(status == 0, "%s: wait status %x", calls[current].name, status);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
	}
	return 0;
}
