/* SPDX-License-Identifier: MIT */
#include "pager/job/load.h"

#include "pager/attached/state.h"

#define LOOK_NS 100000000u
/* With so many faults a second a process takes part in it; so many processes are too many if so
 * many pages come back to the job, until it has been calm for so long. */
#define FAULTS_LEAST   500u
#define PROCESSES_MOST 3u
#define BACK_MOST      8000u
#define CALM_NS	       5000000000u
/* How long one works before the next has its turn. */
#define TURN_NS 4000000000u
/* Those that work may have this part of what all may have, in eighths: one more is chosen below the
 * first, the last one held again above the second. */
#define FEW  4
#define MANY 6

struct load {
	struct attached *next, *last; /* to work next, and that began last */
	int64_t pages;		      /* of those that work */
	unsigned int working;
};

static uint64_t a_second(uint64_t count, uint64_t since)
{
	return since ? count * 1000000000u / since : 0;
}

/* Held ones have few faults for that reason alone. */
static bool takes_part(struct attached *attached, uint64_t since)
{
	uint64_t faults = attached->count.faults, before = attached->watch.faults_seen;

	attached->watch.faults_seen = faults;
	return attached->task.has_agent && !attached->task.dead &&
	       (attached->serve.held || a_second(faults - before, since) > FAULTS_LEAST);
}

static unsigned int count_parts(struct pager *pager, uint64_t since)
{
	unsigned int count = 0;

	for (size_t i = 0; i < pager->listing.count; i++) {
		struct attached *attached = pager->listing.items[i];

		attached->watch.takes_part = takes_part(attached, since);
		count += attached->watch.takes_part;
	}
	return count;
}

/* Also for a while after: holding some is what makes it calm. */
static bool is_thrashing(struct pager *pager, uint64_t now, uint64_t since)
{
	uint64_t back = pager->figures.counters.pages_in;

	if (count_parts(pager, since) > PROCESSES_MOST &&
	    a_second(back - pager->load.back_seen, since) > BACK_MOST)
		pager->load.thrashed_ns = now;
	pager->load.back_seen = back;
	return pager->load.thrashed_ns && now - pager->load.thrashed_ns < CALM_NS;
}

static void add(struct load *load, struct attached *attached, uint64_t now)
{
	if (!attached->serve.held && now - attached->watch.turn_ns > TURN_NS)
		attached->serve.held = true;
	if (attached->serve.held) {
		if (!load->next || attached->watch.turn_ns < load->next->watch.turn_ns)
			load->next = attached;
		return;
	}
	load->working++;
	load->pages += attached->count.resident_pages;
	if (!load->last || attached->watch.turn_ns > load->last->watch.turn_ns)
		load->last = attached;
}

static struct load look(struct pager *pager, uint64_t now, bool thrashing)
{
	struct load load = {0};

	for (size_t i = 0; i < pager->listing.count; i++) {
		struct attached *attached = pager->listing.items[i];

		if (!thrashing)
			attached->serve.held = false;
		else if (attached->watch.takes_part)
			add(&load, attached, now);
	}
	return load;
}

void load_look(struct pager *pager, uint64_t now)
{
	uint64_t since = now - pager->load.looked_ns;
	bool thrashing;
	struct load load;

	if (since < LOOK_NS)
		return;
	pager->load.looked_ns = now;
	pthread_mutex_lock(&pager->listing.lock);
	thrashing = is_thrashing(pager, now, since);
	load = look(pager, now, thrashing);
	if (load.next && (!load.working || load.pages * 8 < pager->budget.target_pages * FEW)) {
		load.next->watch.turn_ns = now;
		load.next->serve.held = false;
	} else if (load.working > 1 && load.pages * 8 > pager->budget.target_pages * MANY) {
		load.last->serve.held = true;
	}
	pthread_mutex_unlock(&pager->listing.lock);
}
