/* SPDX-License-Identifier: MIT */
/*
 * Description: programs that do not stop in the usual way. One that is stopped by
 * SIGSTOP or SIGTSTP stays so through attach and leave, and its parent hears nothing of
 * it; one asleep in vfork cannot be stopped in time and goes on; a storm of SIGSTOP and SIGCONT,
 * and of threads that come and go, loses nothing.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "harness.h"

static int counter_program(void)
{
	/* A group of its own, whose parent is in another: SIGTSTP stops no orphaned group. */
	setpgid(0, 0);
	board->memory = (uintptr_t)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset((void *)board->memory, 7, PAGES * PAGE);
	board->ready = 1;
	while (!board->stop) {
		const volatile char *page = (void *)board->memory;

		board->counter++;
		for (unsigned int i = 0; i < PAGES; i += 64)
			board->failures += page[i * PAGE] != 7;
	}
	return board->failures != 0;
}

static bool is_stopped(void *pid)
{
	return state_of(*(pid_t *)pid) == 'T';
}

static bool counts_on(void *before)
{
	return board->counter > *(long *)before + 2;
}

static void stays_stopped(int signal)
{
	pid_t pid = start_program(counter_program);
	char message[MESSAGE_BYTES];
	struct pager pager;
	siginfo_t info = {0};
	long before;

	kill(pid, signal);
	wait_until(is_stopped, &pid, "the stop");
	/* Takes the notice that there was before us. */
	waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG);
	before = board->counter;
	for (int i = 0; i < 3; i++) {
		check(!pager_attach(&pager, pid, message), "%s", message);
		let_pass(20);
		wait_until(is_stopped, &pid, "its stop after attach");
		check(!attach_stop(&pager.target, 1000, NULL, NULL), "stop");
		let_pass(20);
		wait_until(is_stopped, &pid, "its stop after a stop");
		check(!pager_leave(&pager, message), "%s", message);
		let_pass(20);
		wait_until(is_stopped, &pid, "its stop after leave");
	}
	check(board->counter == before, "it ran");
	memset(&info, 0, sizeof(info));
	check(!waitid(P_PID, (id_t)pid, &info, WSTOPPED | WCONTINUED | WNOHANG) && !info.si_pid,
	      "its parent was told of signal %d", info.si_status);
	/* Attached while stopped, continued, paged, stopped with the agent at work. */
	check(!pager_attach(&pager, pid, message), "%s", message);
	kill(pid, SIGCONT);
	wait_until(counts_on, &before, "it to go on");
	check(pager_evict(&pager, 0, CHANNEL_BATCH) > CHANNEL_BATCH / 2, "nothing moved");
	kill(pid, signal);
	wait_until(is_stopped, &pid, "the stop");
	check(!pager_leave(&pager, message), "%s", message);
	wait_until(is_stopped, &pid, "it to stand again");
	before = board->counter;
	kill(pid, SIGCONT);
	wait_until(counts_on, &before, "it to go on");
	board->stop = 1;
	check(wait_program(pid, 20) == 0, "the program failed");
}

static int vfork_program(void)
{
	struct timespec step = {0, 10000000};

	board->ready = 1;
	board->value = 1;
	if (!syscall(SYS_vfork)) {
		while (!board->stop)
			syscall(SYS_nanosleep, &step, NULL);
		_exit(0);
	}
	board->value = 2;
	while (board->stop < 2)
		usleep(1000);
	return 0;
}

static bool past_vfork(void *unused)
{
	(void)unused;
	return board->value == 2;
}

static bool is_stuck(void *pid)
{
	return state_of(*(pid_t *)pid) == 'D';
}

static void in_vfork(void)
{
	pid_t pid = start_program(vfork_program);
	char message[MESSAGE_BYTES];
	struct target target;
	int error;

	wait_until(is_stuck, &pid, "its vfork");
	error = attach_inject(pid, -1, &target, NULL, NULL, message);
	check(error == -ETIMEDOUT, "%d %s", error, message);
	board->stop = 1;
	wait_until(past_vfork, NULL, "the parent to go on after vfork");
	check(!attach_inject(pid, -1, &target, NULL, NULL, message), "%s", message);
	check(!attach_leave(&target, message), "%s", message);
	board->stop = 2;
	check(wait_program(pid, 20) == 0, "the program failed");
}

static void *short_life(void *argument)
{
	board->counter++;
	return argument;
}

static void *breeder(void *argument)
{
	(void)argument;
	while (!board->stop) {
		pthread_t thread;

		if (!pthread_create(&thread, NULL, short_life, NULL))
			pthread_join(thread, NULL);
	}
	return NULL;
}

static int breeding_program(void)
{
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, breeder, NULL);
	board->ready = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static void *disturb(void *argument)
{
	pid_t pid = *(pid_t *)argument;

	while (!board->value) {
		kill(pid, SIGSTOP);
		usleep(700);
		kill(pid, SIGCONT);
		usleep(900);
	}
	return NULL;
}

static void under_storm(int (*program)(void), bool disturbed)
{
	pid_t pid = start_program(program);
	char message[MESSAGE_BYTES];
	struct target target;
	pthread_t thread;
	long before;
	int status;

	if (disturbed)
		pthread_create(&thread, NULL, disturb, &pid);
	for (int i = 0; i < 60; i++) {
		check(!attach_inject(pid, -1, &target, NULL, NULL, message), "%s", message);
		check(!attach_stop(&target, 2000, NULL, NULL), "stop");
		check(!attach_leave(&target, message), "%s", message);
	}
	board->value = 1;
	if (disturbed)
		pthread_join(thread, NULL);
	before = board->counter;
	wait_until(counts_on, &before, "it to go on");
	board->stop = 1;
	status = wait_program(pid, 20);
	check(status == 0, "wait status %x", status);
}

int main(void)
{
	need_rights();
	stays_stopped(SIGSTOP);
	stays_stopped(SIGTSTP);
	in_vfork();
	under_storm(breeding_program, false);
	under_storm(counter_program, true);
	under_storm(breeding_program, true);
	return 0;
}
