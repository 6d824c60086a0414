/* SPDX-License-Identifier: MIT */
#include "pager/faults/starve.h"

#include <pthread.h>
#include "base/futex.h"
#include "base/proc.h"
#include "pager/attached/kick.h"
#include "pager/attached/proof.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/moved.h"

/* A wait for the end of an event is usual up to here, ns: its thread may have to get a CPU... */
#define PATIENCE_NS 10000000u
/* ... but not for so long after the last stop: then it is one more of the same. */
#define STORM_NS	  100000000u
#define STORM_PATIENCE_NS 1000000u
/* A program whose threads do not stop in this time is left running, ms. */
#define STOP_PATIENCE_MS 200
/* Longest that it stands still for the servers, and how often they are looked at. */
#define CALM_NS	      20000000u
#define CALM_PAUSE_US 20
/* After a stop it runs for so many times as long as that took, at most for this long, ns: where
 * stops take long it is for want of a CPU, or since each of thousands of threads takes its time. */
#define REST_SHARE    3
#define REST_MOST     100000000ull
#define REST_A_THREAD 1000000ull
/* While something starves this is looked for so often; else only when told. */
#define LOOK_NS 1000000u
#define IDLE_NS 1000000000u

struct sufferer {
	struct pager *pager;
	uint64_t id; /* it may be gone at any time */
};

static void tell(struct attached *attached)
{
	struct pager *pager = attached->pager;

	if (atomic_exchange(&attached->serve.starves, true))
		return;
	__atomic_add_fetch(&pager->threads.starve_wake, 1, __ATOMIC_SEQ_CST);
	futex_wake(&pager->threads.starve_wake, 1);
}

void starve_note(struct attached *attached, uint64_t since)
{
	uint64_t now = monotonic_ns();
	bool storm = now < attached->serve.relieved_ns + STORM_NS;

	if (now > since + (storm ? STORM_PATIENCE_NS : PATIENCE_NS))
		tell(attached);
}

void starve_mark(struct attached *attached, uint64_t *since, bool changing)
{
	if (changing && !*since) {
		*since = monotonic_ns();
		atomic_fetch_add(&attached->serve.starving, 1);
	} else if (!changing && *since) {
		*since = 0;
		atomic_fetch_sub(&attached->serve.starving, 1);
	}
	if (changing)
		starve_note(attached, *since);
}

/* `listing.lock` held: it is not freed meanwhile. */
static struct attached *find(const struct sufferer *sufferer)
{
	struct pager *pager = sufferer->pager;

	for (size_t i = 0; i < pager->listing.count; i++)
		if (pager->listing.items[i]->task.id == sufferer->id)
			return pager->listing.items[i];
	return NULL;
}

static bool waits_still(const struct sufferer *sufferer)
{
	pthread_mutex_t *lock = &sufferer->pager->listing.lock;
	struct attached *attached;
	bool waits;

	pthread_mutex_lock(lock);
	attached = find(sufferer);
	waits = attached && !attached->task.dead &&
		(attached->serve.starving || userfault_is_changing(attached->task.userfault));
	pthread_mutex_unlock(lock);
	return waits;
}

/* Nothing is in flight, if all could be stopped: what is in limbo is settled. */
static void settle(const struct sufferer *sufferer)
{
	struct listing *listing = &sufferer->pager->listing;
	struct attached *attached;

	/* Who removes an address space does not wait for this stop, nor this for it. */
	if (pthread_rwlock_tryrdlock(&listing->serving))
		return;
	attached = attached_find(sufferer->pager, sufferer->id);
	if (attached && attached->changes.limbo.since_ns) {
		lock_write(&attached->lock);
		moved_settle(attached);
		unlock_write(&attached->lock);
	}
	pthread_rwlock_unlock(&listing->serving);
}

/* Every thread stands still: the servers answer what waits. */
static int calm(struct target *target, void *argument)
{
	const struct sufferer *sufferer = argument;
	uint64_t end = monotonic_ns() + CALM_NS;

	(void)target;
	servers_kick(sufferer->pager);
	while (monotonic_ns() < end && waits_still(sufferer))
		usleep(CALM_PAUSE_US);
	settle(sufferer);
	return 0;
}

/* While it is not known, those that it may be are. 0: nobody. */
static pid_t who_is(struct attached *attached)
{
	pid_t pid = attached->task.pid;

	return pid ? pid : proof_suspect(attached, attached->serve.stop_turn++);
}

/* The first that starves and has run for long enough since the last stop. `any`: one starves. */
static bool choose(struct pager *pager, struct sufferer *sufferer, struct target *target, bool *any)
{
	uint64_t now = monotonic_ns();
	bool found = false;
	pid_t pid;

	*any = false;
	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count && !found; i++) {
		struct attached *attached = pager->listing.items[i];

		if (!attached->serve.starves || attached->task.dead)
			continue;
		*any = true;
		found = now >= attached->serve.relief_ns &&
			!userfault_is_gone(attached->task.userfault) && (pid = who_is(attached));
		if (!found)
			continue;
		attached->serve.starves = false;
		*sufferer = (struct sufferer){pager, attached->task.id};
		/* A child without an agent has a process to stop all the same. */
		*target = (struct target){
			.pid = pid,
			.agent_tid = attached->task.has_agent ? attached->target.agent_tid : 0,
		};
	}
	pthread_mutex_unlock(&pager->listing.lock);
	return found;
}

static void relieve(struct sufferer *sufferer, struct target *target)
{
	struct pager *pager = sufferer->pager;
	uint64_t begin = monotonic_ns(), end, rest;
	uint64_t most = REST_MOST + proc_threads(target->pid) * REST_A_THREAD;
	struct attached *attached;

	/* Even when not all could be stopped, those that were have made room meanwhile. */
	attach_stop(target, STOP_PATIENCE_MS, calm, sufferer);
	end = monotonic_ns();
	rest = (end - begin) * REST_SHARE;
	pthread_mutex_lock(&pager->listing.lock);
	attached = find(sufferer);
	if (attached) {
		attached->serve.relieved_ns = end;
		attached->serve.relief_ns = end + (rest < most ? rest : most);
	}
	pthread_mutex_unlock(&pager->listing.lock);
}

static void *starve_main(void *argument)
{
	struct pager *pager = argument;
	struct sufferer sufferer;
	struct target target;
	bool any;

	pthread_setname_np(pthread_self(), "vswap-starve");
	while (!pager->threads.starve_stop) {
		uint32_t seen = __atomic_load_n(&pager->threads.starve_wake, __ATOMIC_SEQ_CST);

		if (choose(pager, &sufferer, &target, &any))
			relieve(&sufferer, &target);
		else if (!pager->threads.starve_stop)
			futex_wait(&pager->threads.starve_wake, seen, any ? LOOK_NS : IDLE_NS);
	}
	return NULL;
}

int starve_start(struct pager *pager)
{
	pager->threads.starve_stop = false;
	return -pthread_create(&pager->threads.starve, NULL, starve_main, pager);
}

void starve_stop(struct pager *pager)
{
	pager->threads.starve_stop = true;
	__atomic_add_fetch(&pager->threads.starve_wake, 1, __ATOMIC_SEQ_CST);
	futex_wake(&pager->threads.starve_wake, 1);
	pthread_join(pager->threads.starve, NULL);
}
