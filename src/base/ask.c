/* SPDX-License-Identifier: MIT */
#include "base/ask.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/futex.h"
#include "base/proc.h"
#include "base/thread.h"

#define STACK_BYTES (64u << 10)
#define IDLE_NS	    (3600 * SECOND_NS)
/* Then it is looked at so often, and must be asleep each time: who was stopped, or had no CPU, is
 * not given up for that. */
#define TURN_NS 1000000u
#define LOOKS	16u
/* Longest, in waits. */
#define LONGEST	       100u
#define LONGEST_MEMORY 2u /* a program can wake it all the time */

enum { ASKER_IDLE, ASKER_ASKED, ASKER_DONE, ASKER_GIVEN_UP };

struct asker {
	struct asker *next;	/* of the idle, or of the stuck */
	_Atomic uint32_t state; /* futex */
	_Atomic pid_t tid;
	int cpu; /* the one that it may run on */
	struct question *question;
	long result;
	pid_t process; /* when given up, who holds it up; 0: one of two */
	uint64_t given_up_ns;
};

/* Under the lock. */
static struct {
	pthread_mutex_t lock;
	struct asker *idle, *stuck;
	_Atomic unsigned int stuck_count;
} askers = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local unsigned int unanswered;

unsigned int ask_unanswered(void)
{
	return unanswered;
}

struct question *ask_new(size_t size)
{
	struct question *question = calloc(1, sizeof(*question) + size);

	if (question) {
		question->size = size;
		question->file = -1;
	}
	return question;
}

void ask_end(struct question *question)
{
	if (question && question->file >= 0)
		close(question->file);
	free(question);
}

static void lock(void)
{
	pthread_mutex_lock(&askers.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&askers.lock);
}

static void add_idle(struct asker *asker)
{
	lock();
	asker->next = askers.idle;
	askers.idle = asker;
	unlock();
}

static void remove_stuck(const struct asker *asker)
{
	struct asker **at = &askers.stuck;

	lock();
	while (*at != asker)
		at = &(*at)->next;
	*at = asker->next;
	askers.stuck_count--;
	unlock();
}

static void answer(struct asker *asker)
{
	struct question *question = asker->question;
	uint32_t asked = ASKER_ASKED;

	asker->result = question->call(question);
	if (atomic_compare_exchange_strong(&asker->state, &asked, ASKER_DONE)) {
		futex_wake(&asker->state, 1);
		return;
	}
	remove_stuck(asker);
	if (question->undo)
		question->undo(question, asker->result);
	ask_end(question);
	atomic_store(&asker->state, ASKER_IDLE);
	add_idle(asker);
}

static void *run(void *argument)
{
	struct asker *asker = argument;

	atomic_store(&asker->tid, (pid_t)syscall(SYS_gettid));
	for (;;) {
		uint32_t state = atomic_load(&asker->state);

		/* It may have been given up before it came to it. */
		if (state == ASKER_ASKED || state == ASKER_GIVEN_UP)
			answer(asker);
		else
			futex_wait(&asker->state, state, IDLE_NS);
	}
	return NULL;
}

/* Threads stay behind. */
static void forked(void)
{
	askers.idle = askers.stuck = NULL;
	askers.stuck_count = 0;
	unlock();
}

static void mind_fork(void)
{
	pthread_atfork(lock, unlock, forked);
}

static struct asker *start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct asker *asker = calloc(1, sizeof(*asker));
	pthread_t thread;

	pthread_once(&once, mind_fork);
	if (!asker)
		return NULL;
	asker->cpu = -1;
	if (thread_start(&thread, STACK_BYTES, run, asker)) {
		free(asker);
		return NULL;
	}
	pthread_detach(thread);
	return asker;
}

/* ---- who does not answer ---- */

static pid_t process_of(pid_t tid)
{
	pid_t process = tid ? (pid_t)proc_status_number(tid, tid, "Tgid") : 0;

	return process ? process : tid;
}

/* Locked. */
static bool is_stuck(enum ask_about about, pid_t process, uint64_t patience_ns)
{
	for (const struct asker *at = askers.stuck; at && process; at = at->next)
		if (at->process == process && at->question->about == about &&
		    (about != ASK_MEMORY || monotonic_ns() - at->given_up_ns < patience_ns))
			return true;
	return false;
}

static int check_stuck(const struct question *question, uint64_t patience_ns)
{
	pid_t process, other;
	bool stuck;

	if (!askers.stuck_count)
		return 0;
	process = process_of(question->pid);
	other = process_of(question->other);
	lock();
	stuck = is_stuck(question->about, process, patience_ns) ||
		is_stuck(question->about, other, patience_ns);
	unlock();
	return stuck ? -ETIMEDOUT : askers.stuck_count >= ASK_STUCK ? -EAGAIN : 0;
}

/* An idle one, or a new one. */
static int take(const struct question *question, uint64_t patience_ns, struct asker **asker)
{
	int error = check_stuck(question, patience_ns);

	if (error)
		return error;
	lock();
	*asker = askers.idle;
	if (*asker)
		askers.idle = (*asker)->next;
	unlock();
	if (!*asker)
		*asker = start();
	return *asker ? 0 : -ENOMEM;
}

/* Not a failure if it cannot be: it is slower then. */
static void bring_here(struct asker *asker)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu < 0 || cpu == asker->cpu || cpu >= CPU_SETSIZE || !asker->tid)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (!sched_setaffinity(asker->tid, sizeof(set), &set))
		asker->cpu = cpu;
}

/* It has a CPU, or wants one. */
static bool is_running(const struct asker *asker)
{
	char text[PROC_STAT];
	const char *stat = asker->tid ? proc_stat(getpid(), asker->tid, text) : NULL;

	return !asker->tid || (stat && *stat == 'R');
}

/* False: it is done after all. */
static bool give_up(struct asker *asker)
{
	const struct question *question = asker->question;
	uint32_t asked = ASKER_ASKED;
	bool gives_up;

	asker->process = process_of(question->at);
	asker->given_up_ns = monotonic_ns();
	lock();
	gives_up = atomic_compare_exchange_strong(&asker->state, &asked, ASKER_GIVEN_UP);
	if (gives_up) {
		asker->next = askers.stuck;
		askers.stuck = asker;
		askers.stuck_count++;
	}
	unlock();
	return gives_up;
}

/* False: it was given up. */
static bool wait_for(struct asker *asker, uint64_t patience_ns)
{
	const uint64_t since = monotonic_ns();
	const uint64_t longest = asker->question->about == ASK_MEMORY ? LONGEST_MEMORY : LONGEST;
	unsigned int looks = 0;

	while (atomic_load(&asker->state) == ASKER_ASKED) {
		uint64_t waited = monotonic_ns() - since;

		if (waited < patience_ns) {
			futex_wait(&asker->state, ASKER_ASKED, patience_ns - waited);
			continue;
		}
		looks = is_running(asker) ? 0 : looks + 1;
		if ((looks == LOOKS || waited >= longest * patience_ns) && give_up(asker))
			return false;
		futex_wait(&asker->state, ASKER_ASKED, TURN_NS);
	}
	return true;
}

static long put(struct question **question, uint64_t patience_ns)
{
	struct asker *asker;
	long result = take(*question, patience_ns, &asker);

	if (result)
		return result;
	asker->question = *question;
	(*question)->at = (*question)->pid;
	bring_here(asker);
	atomic_store(&asker->state, ASKER_ASKED);
	futex_wake(&asker->state, 1);
	if (!wait_for(asker, patience_ns)) {
		*question = NULL;
		return -ETIMEDOUT;
	}
	result = asker->result;
	atomic_store(&asker->state, ASKER_IDLE);
	add_idle(asker);
	return result;
}

long ask(struct question **question, uint64_t patience_ns)
{
	long result = put(question, patience_ns);

	unanswered += result == -ETIMEDOUT || result == -EAGAIN || result == -ENOMEM;
	return result;
}
