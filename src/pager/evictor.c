/* SPDX-License-Identifier: MIT */
/*
 * The evictor: a thread that keeps the program below its mark. It works in whole
 * batches, looks at the real sizes after each, and says when it cannot help, so
 * that nobody is kept waiting for it.
 */
#include <errno.h>
#include <stdlib.h>
#include "pager/evict.h"
#include "pager/futex.h"
#include "pager/state.h"

#define IDLE_NS	     20000000u
#define TIDY_NS	     50000000u /* idle this long: staging is emptied */
#define BATCH_LEAST  16u
#define RETRY_NS     1000000u
#define PATIENCE_NS  300000000u /* without a page that left: it cannot help */
#define ROOM_WAIT_US 5000u

struct evictor {
	struct pager *pager;
	bool staging_used, told;
	uint64_t worked_ns, success_ns;
};

static bool has_work(struct pager *pager)
{
	return pager->program && !pager->paused &&
	       pager->program->resident_pages > pager->target_pages;
}

static unsigned int batch_size(struct pager *pager)
{
	int64_t size = pager->target_pages / 16;

	if (size > CHANNEL_BATCH)
		return CHANNEL_BATCH;
	return size < BATCH_LEAST ? BATCH_LEAST : (unsigned int)size;
}

static void sleep_until_kicked(struct evictor *evictor, uint32_t seen, uint64_t ns)
{
	futex_wait(&evictor->pager->wake_evictor, seen, ns);
}

/* Pages cannot leave: nobody is braked for it, and the user is told once. */
static void give_up(struct evictor *evictor, uint32_t seen, const char *why)
{
	struct pager *pager = evictor->pager;

	pager->no_room = true;
	if (pager->deferred)
		server_kick(pager);
	if (why && !evictor->told) {
		evictor->told = true;
		pager_say(pager, "%s", why);
	}
	sleep_until_kicked(evictor, seen, IDLE_NS);
}

/* No page left in this attempt, for a reason that passes (a stop, an agent that does not run): the
 * brake holds for a while. */
static void try_later(struct evictor *evictor, uint32_t seen)
{
	if (monotonic_ns() - evictor->success_ns > PATIENCE_NS)
		give_up(evictor, seen, NULL);
	else
		sleep_until_kicked(evictor, seen, RETRY_NS);
}

static void no_room(struct evictor *evictor, uint32_t seen)
{
	struct pager *pager = evictor->pager;

	tier_kick(pager->tier);
	if (tier_wait_room(pager->tier, ROOM_WAIT_US))
		return;
	give_up(evictor, seen,
		"over the budget: no room for more swapped pages; raise it (-m) or add a "
		"backend (--backend file:PATH)");
}

static void work(struct evictor *evictor, uint32_t seen)
{
	struct pager *pager = evictor->pager;
	enum evict_result result = evict_batch(pager->program, batch_size(pager));

	evictor->staging_used = true;
	evictor->worked_ns = monotonic_ns();
	budget_refresh(pager);
	switch (result) {
	case EVICT_DONE:
		evictor->success_ns = evictor->worked_ns;
		pager->no_room = false;
		break;
	case EVICT_NO_ROOM:
		no_room(evictor, seen);
		break;
	case EVICT_NOTHING:
	case EVICT_NOT_NOW:
	case EVICT_GONE:
		try_later(evictor, seen);
		break;
	}
}

static void *evictor_main(void *argument)
{
	struct evictor *evictor = argument;
	struct pager *pager = evictor->pager;

	pthread_setname_np(pthread_self(), "vswap-evictor");
	while (!pager->evictor_stop) {
		uint32_t seen = __atomic_load_n(&pager->wake_evictor, __ATOMIC_ACQUIRE);

		if (has_work(pager)) {
			work(evictor, seen);
			continue;
		}
		pager->no_room = false;
		pager->brake_ns = BRAKE_NS;
		evictor->success_ns = monotonic_ns();
		if (evictor->staging_used && monotonic_ns() - evictor->worked_ns > TIDY_NS) {
			evict_empty_staging(pager->program);
			evictor->staging_used = false;
		}
		sleep_until_kicked(evictor, seen, IDLE_NS);
	}
	free(evictor);
	return NULL;
}

int evictor_start(struct pager *pager)
{
	struct evictor *evictor = calloc(1, sizeof(*evictor));
	int error;

	if (!evictor)
		return -ENOMEM;
	evictor->pager = pager;
	pager->evictor_stop = false;
	error = pthread_create(&pager->evictor_thread, NULL, evictor_main, evictor);
	if (error)
		free(evictor);
	return -error;
}

void evictor_kick(struct pager *pager)
{
	__atomic_fetch_add(&pager->wake_evictor, 1, __ATOMIC_RELEASE);
	futex_wake(&pager->wake_evictor, 1);
}

void evictor_stop(struct pager *pager)
{
	pager->evictor_stop = true;
	evictor_kick(pager);
	pthread_join(pager->evictor_thread, NULL);
}
