/* SPDX-License-Identifier: MIT */
/*
 * The processes of the storm: how they are born, what they inherit, how they end.
 */
#include "forkstorm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEAF_PAGES   512u
#define LEAF_SECONDS 60u

static struct slot *slot_take(unsigned int depth)
{
	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		struct slot *slot = &shared->slots[i];
		int free_one = 0;

		if (!atomic_compare_exchange_strong(&slot->pid, &free_one, -1))
			continue;
		atomic_store(&slot->taker, getpid());
		atomic_store(&slot->killed, false);
		atomic_store(&slot->answered, false);
		slot->depth = depth;
		for (unsigned int w = 0; w < MAX_WORKERS; w++)
			atomic_store(&slot->worker[w].active, false);
		return slot;
	}
	return NULL;
}

static void slot_free(struct slot *slot)
{
	for (unsigned int w = 0; w < MAX_WORKERS; w++)
		atomic_store(&slot->worker[w].active, false);
	atomic_store(&slot->pid, 0);
}

static void note_pid(struct slot *slot, pid_t pid)
{
	int taken = -1;
	unsigned int living, most = atomic_load(&shared->most_living);

	/* The child may have said so itself. */
	if (!atomic_compare_exchange_strong(&slot->pid, &taken, pid))
		return;
	living = atomic_fetch_add(&shared->living, 1) + 1;
	while (living > most && !atomic_compare_exchange_weak(&shared->most_living, &most, living))
		;
}

static void ended(struct worker *worker, struct slot *slot, pid_t pid, int status)
{
	/* It has told why. */
	if (atomic_load(&shared->failed))
		_exit(1);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && atomic_load(&slot->killed))
		atomic_fetch_add(&shared->killed, 1);
	else if (WIFSIGNALED(status))
		fail(worker, "child %d was killed by signal %d", pid, WTERMSIG(status));
	else if (status)
		fail(worker, "child %d ended with status %d", pid, WEXITSTATUS(status));
	atomic_fetch_sub(&shared->living, 1);
	slot_free(slot);
}

static void reap_once(struct worker *worker)
{
	for (unsigned int i = worker->child_count; i-- > 0;) {
		pid_t pid = worker->children[i].pid;
		struct slot *slot = worker->children[i].slot;
		int status;
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got < 0)
			fail(worker, "waitpid for %d: %m", pid);
		if (!got)
			continue;
		worker->children[i] = worker->children[--worker->child_count];
		ended(worker, slot, pid, status);
	}
}

void reap(struct worker *worker, bool all)
{
	reap_once(worker);
	while (all && worker->child_count) {
		/* Whether they hang, their own beats say. */
		beat("wait");
		usleep(500);
		reap_once(worker);
	}
}

static struct slot *orphan_slot(struct slot *slot, pid_t *pid)
{
	unsigned int depth;

	*pid = atomic_load(&slot->pid);
	depth = slot->depth;
	return *pid > 0 && depth > 1 && atomic_load(&slot->pid) == *pid ? slot : NULL;
}

bool reap_orphans(bool all)
{
	int status;
	pid_t pid;

	for (unsigned int i = 0; i < MAX_SLOTS; i++) {
		struct slot *slot = orphan_slot(&shared->slots[i], &pid);

		if (!slot || waitpid(pid, &status, WNOHANG) != pid)
			continue;
		atomic_fetch_add(&shared->orphans, 1);
		ended(NULL, slot, pid, status);
	}
	if (!all)
		return false;
	/* What a killed process started and could not put down: short programs. */
	pid = waitpid(-1, &status, WNOHANG);
	if (pid < 0)
		return true;
	for (unsigned int i = 0; pid && i < MAX_SLOTS; i++) {
		if (atomic_load(&shared->slots[i].pid) != pid)
			continue;
		ended(NULL, &shared->slots[i], pid, status);
		return false;
	}
	if (pid && status)
		fail(NULL, "orphan %d ended with status %x", pid, status);
	return false;
}

void start_threads(struct worker *worker, unsigned int one_of)
{
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		struct worker *other = &workers[w];

		if (other == worker || !other->usable || other->running || !one_in(worker, one_of))
			continue;
		other->random = trees_random(&worker->random);
		other->running = true;
		atomic_store(&self->worker[w].active, true);
		if (!pthread_create(&other->thread, NULL, worker_main, other)) {
			atomic_fetch_add(&shared->threads, 1);
			continue;
		}
		other->running = false;
		atomic_store(&self->worker[w].active, false);
	}
}

void join_threads(struct worker *worker)
{
	atomic_store(&process_stop, true);
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		struct worker *other = &workers[w];

		if (other == worker || !other->running)
			continue;
		while (atomic_load(&self->worker[w].active)) {
			beat("join");
			usleep(200);
		}
		pthread_join(other->thread, NULL);
		other->running = false;
	}
	atomic_store(&process_stop, false);
}

static void check_all(struct worker *worker)
{
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		if (workers[w].usable)
			arena_check(&workers[w]);
		race_check(worker, &workers[w]);
	}
}

void process_end(struct worker *worker)
{
	join_threads(worker);
	reap(worker, true);
	check_all(worker);
	_exit(0);
}

/* What was inherited, while the parent's threads go on changing theirs. */
static void check_inherited(struct worker *worker, const bool *was_running)
{
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		if (!was_running[w]) {
			race_check(worker, &workers[w]);
			continue;
		}
		race_check_torn(worker, &workers[w]);
		race_settle(&workers[w]);
	}
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		if (!workers[w].usable)
			continue;
		if (one_in(worker, 2))
			arena_check(&workers[w]);
		if (one_in(worker, 6))
			arena_shrink(&workers[w]);
	}
}

static void child_become(struct worker *worker, struct slot *slot, const bool *held,
			 bool *was_running)
{
	self = slot;
	note_pid(slot, getpid());
	if (atomic_load(&slot->pid) != getpid())
		_exit(0);
	atomic_store(&process_stop, false);
	worker->random = trees_mix(worker->random ^ (uint64_t)getpid());
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		was_running[w] = workers[w].running && &workers[w] != worker;
		workers[w].running = false;
		workers[w].child_count = 0;
		if (&workers[w] == worker)
			continue;
		workers[w].usable = held[w];
		if (held[w])
			pthread_mutex_unlock(&workers[w].lock);
	}
	/* In a child the worker that forked is the first thread. */
	worker->running = true;
}

static void child_main(struct worker *worker, struct slot *slot, const bool *held)
{
	bool was_running[MAX_WORKERS];
	unsigned int steps;

	child_become(worker, slot, held, was_running);
	pthread_mutex_unlock(&worker->lock);
	if (one_in(worker, 16)) {
		atomic_fetch_add(&shared->early, 1);
		_exit(0);
	}
	check_inherited(worker, was_running);
	start_threads(worker, 3);
	steps = 20 + below(worker, 400) / slot->depth;
	while (steps-- && !atomic_load(&shared->stop))
		step(worker);
	/* Others may be in the middle of anything. */
	if (one_in(worker, 8)) {
		atomic_fetch_add(&shared->early, 1);
		_exit(0);
	}
	process_end(worker);
}

/* Given what fork has returned. False: there is no child, for want of room. */
static bool add_child(struct worker *worker, struct slot *slot, pid_t pid)
{
	if (pid < 0) {
		slot_free(slot);
		if (errno != EAGAIN && errno != ENOMEM)
			fail(worker, "fork: %m");
		return false;
	}
	note_pid(slot, pid);
	worker->children[worker->child_count].pid = pid;
	worker->children[worker->child_count++].slot = slot;
	return true;
}

/* Only an arena whose lock is held across the fork is of use to the child. */
static void lock_others(struct worker *worker, bool *held)
{
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		held[w] = false;
		if (&workers[w] == worker || !workers[w].usable || one_in(worker, 3))
			continue;
		for (unsigned int tries = 0; tries < 100 && !held[w]; tries++) {
			held[w] = !pthread_mutex_trylock(&workers[w].lock);
			if (!held[w])
				sched_yield();
		}
	}
}

static void copy_state(struct slot *to, const struct worker *worker)
{
	for (unsigned int w = 0; w < MAX_WORKERS; w++) {
		atomic_store(&to->worker[w].digest, atomic_load(&self->worker[w].digest));
		for (unsigned int i = 0; i < RACE_PAGES; i++)
			atomic_store(&to->worker[w].race[i], atomic_load(&self->worker[w].race[i]));
	}
	atomic_store(&to->worker[worker->index].operation, "birth");
	atomic_store(&to->worker[worker->index].active, true);
}

void fork_operation(struct worker *worker)
{
	bool held[MAX_WORKERS];
	struct slot *slot;
	pid_t pid;

	if (self->depth >= MAX_DEPTH || worker->child_count == MAX_CHILDREN)
		return;
	slot = slot_take(self->depth + 1);
	if (!slot)
		return;
	lock_others(worker, held);
	copy_state(slot, worker);
	slot->birth = atomic_load(&shared->generation);
	beat("fork");
	pid = fork();
	if (!pid)
		child_main(worker, slot, held);
	for (unsigned int w = 0; w < MAX_WORKERS; w++)
		if (held[w])
			pthread_mutex_unlock(&workers[w].lock);
	if (!add_child(worker, slot, pid))
		return;
	atomic_fetch_add(&shared->forks, 1);
	/* Both sides write at once. */
	race_write(worker, 8);
	for (unsigned int i = 0; i < 4; i++)
		arena_operation(worker);
}

void exec_operation(struct worker *worker)
{
	bool quick = one_in(worker, 2);
	struct slot *slot;
	char seed[24];
	pid_t pid;

	if (worker->child_count == MAX_CHILDREN)
		return;
	slot = slot_take(self->depth + 1);
	if (!slot)
		return;
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)trees_random(&worker->random));
	beat("exec");
	pid = quick ? vfork() : fork();
	if (!pid) {
		execl("/proc/self/exe", "forkstorm", "--leaf", seed, (char *)NULL);
		_exit(127);
	}
	if (add_child(worker, slot, pid))
		atomic_fetch_add(&shared->execs, 1);
}

/* A program of its own, started by exec. */
int leaf_main(uint64_t seed)
{
	char *pages = map_private(LEAF_PAGES * PAGE);

	alarm(LEAF_SECONDS);
	for (uint32_t i = 0; i < LEAF_PAGES; i++)
		content_write(pages + i * PAGE, seed, i + 1);
	for (uint32_t i = 0; i < LEAF_PAGES; i++) {
		if (content_wrong(pages + i * PAGE, seed, i + 1) == PAGE_WORDS)
			continue;
		content_explain("forkstorm --leaf", pages + i * PAGE, seed, i + 1, LEAF_PAGES);
		return 1;
	}
	return 0;
}
