/* SPDX-License-Identifier: MIT */
#include "pager/eviction/turns.h"

#include "base/clock.h"
#include "pager/attached/state.h"
#include "pager/job/groups.h"

#define LAPS_MOST 3u /* that one batch may take, and one more */

bool turns_job_is_over(const struct pager *pager)
{
	return pager->budget.resident_pages > pager->budget.target_pages;
}

void turns_go_past(struct turns *turns)
{
	turns->at++;
	turns->stays = false;
}

/* Which address spaces pages may be taken from. */
enum scope {
	SCOPE_NONE,
	SCOPE_GROUPS, /* those of groups above their limits */
	SCOPE_JOB,
};

static bool may_leave(const struct attached *attached)
{
	return attached->task.has_agent && !attached->task.dead && !attached->evict.paused;
}

static bool is_in(const struct attached *attached, enum scope scope, uint64_t now)
{
	if (!may_leave(attached) || now < attached->evict.rests_ns)
		return false;
	return scope == SCOPE_JOB || (scope == SCOPE_GROUPS && group_is_over(attached->group));
}

/* What leaves a group above its limit leaves the job, too: that comes first. List's lock held. */
static enum scope find_scope(const struct pager *pager, uint64_t now)
{
	if (groups_must_evict(pager))
		for (size_t i = 0; i < pager->listing.count; i++)
			if (is_in(pager->listing.items[i], SCOPE_GROUPS, now))
				return SCOPE_GROUPS;
	return turns_job_is_over(pager) ? SCOPE_JOB : SCOPE_NONE;
}

/* The one where the clock stands, or the next one that has its turn. List's lock held. */
static struct attached *find_next(struct turns *turns, const struct pager *pager, enum scope scope,
				  uint64_t now)
{
	double highest = 0;

	for (size_t i = 0; i < pager->listing.count; i++) {
		double share = group_share(pager->listing.items[i]->group);

		if (share > highest && is_in(pager->listing.items[i], scope, now))
			highest = share;
	}
	/* Each turn goes to the highest share, minus laps already taken. */
	for (size_t tries = 0; highest > 0 && tries < LAPS_MOST * pager->listing.count; tries++) {
		struct attached *attached;

		if (turns->at >= pager->listing.count)
			turns->at = 0;
		attached = pager->listing.items[turns->at];
		if (is_in(attached, scope, now) &&
		    (turns->stays ||
		     group_turn(&attached->evict.credit, group_share(attached->group), highest))) {
			turns->stays = true;
			return attached;
		}
		turns_go_past(turns);
	}
	return NULL;
}

struct attached *turns_take_next(struct turns *turns, struct pager *pager)
{
	uint64_t now = monotonic_ns();
	struct attached *taken;

	pthread_mutex_lock(&pager->listing.lock);
	taken = find_next(turns, pager, find_scope(pager, now), now);
	pager->listing.evicting = taken;
	pthread_mutex_unlock(&pager->listing.lock);
	return taken;
}

struct attached *turns_take_at(struct pager *pager, size_t at)
{
	struct attached *taken = NULL;

	pthread_mutex_lock(&pager->listing.lock);
	if (at < pager->listing.count && may_leave(pager->listing.items[at]))
		taken = pager->listing.items[at];
	pager->listing.evicting = taken;
	pthread_mutex_unlock(&pager->listing.lock);
	return taken;
}

void turns_put_back(struct pager *pager)
{

	pthread_mutex_lock(&pager->listing.lock);
	pager->listing.evicting = NULL;
	pthread_cond_broadcast(&pager->listing.evicting_changed);
	pthread_mutex_unlock(&pager->listing.lock);
}

size_t turns_count(struct pager *pager)
{
	size_t count;

	pthread_mutex_lock(&pager->listing.lock);
	count = pager->listing.count;
	pthread_mutex_unlock(&pager->listing.lock);
	return count;
}

struct attached *turns_take_relative(struct pager *pager, uint64_t stack_start, size_t *at)
{
	struct attached *taken = NULL;

	pthread_mutex_lock(&pager->listing.lock);
	while (*at < pager->listing.count && !taken) {
		struct attached *attached = pager->listing.items[(*at)++];

		if (attached->task.stack_start == stack_start && may_leave(attached) &&
		    monotonic_ns() >= attached->evict.rests_ns)
			taken = attached;
	}
	pager->listing.evicting = taken;
	pthread_mutex_unlock(&pager->listing.lock);
	return taken;
}

struct attached *turns_take_fixed(struct pager *pager)
{
	struct attached *taken = NULL;
	uint64_t now = monotonic_ns();

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->listing.count && !taken; i++)
		if (may_leave(pager->listing.items[i]) &&
		    fixed_is_due(&pager->listing.items[i]->evict.fixed, now))
			taken = pager->listing.items[i];
	pager->listing.evicting = taken;
	pthread_mutex_unlock(&pager->listing.lock);
	return taken;
}
