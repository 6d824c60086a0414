/* SPDX-License-Identifier: MIT */
/*
 * Description: what a thread that the program does not know of could break. Each
 * program does one thing while it is attached: its last thread leaves, its first
 * thread leaves, it calls exec, setns, setuid, installs a seccomp filter, counts its
 * threads' descriptors, waits for the end of a pipe, has a thread made by io_uring.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <liburing.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/agent.h"
#include "harness.h"

static void wait_stop_sign(int value)
{
	while (board->stop < value)
		usleep(1000);
}

static void get_ready(void)
{
	board->memory = (uintptr_t)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset((void *)board->memory, 7, PAGES * PAGE);
	board->ready = 1;
}

static void prepare(void)
{
	get_ready();
	wait_stop_sign(1);
}

static int last_thread_leaves(void)
{
	prepare();
	syscall(SYS_exit, 3);
	return 1;
}

static void *read_all(void *argument)
{
	const volatile char *page;

	(void)argument;
	wait_stop_sign(2);
	page = (void *)board->memory;
	for (unsigned int i = 0; i < PAGES; i++)
		board->failures += page[i * PAGE] != 7;
	exit(board->failures ? 4 : 0);
}

static int first_thread_leaves(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, read_all, NULL);
	prepare();
	pthread_exit(NULL);
}

static int calls_exec(void)
{
	prepare();
	execlp("sh", "sh", "-c", "exit 5", NULL);
	return 1;
}

static int calls_setns(void)
{
	int names;

	prepare();
	names = open("/proc/self/ns/mnt", O_RDONLY);
	if (setns(names, CLONE_NEWNS))
		return errno == EPERM ? 0 : 1;
	return chdir("/proc") || unshare(CLONE_FS);
}

static int calls_setuid(void)
{
	prepare();
	if (!getuid() && setuid(65534))
		return 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a new user clears it */
	board->value = 1;
	wait_stop_sign(2);
	return getuid() == 0;
}

static int calls_seccomp(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = {1, &allow};

	prepare();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter))
		return 1;
	board->value = 1;
	wait_stop_sign(2);
	return 0;
}

/* The agent must hold no copy of the pipe's end that the program closes. */
static int closes_pipe(void)
{
	int ends[2], high;
	char byte;

	if (pipe(ends))
		return 1;
	high = fcntl(ends[1], F_DUPFD, 500);
	prepare();
	close(ends[1]);
	close(high);
	return read(ends[0], &byte, 1) != 0;
}

static int forks(void)
{
	int status;
	pid_t pid;

	prepare();
	pid = fork();
	if (!pid) {
		FILE *maps = fopen("/proc/self/maps", "re");
		char line[256];

		while (fgets(line, sizeof(line), maps)) {
			if (strstr(line, AGENT_NAME))
				_exit(1);
		}
		_exit(0);
	}
	return waitpid(pid, &status, 0) != pid || status;
}

static bool flag_set(void *unused)
{
	(void)unused;
	return board->value != 0;
}

static bool abandoned(void *target)
{
	return attach_abandoned(target);
}

static bool changed(void *target)
{
	return !attach_alive(target);
}

static bool leader_gone(void *pid)
{
	return state_of(*(pid_t *)pid) == 'Z';
}

static void ends_with(pid_t pid, int code, const char *name)
{
	int status = wait_program(pid, 20);

	check(WIFEXITED(status) && WEXITSTATUS(status) == code, "%s: wait status %x", name, status);
}

static pid_t start(struct pager *pager, int (*program)(void))
{
	pid_t pid = start_program(program);
	char message[MESSAGE_BYTES];

	check(!pager_attach(pager, pid, message), "%s", message);
	check(pager_evict(pager, 0, CHANNEL_BATCH) > CHANNEL_BATCH / 2, "nothing moved");
	check(attach_alive(&pager->target), "not alive");
	check(pager->target.agent_tid == (pid_t)pager->target.channel->agent_tid,
	      "another thread is taken for the agent");
	check(attach_agent_refusal(&pager->target) == CHANNEL_DONE, "refused");
	check(!attach_abandoned(&pager->target), "abandoned");
	return pid;
}

static void ends_well(int (*program)(void))
{
	struct pager pager;
	pid_t pid = start(&pager, program);

	board->stop = 1;
	ends_with(pid, 0, "the program");
	check(!attach_alive(&pager.target), "alive");
	pager_drop(&pager);
}

static void test_last_thread(void)
{
	char message[MESSAGE_BYTES];
	struct pager pager;
	pid_t pid = start(&pager, last_thread_leaves);
	int status;

	board->stop = 1;
	wait_until(abandoned, &pager.target, "the last thread to leave");
	check(waitpid(pid, &status, WNOHANG) == 0, "ended already");
	check(!pager_leave(&pager, message), "%s", message);
	ends_with(pid, 3, "the last thread");
}

static void test_first_thread(void)
{
	char message[MESSAGE_BYTES];
	struct pager pager;
	pid_t pid = start(&pager, first_thread_leaves);

	board->stop = 1;
	wait_until(leader_gone, &pid, "the first thread to leave");
	check(attach_alive(&pager.target), "not alive");
	check(!attach_abandoned(&pager.target), "abandoned");
	check(pager_evict(&pager, CHANNEL_BATCH, CHANNEL_BATCH) > CHANNEL_BATCH / 2,
	      "nothing moved");
	check(!pager_leave(&pager, message), "%s", message);
	check(!pager_attach(&pager, pid, message), "a second time: %s", message);
	check(pager_evict(&pager, 0, CHANNEL_BATCH) > CHANNEL_BATCH / 2, "nothing moved");
	board->stop = 2;
	ends_with(pid, 0, "the first thread");
	pager_drop(&pager);
}

static void test_exec(void)
{
	char message[MESSAGE_BYTES];
	struct pager pager;
	pid_t pid = start(&pager, calls_exec);

	board->stop = 1;
	wait_until(changed, &pager.target, "exec");
	check(attach_leave(&pager.target, message) == -ESRCH, "%s", message);
	pager_drop(&pager);
	ends_with(pid, 5, "exec");
}

static void test_seccomp(void)
{
	char message[MESSAGE_BYTES];
	struct pager pager;
	pid_t pid = start(&pager, calls_seccomp);

	board->stop = 1;
	wait_until(flag_set, NULL, "the filter");
	check(attach_agent_refusal(&pager.target) == CHANNEL_SECCOMP, "not seen");
	/* This filter allows everything, so that the agent can say so itself. */
	check(pager_evict(&pager, CHANNEL_BATCH, CHANNEL_BATCH) == 0, "moved");
	check(pager.target.channel->refusal == CHANNEL_SECCOMP, "not refused");
	check(!pager_leave(&pager, message), "%s", message);
	board->stop = 2;
	ends_with(pid, 0, "seccomp");
}

static void test_setuid(void)
{
	char message[MESSAGE_BYTES];
	struct pager pager;
	pid_t pid = start(&pager, calls_setuid);

	board->stop = 1;
	wait_until(flag_set, NULL, "setuid");
	check(pager_evict(&pager, CHANNEL_BATCH, CHANNEL_BATCH) > CHANNEL_BATCH / 2,
	      "nothing moved");
	check(!pager_leave(&pager, message), "%s", message);
	board->stop = 2;
	ends_with(pid, 0, "setuid");
}

/* A program without rights, attached by one that has them: see grant.h. */
static int has_no_rights(void)
{
	if (!getuid() && (setgid(65534) || setuid(65534)))
		return 1;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a new user clears it */
	prepare();
	return write(-1, (void *)board->memory, PAGE) != -1;
}

static int spins(void)
{
	prepare();
	wait_stop_sign(2);
	return 0;
}

/* Has the kernel make a thread in this process, where io_uring is allowed. */
static void start_io_worker(void)
{
	static struct io_uring ring;
	static char byte;
	struct io_uring_sqe *entry;
	int ends[2];

	if (io_uring_queue_init(2, &ring, 0) || pipe(ends))
		return;
	entry = io_uring_get_sqe(&ring);
	io_uring_prep_read(entry, ends[0], &byte, 1, 0);
	io_uring_sqe_set_flags(entry, IOSQE_ASYNC);
	io_uring_submit(&ring);
}

/* Never in a system call itself: only the kernel's thread is in one. */
static int has_io_worker(void)
{
	start_io_worker();
	get_ready();
	while (!board->stop)
		;
	return 0;
}

/* Killed while the agent works: the owner neither hangs nor fails. */
static void test_killed(void)
{
	for (int i = 0; i < 20; i++) {
		struct pager pager;
		pid_t pid = start(&pager, spins);
		char message[MESSAGE_BYTES];
		pid_t killer = fork();

		if (!killer) {
			usleep((useconds_t)i * 37);
			kill(pid, SIGKILL);
			_exit(0);
		}
		attach_stop(&pager.target, 1000, NULL, NULL);
		check(attach_leave(&pager.target, message) <= 0, "%s", message);
		wait_program(killer, 20);
		wait_program(pid, 20);
		pager_drop(&pager);
	}
}

int main(void)
{
	need_rights();
	test_last_thread();
	test_first_thread();
	test_exec();
	test_seccomp();
	test_setuid();
	test_killed();
	ends_well(has_no_rights);
	ends_well(calls_setns);
	ends_well(closes_pipe);
	ends_well(forks);
	ends_well(has_io_worker);
	return 0;
}
