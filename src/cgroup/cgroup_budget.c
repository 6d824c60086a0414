/* SPDX-License-Identifier: MIT */
/*
 * The job's sizes and the cgroup's are not read at the same moment, so a job that grows may look as
 * if something else had grown. A smaller budget is therefore believed when a second look, soon
 * after, finds it too; a larger one at once.
 */
#include "cgroup/cgroup_budget.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/size.h"

#define LOOK_NS	 1000000000u
#define TIGHT_NS 100000000u

/* Below the limit: a sixteenth, which is more than the budget is ever overshot by, and some. */
#define MARGIN_SHARE 16
#define MARGIN_LEAST (4u << 20)
#define MARGIN_MOST  (1u << 30)

/* Waiting for memory is felt from this part of the time on... */
#define FELT_PERMILLE 50
/* ... and each second of it takes a step; each without gives a smaller one back. */
#define HELD_STEP 32
#define HELD_BACK 256
#define HELD_MOST 4

static uint64_t minus(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0;
}

uint64_t cgroup_margin(uint64_t limit)
{
	uint64_t margin = limit / MARGIN_SHARE + MARGIN_LEAST;

	return margin < MARGIN_MOST ? margin : MARGIN_MOST;
}

uint64_t cgroup_budget(uint64_t limit, uint64_t used, uint64_t part, uint64_t held)
{
	return minus(limit, cgroup_margin(limit) + minus(used, part) + held);
}

uint64_t cgroup_held(uint64_t limit, uint64_t held, unsigned int permille)
{
	if (permille >= FELT_PERMILLE)
		held += limit / HELD_STEP;
	else
		held = minus(held, limit / HELD_BACK);
	return held < limit / HELD_MOST ? held : limit / HELD_MOST;
}

static void remember(struct cgroup_budget *following, const struct cgroup_level *level)
{
	following->limit = level->limit;
	snprintf(following->path, sizeof(following->path), "%.*s", (int)level->path_length,
		 cgroup_path(following->cgroup));
}

static int too_small(const struct cgroup_budget *following, uint64_t budget,
		     char message[MESSAGE_BYTES])
{
	char limit[SIZE_TEXT], left[SIZE_TEXT], least[SIZE_TEXT];

	return explain(
		message, -ERANGE,
		"the limit of %s of cgroup %s leaves a budget of %s, less than the least of %s; "
		"raise that limit",
		size_format(following->limit, limit), following->path, size_format(budget, left),
		size_format(following->least, least));
}

static int no_limit(const struct cgroup_budget *following, char message[MESSAGE_BYTES])
{
	return explain(
		message, -ENODATA,
		"no memory limit is set on the cgroup %s or above it; set one (memory.max, or "
		"memory.limit_in_bytes in v1; MemoryMax= of a systemd unit) or give the budget as "
		"a size (-m 512M)",
		cgroup_path(following->cgroup));
}

/* The smallest budget of all levels. 0 or -errno with a message. */
static int look(struct cgroup_budget *following, const struct cgroup_part *part,
		char message[MESSAGE_BYTES])
{
	struct cgroup_level levels[CGROUP_LEVELS];
	int count = cgroup_read(following->cgroup, levels, message);

	if (count <= 0)
		return count ? count : no_limit(following, message);
	following->seen = UINT64_MAX;
	following->tight = false;
	for (int i = 0; i < count; i++) {
		uint64_t used = part ? levels[i].used : 0, counted = 0, budget;

		if (part)
			counted = part->job + (levels[i].has_caller ? part->caller : 0);
		following->tight |= used + 2 * cgroup_margin(levels[i].limit) > levels[i].limit;
		budget = cgroup_budget(levels[i].limit, used, counted, following->held);
		if (budget >= following->seen)
			continue;
		following->seen = budget;
		remember(following, &levels[i]);
	}
	return 0;
}

int cgroup_budget_open(struct cgroup_budget *following, const char *root, pid_t pid, uint64_t least,
		       char message[MESSAGE_BYTES])
{
	int error;

	*following = (struct cgroup_budget){.least = least};
	error = cgroup_open(&following->cgroup, root, pid, message);
	if (error)
		return error;
	error = look(following, NULL, message);
	if (!error && following->seen < least)
		error = too_small(following, following->seen, message);
	if (error)
		cgroup_budget_close(following);
	following->budget = following->seen;
	return error;
}

void cgroup_budget_close(struct cgroup_budget *following)
{
	cgroup_close(following->cgroup);
	following->cgroup = NULL;
}

static void feel_pressure(struct cgroup_budget *following, uint64_t now_ns)
{
	uint64_t stalled, passed = now_ns - following->stalled_ns;
	bool first = !following->stalled_ns;

	if ((!first && passed < LOOK_NS) || !cgroup_stalled(following->cgroup, &stalled))
		return;
	if (!first)
		following->held = cgroup_held(
			following->limit, following->held,
			(unsigned int)(minus(stalled, following->stalled_us) * 1000000 / passed));
	following->stalled_us = stalled;
	following->stalled_ns = now_ns;
}

/* Each once. */
static void tell_lost(struct cgroup_budget *following, char message[MESSAGE_BYTES])
{
	char why[MESSAGE_BYTES], budget[SIZE_TEXT];

	if (following->told_lost) {
		message[0] = '\0';
		return;
	}
	following->told_lost = true;
	snprintf(why, sizeof(why), "%s", message);
	explain(message, 0,
		"%.300s; the budget stays at %s (`vswap limit cgroup' looks for the cgroup anew)",
		why, size_format(following->budget, budget));
}

static uint64_t at_least(struct cgroup_budget *following, uint64_t budget,
			 char message[MESSAGE_BYTES])
{
	if (budget >= following->least)
		return budget;
	if (!following->told_least)
		too_small(following, budget, message);
	following->told_least = true;
	return following->least;
}

bool cgroup_budget_look(struct cgroup_budget *following, const struct cgroup_part *part,
			uint64_t now_ns, char message[MESSAGE_BYTES])
{
	uint64_t before = following->seen, old = following->budget;

	message[0] = '\0';
	if (!following->cgroup || now_ns < following->next_ns)
		return false;
	feel_pressure(following, now_ns);
	if (look(following, part, message)) {
		following->seen = before;
		following->next_ns = now_ns + LOOK_NS;
		tell_lost(following, message);
		return false;
	}
	following->next_ns =
		now_ns + (following->tight || following->seen < before ? TIGHT_NS : LOOK_NS);
	following->budget =
		at_least(following, following->seen > before ? following->seen : before, message);
	return following->budget != old;
}
