/* SPDX-License-Identifier: MIT */
/*
 * The evictor: a thread that keeps all programs together below the mark. It works in whole
 * batches, looks at the real sizes after each, and says when it cannot help, so
 * that nobody is kept waiting for it.
 * Whose turn it is: turns.h.
 */
#include "pager/eviction/evictor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "attach/remote.h"
#include "base/clock.h"
#include "base/futex.h"
#include "pager/attached/kick.h"
#include "pager/attached/late_marks.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/eviction/commit.h"
#include "pager/eviction/evict.h"
#include "pager/eviction/need.h"
#include "pager/eviction/pick.h"
#include "pager/eviction/turns.h"
#include "pager/job/budget.h"
#include "pager/job/groups.h"

#define IDLE_NS	     20000000u
#define TIDY_NS	     50000000u /* idle this long: staging is emptied */
#define BATCH_LEAST  16u
#define RETRY_NS     1000000u
#define PATIENCE_NS  300000000u /* without a page that left: it cannot help */
#define ROOM_WAIT_US 5000u
#define BUFFER_BYTES ((size_t)CHANNEL_BATCH << PAGE_SHIFT)

struct evictor {
	struct pager *pager;
	struct turns turns;
	unsigned int idle; /* how many in turn had nothing to give */
	bool staging_used, told_tiers;
	uint64_t worked_ns, success_ns;
	struct page_list parted; /* pages that relatives may have still */
	struct need need;
};

static bool has_work(const struct pager *pager)
{
	return !pager->budget.paused && (turns_job_is_over(pager) || groups_must_evict(pager));
}

static unsigned int batch_size(const struct attached *attached)
{
	int64_t size = attached->pager->budget.target_pages;

	for (const struct group *group = attached->group; group; group = group->parent)
		if (group->target_pages < size)
			size = group->target_pages;
	size /= 16;

	if (size > CHANNEL_BATCH)
		return CHANNEL_BATCH;
	return size < BATCH_LEAST ? BATCH_LEAST : (unsigned int)size;
}

static void sleep_until_kicked(struct evictor *evictor, uint32_t seen, uint64_t ns)
{
	struct pager *pager = evictor->pager;

	pager->evict.sleeps = true;
	futex_wait(&pager->evict.wake, seen, ns);
	pager->evict.sleeps = false;
}

/* Pages cannot leave: nobody is braked for it. */
static void give_up(struct evictor *evictor, uint32_t seen)
{
	struct pager *pager = evictor->pager;

	pager->budget.no_room = true;
	/* It is one group that cannot be helped: the job's brake is as good as new. */
	if (!turns_job_is_over(pager))
		pager->budget.brake_ns = BRAKE_NS;
	servers_kick_deferred(pager);
	sleep_until_kicked(evictor, seen, IDLE_NS);
}

/* No page left in this attempt, for a reason that passes (a stop, an agent that does not run): the
 * brake holds for a while. */
static void try_later(struct evictor *evictor, uint32_t seen)
{
	if (monotonic_ns() - evictor->success_ns > PATIENCE_NS)
		give_up(evictor, seen);
	else
		sleep_until_kicked(evictor, seen, RETRY_NS);
}

static void no_room(struct evictor *evictor, uint32_t seen)
{
	struct pager *pager = evictor->pager;
	bool room;

	tier_kick(pager->tier);
	room = tier_wait_room(pager->tier, ROOM_WAIT_US);
	if (!need_is_hopeless(&evictor->need, evictor->pager, room) && room)
		return;
	give_up(evictor, seen);
}

/* What the program really has now. */
static void look(struct attached *attached)
{
	struct process_size size;
	int64_t pages;

	if (maps_size(attached->target.statm, &size))
		return;
	pages = (int64_t)(size.anonymous >> PAGE_SHIFT) - attached->count.shared_pages;
	attached_set_pages(attached, pages > 0 ? pages : 0);
}

/* Nothing left this one: the next, and when all were asked in turn, later. */
static void go_on(struct evictor *evictor, uint32_t seen)
{
	turns_go_past(&evictor->turns);
	if (++evictor->idle < turns_count(evictor->pager))
		return;
	evictor->idle = 0;
	try_later(evictor, seen);
}

/* Where its group's pages may go is full, which is no reason to stop the others. */
static void no_tier_room(struct evictor *evictor, uint32_t seen)
{
	tier_kick(evictor->pager->tier);
	if (!evictor->told_tiers)
		pager_say(evictor->pager,
			  "a group's tiers have no room for more of its pages: they stay resident; "
			  "allow it more tiers, or raise its limit (vswap limit --group)");
	evictor->told_tiers = true;
	go_on(evictor, seen);
}

/* Shared pages that left one leave all its relatives, so that there is room at last. */
static void evict_relatives(struct evictor *evictor, uint64_t stack_start)
{
	const struct page_list *parted = &evictor->parted;
	struct attached *relative;
	size_t at = 0;

	while (parted->count &&
	       (relative = turns_take_relative(evictor->pager, stack_start, &at))) {
		evict_batch(relative, parted->count, parted);
		look(relative);
		evict_empty_staging(relative);
		turns_put_back(evictor->pager);
	}
}

static void work(struct evictor *evictor, uint32_t seen)
{
	struct pager *pager = evictor->pager;
	struct attached *attached = turns_take_next(&evictor->turns, pager);
	uint64_t laps, family;
	enum evict_result result;
	bool limited, kept; /* by its group's limit, and to its tiers */

	if (!attached) {
		try_later(evictor, seen);
		return;
	}
	laps = attached->evict.laps;
	family = attached->task.stack_start;
	limited = group_is_over(attached->group);
	kept = groups_tiers(attached->group) != STORE_ANY_TIER;
	result = evict_batch(attached, batch_size(attached), NULL);
	commit_list_parted(attached, &evictor->parted);
	look(attached);
	if (attached->evict.laps != laps || evictor->parted.count)
		evict_empty_staging(attached);
	if (attached->evict.laps != laps) {
		/* A batch may take more than one lap of what is small. */
		if (pager->job.groups.count)
			attached->evict.credit -= (double)(attached->evict.laps - laps - 1);
		turns_go_past(&evictor->turns);
	}
	/* Others are not kept waiting for one of a group that is above its limit. */
	if (result != EVICT_DONE && limited)
		evict_rest(attached, RETRY_NS);
	if (result == EVICT_NO_ROOM && kept)
		evict_rest(attached, IDLE_NS);
	turns_put_back(evictor->pager);
	evict_relatives(evictor, family);
	evictor->staging_used = true;
	evictor->worked_ns = monotonic_ns();
	budget_refresh(pager);
	switch (result) {
	case EVICT_DONE:
		evictor->success_ns = evictor->worked_ns;
		evictor->idle = 0;
		pager->budget.no_room = need_stays(&evictor->need, pager);
		break;
	case EVICT_NO_ROOM:
		if (kept)
			no_tier_room(evictor, seen);
		else
			no_room(evictor, seen);
		break;
	case EVICT_NOTHING:
	case EVICT_NOT_NOW:
	case EVICT_GONE:
		go_on(evictor, seen);
		break;
	}
}

/* Nothing must leave, but only because so much cannot (budget.c): is that so still? */
static void try_fixed(struct evictor *evictor)
{
	struct pager *pager = evictor->pager;
	struct attached *attached;

	if (pager->budget.paused || (pager->budget.resident_pages <= pager->budget.room_pages &&
				     !groups_are_strained(pager)))
		return;
	attached = turns_take_fixed(pager);
	if (attached) {
		evict_fixed(attached);
		look(attached);
		evictor->staging_used = true;
		evictor->worked_ns = monotonic_ns();
	}
	turns_put_back(evictor->pager);
	budget_refresh(pager);
}

/* Nothing to do for a while: what stands in the staging areas is given back, and who waits for
 * marks gets them. */
static void tidy(struct evictor *evictor)
{
	struct pager *pager = evictor->pager;

	evictor->staging_used = false;
	for (size_t i = 0; i < turns_count(pager); i++) {
		struct attached *attached = turns_take_at(pager, i);

		if (attached) {
			evict_empty_staging(attached);
			late_marks_put(attached);
			evictor->staging_used |= attached->evict.late_marks.count > 0;
		}
		turns_put_back(evictor->pager);
	}
}

static void *evictor_main(void *argument)
{
	struct evictor *evictor = argument;
	struct pager *pager = evictor->pager;

	pthread_setname_np(pthread_self(), "vswap-evictor");
	remote_watched(pager->evict.guard);
	while (!pager->evict.stop) {
		uint32_t seen = __atomic_load_n(&pager->evict.wake, __ATOMIC_ACQUIRE);

		if (has_work(pager)) {
			if (need_rests(&evictor->need, pager))
				sleep_until_kicked(evictor, seen, IDLE_NS);
			else
				work(evictor, seen);
			continue;
		}
		need_met(&evictor->need);
		pager->budget.no_room = false;
		pager->budget.brake_ns = BRAKE_NS;
		evictor->success_ns = monotonic_ns();
		try_fixed(evictor);
		if (evictor->staging_used && monotonic_ns() - evictor->worked_ns > TIDY_NS)
			tidy(evictor);
		sleep_until_kicked(evictor, seen, IDLE_NS);
	}
	__atomic_store_n(&pager->evict.ended, 1, __ATOMIC_SEQ_CST);
	futex_wake(&pager->evict.ended, 1);
	return NULL;
}

/* A thread and a buffer; those that were before may be in use by a read that never ends. */
static int start_thread(struct evictor *evictor)
{
	struct pager *pager = evictor->pager;
	struct remote_guard *guard = calloc(1, sizeof(*guard));
	void *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	pthread_t thread;
	int error = guard && buffer != MAP_FAILED ? 0 : -ENOMEM;

	if (!error) {
		pager->evict.guard = guard;
		pager->evict.batch_bytes = buffer;
		error = -pthread_create(&thread, NULL, evictor_main, evictor);
	}
	if (!error) {
		pthread_detach(thread);
		return 0;
	}
	if (buffer != MAP_FAILED)
		munmap(buffer, BUFFER_BYTES);
	free(guard);
	pager->evict.guard = NULL;
	return error;
}

int evictor_start(struct pager *pager)
{
	int error;

	pager->evict.evictor = calloc(1, sizeof(*pager->evict.evictor));
	if (!pager->evict.evictor)
		return -ENOMEM;
	pager->evict.evictor->pager = pager;
	pager->evict.stop = false;
	pager->evict.ended = 0;
	error = start_thread(pager->evict.evictor);
	if (error)
		free(pager->evict.evictor);
	return error;
}

void evictor_replace(struct pager *pager)
{
	struct attached *attached = pager->listing.evicting;
	int error;

	if (attached)
		evict_give_up(attached);
	turns_put_back(pager);
	error = start_thread(pager->evict.evictor);
	if (!error)
		return;
	pager_say(pager, "cannot go on evicting: %s; the budget will not be held",
		  strerror(-error));
	__atomic_store_n(&pager->evict.ended, 1, __ATOMIC_SEQ_CST);
}

void evictor_stop(struct pager *pager)
{
	pager->evict.stop = true;
	while (!__atomic_load_n(&pager->evict.ended, __ATOMIC_SEQ_CST)) {
		evictor_kick(pager);
		futex_wait(&pager->evict.ended, 0, IDLE_NS);
	}
}

void evictor_free(struct pager *pager)
{
	free(pager->evict.guard);
	free(pager->evict.evictor);
	munmap(pager->evict.batch_bytes, BUFFER_BYTES);
}
