/* SPDX-License-Identifier: MIT */
/*
 * The tier thread.
 *
 *            kick, share            pages' owners
 *                 │                      ▲ room
 *                 ▼                      │
 *   sleep ──► collect ──► write back ──► clean ──► sleep
 *             what was    oldest first,  when nothing else helps,
 *             written     4 a backend    or in idle moments
 *
 * It waits for devices so that nobody else must. It never waits on a program, and
 * after tier_open never allocates: it runs exactly when memory is short.
 *
 * Two futex words carry all signalling. `kicks` counts calls to this thread; it
 * sleeps only while the count is what it was before its last pass, so no kick is
 * lost. `rooms` counts occasions on which a waiter should look again.
 */
#include "tier/tier.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/futex.h"
#include "base/thread.h"
#include "tier/flights.h"
#include "tier/places.h"

/* The thread's stack is locked memory of the budget: no larger than reading and cleaning need. */
#define STACK_BYTES (256u << 10)
/* What one urgent kick makes free at least, share or not. */
#define URGENT_BYTES (2ull * SEGMENT_BYTES)
/* Looking after itself when nobody kicks: often while RAM is nearly full, else seldom. */
#define WATCH_NEAR (20 * MILLISECOND)
#define WATCH_FAR  (200 * MILLISECOND)
#define NEAR_BYTES (4ull * SEGMENT_BYTES)
/* Cleaning in idle moments: after so long without a kick, above so many bytes, and for each
 * moment of work nine of rest: a tenth of one CPU. */
#define IDLE_AFTER (200 * MILLISECOND)
#define IDLE_BYTES (16ull << 20)
/* Above the share but with room for the next pages: half of one CPU. */
#define ABOVE_REST 1
#define IDLE_REST  9
#define IDLE_PAUSE (2 * SECOND) /* when there was nothing to clean */
/* Idle is when pages come and go this far apart, or more seldom. */
#define TRAFFIC_PAUSE MILLISECOND
/* A step of cleaning that beats writing back a segment. */
#define GOOD_GAIN      (SEGMENT_BYTES * 2 / 5)
#define EMPTIEST_PAUSE (100 * MILLISECOND)
/* When nothing was worth it. */
#define HOPELESS_PAUSE (100 * MILLISECOND)
#define DESPAIR_AFTER  (1 * SECOND) /* before the user is told */
#define POLL_MS	       10

struct tier {
	struct store *store;
	struct tier_clock clock;
	struct store_writer *cleaner;
	struct places places;
	struct flights flights;
	pthread_t thread;

	/* Any thread. */
	_Atomic uint64_t share, traffic;
	_Atomic uint32_t kicks, rooms;
	_Atomic uint32_t made;	 /* counts occasions on which there really was new room */
	_Atomic uint32_t passes; /* of the thread, begun */
	atomic_uint waiters;
	atomic_bool asleep, urgent, stop;
	atomic_bool hopeless;	   /* somebody waited, and there was nothing to be done */
	_Atomic int64_t clean_at;  /* ns: no cleaning before, unless somebody waits */
	_Atomic int64_t waited_at; /* ns: the last time that somebody waited for room */

	/* The tier thread. */
	bool cleaned; /* something was, in this pass */
	bool told_no_room;
	int64_t progress_at;   /* the last time that room was made */
	int64_t kicked_at;     /* the last urgent kick */
	int64_t emptiest_at;   /* no cleaning instead of writing before */
	int64_t looked_at;     /* is_paging's last look ... */
	uint64_t traffic_seen; /* ... and what it saw */
	int64_t hopeless_at;   /* the last time that nothing could be done */
};

static int64_t now_ns(const struct tier *tier)
{
	return tier_now(&tier->clock);
}

/* RAM segments when what is in flight will have arrived. */
static uint64_t expected_ram(struct tier *tier)
{
	uint64_t leaving = (uint64_t)flights_arriving(&tier->flights) * SEGMENT_BYTES;
	uint64_t ram = store_ram_bytes(tier->store);

	return ram > leaving ? ram - leaving : 0;
}

/* Something was written or cleaned in this pass. */
static bool has_progress(const struct tier *tier)
{
	return tier->cleaned || tier->flights.landed;
}

static void announce(struct tier *tier)
{
	if (has_progress(tier)) {
		tier->progress_at = now_ns(tier);
		atomic_fetch_add(&tier->made, 1);
	}
	atomic_fetch_add(&tier->rooms, 1);
	if (atomic_load(&tier->waiters))
		futex_wake(&tier->rooms, INT32_MAX);
}

static void rest(struct tier *tier, int64_t began, int64_t times)
{
	atomic_store(&tier->clean_at, now_ns(tier) + times * ((int64_t)worked_ns() - began));
}

/*
 * While segments are at hand from which little must be copied, cleaning beats
 * writing: no device, and what stays in RAM is all alive. How much a step gains is
 * known afterwards only; after one that gained little, writing has its turn.
 */
static bool clean_the_emptiest(struct tier *tier)
{
	int64_t now = now_ns(tier);
	uint64_t freed;

	if (now < tier->emptiest_at)
		return false;
	freed = store_clean(tier->store, tier->cleaner, false);
	if (freed < GOOD_GAIN)
		tier->emptiest_at = now + EMPTIEST_PAUSE;
	tier->cleaned |= freed != 0;
	return freed != 0;
}

/* Makes extents free on backends that are full of segments mostly dead. */
static bool compact(struct tier *tier)
{
	for (unsigned int i = 0; i < tier->places.count; i++) {
		struct backend *backend = tier->places.items[i].backend;

		if (tier->places.items[i].retired)
			continue;
		if (backend->operations->health(backend) == BACKEND_OK &&
		    store_compact(tier->store, tier->cleaner, backend))
			return true;
	}
	return false;
}

/* One step in the cheapest way there is: copying what is alive, reading it back from a full
 * backend, encoding it anew. The last makes pages slow to come back, so only if somebody waits.
 * False: nothing was worth it. */
static bool clean(struct tier *tier, bool urgent)
{
	if (!store_clean(tier->store, tier->cleaner, false) && !compact(tier) &&
	    !(urgent && store_clean(tier->store, tier->cleaner, true)))
		return false;
	tier->cleaned = true;
	atomic_store(&tier->hopeless, false);
	return true;
}

/* Above the share, nothing on its way, and nobody waits. */
static void clean_at_leisure(struct tier *tier)
{
	int64_t now = now_ns(tier), began = (int64_t)worked_ns();

	if (now < atomic_load(&tier->clean_at))
		return;
	if (clean(tier, false))
		rest(tier, began, ABOVE_REST);
	else
		atomic_store(&tier->clean_at, now + HOPELESS_PAUSE);
}

/* Somebody waits for room, and nothing is on its way: clean, or find that nothing can be done. */
static void clean_or_despair(struct tier *tier)
{
	int64_t now = now_ns(tier);

	if (!atomic_load(&tier->hopeless) || now - tier->hopeless_at >= HOPELESS_PAUSE) {
		if (clean(tier, true))
			return;
		tier->hopeless_at = now;
		atomic_store(&tier->hopeless, true);
	}
	/* Not at once: a backend that failed is tried again, and pages die. Nor if it was only a
	 * kick: then there is room for others. */
	if (now - tier->progress_at > DESPAIR_AFTER &&
	    now - atomic_load(&tier->waited_at) < DESPAIR_AFTER)
		places_say_no_room(&tier->places, now, &tier->told_no_room);
}

/* True if RAM segments are where they should be, or nothing can be done about it right now. */
static bool make_room(struct tier *tier, bool urgent)
{
	uint64_t ram = store_ram_bytes(tier->store);
	uint64_t target = atomic_load(&tier->share);

	if (urgent && target + URGENT_BYTES > ram)
		target = ram > URGENT_BYTES ? ram - URGENT_BYTES : 0;
	/* Who waits for room gets it fastest from a device. */
	while (expected_ram(tier) > target &&
	       ((!urgent && !atomic_load(&tier->urgent) && clean_the_emptiest(tier)) ||
		flights_start(&tier->flights)))
		;
	if (expected_ram(tier) <= target || flights_arriving(&tier->flights)) {
		atomic_store(&tier->hopeless, false);
		return expected_ram(tier) <= target && !flights_arriving(&tier->flights);
	}
	if (urgent)
		clean_or_despair(tier);
	else
		clean_at_leisure(tier);
	return atomic_load(&tier->hopeless) || now_ns(tier) < atomic_load(&tier->clean_at);
}

/* True if so many pages came and went since the last look that what is encoded strongly now would
 * only be slow to come back. */
static bool is_paging(struct tier *tier, int64_t now)
{
	uint64_t traffic = atomic_load(&tier->traffic);
	bool paging =
		(int64_t)(traffic - tier->traffic_seen) * TRAFFIC_PAUSE > now - tier->looked_at;

	tier->traffic_seen = traffic;
	tier->looked_at = now;
	return paging;
}

static void clean_when_idle(struct tier *tier)
{
	int64_t now = now_ns(tier), began = (int64_t)worked_ns();

	if (tier->flights.aloft || now - tier->kicked_at < IDLE_AFTER ||
	    now < atomic_load(&tier->clean_at) || store_ram_bytes(tier->store) < IDLE_BYTES)
		return;
	if (is_paging(tier, now)) {
		atomic_store(&tier->clean_at, now + IDLE_AFTER);
	} else if (store_clean(tier->store, tier->cleaner, true)) {
		tier->cleaned = true;
		rest(tier, began, IDLE_REST);
	} else {
		atomic_store(&tier->clean_at, now + IDLE_PAUSE);
	}
}

/* How long to sleep when nobody kicks. */
static int64_t nap(struct tier *tier)
{
	uint64_t ram = store_ram_bytes(tier->store);
	int64_t longest = ram + NEAR_BYTES > atomic_load(&tier->share) ? WATCH_NEAR : WATCH_FAR;
	int64_t until_clean = atomic_load(&tier->clean_at) - now_ns(tier);

	if (ram >= IDLE_BYTES && until_clean < longest)
		longest = until_clean;
	return longest > MILLISECOND ? longest : MILLISECOND;
}

static void *run(void *argument)
{
	struct tier *tier = argument;

	pthread_setname_np(pthread_self(), "vswap-tier");
	while (!atomic_load(&tier->stop)) {
		uint32_t seen = atomic_load(&tier->kicks);
		bool urgent = atomic_exchange(&tier->urgent, false);
		bool settled;

		atomic_fetch_add(&tier->passes, 1);
		if (urgent)
			tier->kicked_at = now_ns(tier);
		tier->cleaned = tier->flights.landed = false;
		flights_size_copies(&tier->flights, atomic_load(&tier->share));
		flights_collect(&tier->flights, 0);
		settled = make_room(tier, urgent);
		clean_when_idle(tier);
		flights_drop_copies(&tier->flights);
		if (has_progress(tier) || settled)
			announce(tier);
		if (tier->flights.aloft) {
			flights_collect(&tier->flights, POLL_MS);
			if (has_progress(tier))
				announce(tier);
		} else if (settled) {
			atomic_store(&tier->asleep, true);
			tier->clock.wait(tier->clock.argument, &tier->kicks, seen,
					 (uint64_t)nap(tier));
			atomic_store(&tier->asleep, false);
		}
	}
	while (tier->flights.aloft)
		flights_collect(&tier->flights, POLL_MS);
	announce(tier);
	return NULL;
}

/* ---- what others call ---- */

static void free_tier(struct tier *tier)
{
	if (tier->cleaner)
		store_writer_close(tier->cleaner);
	flights_close(&tier->flights);
	free(tier);
}

static int add(struct tier *tier, struct backend *backend)
{
	int error = tier->places.count == BACKEND_MOST ? -ENOSPC : 0;

	if (!error && backend->seals)
		error = flights_seal(&tier->flights);
	if (!error)
		places_add(&tier->places, backend);
	return error;
}

int tier_open(struct tier **opened, const struct tier_config *config)
{
	struct tier *tier = calloc(1, sizeof(*tier));
	int error;

	*opened = NULL;
	if (!tier)
		return -ENOMEM;
	tier->store = config->store;
	tier->clock = config->clock ? *config->clock : tier_machine_clock;
	tier->places.writes = PLACE_WRITES;
	tier->places.say = config->say;
	tier->places.say_argument = config->say_argument;
	atomic_store(&tier->share, UINT64_MAX / 2);
	tier->progress_at = now_ns(tier);
	error = flights_open(&tier->flights, tier->store, &tier->places, &tier->clock);
	for (unsigned int i = 0; i < config->backend_count && !error; i++)
		error = add(tier, config->backends[i]);
	if (!error)
		error = store_writer_open(tier->store, &tier->cleaner);
	if (!error)
		error = thread_start(&tier->thread, STACK_BYTES, run, tier);
	if (error) {
		free_tier(tier);
		return error;
	}
	*opened = tier;
	return 0;
}

static void wake(struct tier *tier)
{
	atomic_fetch_add(&tier->kicks, 1);
	if (atomic_load(&tier->asleep))
		futex_wake(&tier->kicks, INT32_MAX);
}

void tier_close(struct tier *tier)
{
	atomic_store(&tier->stop, true);
	wake(tier);
	pthread_join(tier->thread, NULL);
	free_tier(tier);
}

void tier_note_traffic(struct tier *tier, uint64_t pages)
{
	atomic_store(&tier->traffic, pages);
}

void tier_set_share(struct tier *tier, uint64_t ram_bytes)
{
	atomic_store(&tier->share, ram_bytes);
	/* Called often: wakes the thread only if it would do something. */
	if (store_ram_bytes(tier->store) > ram_bytes && !atomic_load(&tier->hopeless) &&
	    (tier->places.count || now_ns(tier) >= atomic_load(&tier->clean_at)))
		wake(tier);
}

void tier_kick(struct tier *tier)
{
	atomic_store(&tier->urgent, true);
	wake(tier);
}

bool tier_wait_room(struct tier *tier, unsigned int timeout_us)
{
	uint32_t seen = atomic_load(&tier->rooms);
	uint32_t made = atomic_load(&tier->made);

	atomic_store(&tier->waited_at, now_ns(tier));
	tier_kick(tier);
	atomic_fetch_add(&tier->waiters, 1);
	futex_wait(&tier->rooms, seen, (uint64_t)timeout_us * 1000);
	atomic_fetch_sub(&tier->waiters, 1);
	/* Room that was made for us counts, even if there will be no more of it. */
	return atomic_load(&tier->made) != made || !atomic_load(&tier->hopeless);
}

int tier_add_backend(struct tier *tier, struct backend *backend)
{
	int error = add(tier, backend);

	if (!error) {
		atomic_store(&tier->hopeless, false);
		wake(tier);
	}
	return error;
}

void tier_set_priority(struct tier *tier, struct backend *backend, int priority)
{
	places_of(&tier->places, backend)->priority = priority;
	wake(tier);
}

void tier_retire(struct tier *tier, const struct backend *backend, bool retired)
{
	places_of(&tier->places, backend)->retired = retired;
	wake(tier);
}

bool tier_is_writing(struct tier *tier, const struct backend *backend)
{
	return places_of(&tier->places, backend)->in_flight;
}

uint32_t tier_passes(const struct tier *tier)
{
	return atomic_load(&tier->passes);
}

bool tier_has_noticed(struct tier *tier, uint32_t passes)
{
	if (atomic_load(&tier->passes) - passes >= 2)
		return true;
	wake(tier);
	return false;
}
