/* SPDX-License-Identifier: MIT */
/* Description: who may not be attached is told why and what to do, and is left as it was. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/allowed.h"
#include "harness.h"

static void refused(pid_t pid, int error, const char *word)
{
	char message[MESSAGE_BYTES];
	int got = attach_allowed(pid, message);

	check(got == error, "%d instead of %d: %s", got, error, message);
	check(strstr(message, word), "no \"%s\" in: %s", word, message);
	check(!strchr(message, '\n'), "more than a line");
}

static int simple_program(void)
{
	board->ready = 1;
	while (!board->stop)
		usleep(1000);
	return 0;
}

static int filtered_program(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = {1, &allow};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter))
		return 1;
	return simple_program();
}

static int zombie_program(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	board->value = pid;
	return simple_program();
}

static bool is_zombie(void *pid)
{
	return state_of(*(pid_t *)pid) == 'Z';
}

static int foreign_program(void)
{
	if (setgid(65534) || setuid(65534))
		return 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a new user clears it */
	return simple_program();
}

static pid_t kernel_thread(void)
{
	char name[32];
	FILE *file = fopen("/proc/2/comm", "re");
	bool found = file && fgets(name, sizeof(name), file) && !strcmp(name, "kthreadd\n");

	if (file)
		fclose(file);
	return found ? 2 : 0;
}

static void attached_already(void)
{
	pid_t pid = start_program(simple_program);
	char message[MESSAGE_BYTES];
	struct target target;

	check(!attach_allowed(pid, message), "%s", message);
	check(!attach_inject(pid, -1, &target, NULL, NULL, message), "%s", message);
	refused(pid, -EBUSY, "attached already");
	check(!attach_leave(&target, message), "%s", message);
	check(!attach_allowed(pid, message), "%s", message);
	board->stop = 1;
	check(wait_program(pid, 20) == 0, "the program failed");
	refused(pid, -ESRCH, "no process");
}

static void traced(void)
{
	pid_t pid = start_program(simple_program);
	char message[MESSAGE_BYTES];
	struct target target;
	pid_t tracer = fork();

	if (!tracer) {
		check(!ptrace(PTRACE_SEIZE, pid, NULL, NULL), "seize");
		board->value = 1;
		for (;;)
			pause();
	}
	while (!board->value)
		usleep(1000);
	refused(pid, -EBUSY, "debugger");
	check(attach_inject(pid, -1, &target, NULL, NULL, message) == -EPERM, "%s", message);
	check(strstr(message, "debugger"), "%s", message);
	kill(tracer, SIGKILL);
	wait_program(tracer, 20);
	check(!attach_allowed(pid, message), "%s", message);
	board->stop = 1;
	check(wait_program(pid, 20) == 0, "the program failed");
}

static void *stop_it(void *pid)
{
	check(!ptrace(PTRACE_SEIZE, *(pid_t *)pid, NULL, NULL), "seize");
	board->value = 1;
	while (board->value)
		usleep(1000);
	check(!ptrace(PTRACE_INTERRUPT, *(pid_t *)pid, NULL, NULL), "interrupt");
	waitpid(*(pid_t *)pid, NULL, __WALL);
	check(!ptrace(PTRACE_DETACH, *(pid_t *)pid, NULL, NULL), "detach");
	return NULL;
}

/* By another thread of ours, for a moment: it is no debugger's. */
static void stopped_by_us(void)
{
	pid_t pid = start_program(simple_program);
	char message[MESSAGE_BYTES];
	pthread_t thread;

	board->value = 0;
	check(!pthread_create(&thread, NULL, stop_it, &pid), "a thread");
	while (!board->value)
		usleep(1000);
	refused(pid, -EAGAIN, "already");
	board->value = 0;
	pthread_join(thread, NULL);
	check(!attach_allowed(pid, message), "%s", message);
	board->stop = 1;
	check(wait_program(pid, 20) == 0, "the program failed");
}

/* As another user: not ours, and no right to serve its kernel faults. */
static void unprivileged(void)
{
	pid_t pid = start_program(simple_program), test;
	int status;

	test = fork();
	if (!test) {
		if (setgid(65534) || setuid(65534))
			_exit(SKIP);
		refused(pid, -EPERM, "root");
		_exit(0);
	}
	status = wait_program(test, 20);
	check(status == 0 || WEXITSTATUS(status) == SKIP, "%x", status);
	board->stop = 1;
	check(wait_program(pid, 20) == 0, "the program failed");
}

/* Of another user: root may. */
static void foreign(void)
{
	pid_t pid = start_program(foreign_program);
	char message[MESSAGE_BYTES];

	check(!attach_allowed(pid, message), "%s", message);
	end_program(pid);
}

int main(void)
{
	pid_t pid, zombie;

	need_rights();
	refused(0, -EINVAL, "process number");
	refused(-5, -EINVAL, "process number");
	refused(0x3fffff00, -ESRCH, "no process");
	refused(getpid(), -EINVAL, "itself");
	if (kernel_thread())
		refused(kernel_thread(), -EINVAL, "kernel thread");
	pid = start_program(filtered_program);
	refused(pid, -EACCES, "seccomp");
	end_program(pid);
	pid = start_program(zombie_program);
	zombie = (pid_t)board->value;
	wait_until(is_zombie, &zombie, "its child's end");
	refused(zombie, -ESRCH, "zombie");
	end_program(pid);
	attached_already();
	traced();
	stopped_by_us();
	if (!getuid()) {
		unprivileged();
		foreign();
	}
	return 0;
}
