/* SPDX-License-Identifier: MIT */
/*
 * Description: attach, move pages out and back, leave, two hundred times, under a
 * program with five busy threads, timers, signals and threads that come and go. All
 * its memory is checked by itself; afterwards nothing of us is left in it.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>
#include "attach/agent.h"
#include "harness.h"

#define THREADS 4
#define ROUNDS	200

static _Atomic long ticks;

static void tick(int signal)
{
	(void)signal;
	ticks++;
}

/* Each thread owns every fourth page and keeps a counter in several of its words. */
static void *work(void *argument)
{
	uint64_t(*pages)[PAGE / 8] = (void *)(uintptr_t)board->memory;
	unsigned int own = (unsigned int)(uintptr_t)argument;
	uint64_t seed = own + 1, counts[PAGES] = {0};

	while (!board->stop) {
		unsigned int page;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		page = (unsigned int)(seed >> 40) % (PAGES / THREADS) * THREADS + own;
		for (unsigned int word = 0; word < PAGE / 8; word += 73) {
			if (pages[page][word] != counts[page] * (word + 1))
				board->failures++;
			pages[page][word] = (counts[page] + 1) * (word + 1);
		}
		counts[page]++;
		board->counter++;
	}
	return NULL;
}

static void *nothing(void *argument)
{
	return argument;
}

static int program(void)
{
	struct itimerval often = {{0, 2000}, {0, 2000}};
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	pthread_t threads[THREADS], guest;

	board->memory = (uintptr_t)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i);
	for (int i = 0; i < 16; i++) { /* their stacks stay cached */
		pthread_create(&guest, NULL, nothing, NULL);
		pthread_join(guest, NULL);
	}
	board->ready = 1;
	while (!board->stop) {
		/* EINTR would be ours: all handlers restart. */
		if (board->value && pthread_create(&guest, NULL, nothing, NULL) == 0)
			pthread_join(guest, NULL);
		usleep(300);
		raise(SIGTRAP);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return board->failures || !ticks ? 3 : 0;
}

static bool has_rested(void *argument)
{
	return board->counter > *(long *)argument + 1000;
}

static struct trace_left before, after;

static bool guests_are_gone(void *pid)
{
	look(*(pid_t *)pid, &after);
	return after.threads == before.threads;
}

int main(void)
{
	double inject = 0, leave = 0;
	struct pager pager;
	char message[MESSAGE_BYTES];
	unsigned int moved = 0;
	pid_t pid;

	need_rights();
	pid = start_program(program);
	look(pid, &before);
	board->value = 1;
	for (int round = 0; round < ROUNDS; round++) {
		double start = seconds_now();
		int error = pager_attach(&pager, pid, message);
		long counter;

		check(!error, "round %d: %s", round, message);
		inject += seconds_now() - start;
		for (unsigned int i = 0; i < 4; i++)
			moved += pager_evict(&pager, (unsigned int)(round + i) % 4 * CHANNEL_BATCH,
					     CHANNEL_BATCH);
		counter = board->counter;
		wait_until(has_rested, &counter, "the program to go on");
		start = seconds_now();
		error = pager_leave(&pager, message);
		check(!error, "round %d: %s", round, message);
		leave += seconds_now() - start;
		check(!board->failures, "round %d: wrong bytes", round);
	}
	board->value = 0;
	wait_until(guests_are_gone, &pid, "its threads to end");
	/* The sanitizers' runtime maps memory of its own in the program. */
	check(SANITIZED || !strcmp(before.maps, after.maps), "mappings before:\n%s\nafter:\n%s",
	      before.maps, after.maps);
	check(!strstr(after.maps, AGENT_NAME), "the channel is still mapped");
	check(before.descriptors == after.descriptors, "%u descriptors, then %u",
	      before.descriptors, after.descriptors);
	check(before.threads == after.threads, "%u threads, then %u", before.threads,
	      after.threads);
	check(before.hurried == after.hurried, "%u threads with a priority, then %u",
	      before.hurried, after.hurried);
	check(moved > ROUNDS * 16, "only %u pages moved", moved);
	board->stop = 1;
	check(wait_program(pid, 20) == 0, "the program failed");
	printf("%d rounds, %u pages moved; attach %.2f ms, leave %.2f ms on average\n", ROUNDS,
	       moved, inject * 1e3 / ROUNDS, leave * 1e3 / ROUNDS);
	return 0;
}
