/* SPDX-License-Identifier: MIT */
/*
 * Description: pages are about to leave, and the agent, stopped with the program, has still to move
 * them, when a process that shares the memory puts fresh memory in their place, by SHM_REMAP, which
 * tells nobody. Not a page of that is lost. Or the agent may just have moved them, and they are
 * unmapped: that ends nobody.
 */
#include <sched.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include "attach/channel.h"
#include "intruder.h"

#define PAGES	   1024
#define SECONDS	   2
#define MORE_PAGES 8192

static char *at, *more;
static pid_t program;
static int id;
static atomic_uint filled, replaced; /* rounds */
static atomic_bool stop;

static void replace(bool tells)
{
	char *got;

	if (tells) {
		expect(!munmap(at, PAGES * PAGE), "munmap: %m");
	} else {
		got = shmat(id, at, SHM_REMAP);
		expect(got == at, "shmat: %m");
		expect(!shmdt(at), "shmdt: %m");
	}
	got = mmap(at, PAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	expect(got == at, "mmap: %m");
}

static bool is_busy(const struct channel *channel)
{
	return __atomic_load_n(&channel->command, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(&channel->done, __ATOMIC_ACQUIRE);
}

/* The agent is to move pages of ours, and has not begun. */
static bool is_about_to_move(const struct channel *channel)
{
	if (!is_busy(channel) || channel->verb != CHANNEL_MOVE)
		return false;
	for (unsigned int i = 0; i < channel->count && i < CHANNEL_BATCH; i++)
		if (channel->from[i] - (uintptr_t)at < PAGES * PAGE)
			return true;
	return false;
}

/* Something for the evictor to do. */
static void touch_more(void)
{
	static size_t next;

	for (int i = 0; i < 8; i++)
		more[next++ % MORE_PAGES * PAGE]++;
}

/* Stops it while the agent has nothing to do, and waits until it has. */
static bool stop_before_a_move(const struct channel *channel)
{
	while (is_busy(channel) && !stop)
		;
	kill(program, SIGSTOP);
	usleep(300);
	if (is_busy(channel))
		return false; /* it may have begun */
	for (int i = 0; i < 200 && !is_busy(channel); i++)
		touch_more();
	return is_about_to_move(channel);
}

/* Stops it while the agent has something to do. */
static bool stop_in_a_move(const struct channel *channel)
{
	for (int i = 0; i < 1000 && !is_about_to_move(channel); i++)
		touch_more();
	usleep(100);
	kill(program, SIGSTOP);
	return true;
}

/* The other process. */
static int replacer(void *argument)
{
	const struct channel *channel = NULL;
	size_t bytes;

	(void)argument;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!stop) {
		unsigned int round = filled;

		if (!channel)
			channel = find_channel(&bytes);
		if (round == replaced || (under_vswap() && !channel)) {
			pause_ms(1);
			continue;
		}
		if (!under_vswap() ||
		    (round % 2 ? stop_before_a_move(channel) : stop_in_a_move(channel))) {
			replace(round % 2 == 0);
			fill(at, PAGES, round);
			replaced = round;
		}
		kill(program, SIGCONT);
		pause_ms(3);
	}
	return 0;
}

int main(void)
{
	char *stack = anonymous(64);
	double end = seconds_now() + SECONDS;
	unsigned int round = 0;
	pid_t pid;

	hazard_start();
	id = shmget(IPC_PRIVATE, PAGES * PAGE, IPC_CREAT | 0600);
	if (id < 0)
		skip("shmget: %m");
	program = getpid();
	at = anonymous(PAGES);
	more = anonymous(MORE_PAGES);
	pid = clone(replacer, stack + 64 * PAGE, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
	expect(pid > 0, "clone: %m");
	while (seconds_now() < end) {
		fill(at, PAGES, 1000 + round);
		filled = ++round;
		/* What has left without the other process seeing it is to leave again. */
		for (int i = 0; i < 2 || replaced != round; i++) {
			if (i >= 2)
				madvise(at, PAGES * PAGE, MADV_POPULATE_READ);
			press();
		}
		check(at, PAGES, round, "fresh memory");
	}
	stop = true;
	wait_good(pid, "the process that shares the memory");
	shmctl(id, IPC_RMID, NULL);
	return 0;
}
