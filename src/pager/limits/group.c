/* SPDX-License-Identifier: MIT */
#include "pager/limits/group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/message.h"
#include "base/page.h"
#include "pager/limits/marks.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

int group_check_name(const char *name, char *message)
{
	size_t length = strlen(name);

	if (length && length < GROUP_NAME && strspn(name, NAME_CHARACTERS) == length &&
	    !strchr(".-", name[0]))
		return 0;
	return explain(
		message, -EINVAL,
		"'%.40s' is no name for a group; take up to %d letters, digits, '.', '_' and '-', "
		"the first a letter, a digit or '_'",
		name, GROUP_NAME - 1);
}

int group_check_weight(uint64_t weight, char *message)
{
	if (weight && weight <= GROUP_WEIGHT_MOST)
		return 0;
	return explain(message, -EINVAL,
		       "the weight of a group is 1 to %u, and %u when none is given",
		       GROUP_WEIGHT_MOST, GROUP_WEIGHT);
}

int group_check_limit(uint64_t bytes, char *message)
{
	if (bytes >= GROUP_LEAST_BYTES)
		return 0;
	return explain(
		message, -EINVAL,
		"the limit of a group must be at least %u MiB: so much of a process never leaves",
		GROUP_LEAST_BYTES >> 20);
}

const char *group_path(const struct group *group, char path[GROUP_PATH])
{
	size_t at = GROUP_PATH - 1;

	path[at] = '\0';
	for (; group; group = group->parent) {
		size_t length = strlen(group->name);

		if (path[at])
			path[--at] = '/';
		at -= length;
		memcpy(path + at, group->name, length);
	}
	return memmove(path, path + at, GROUP_PATH - at);
}

static struct group *find_below(const struct groups *groups, const struct group *parent,
				const char *name, size_t length)
{
	for (unsigned int i = 0; i < groups->count; i++) {
		struct group *group = groups->items[i];

		if (group->parent == parent && strlen(group->name) == length &&
		    !memcmp(group->name, name, length))
			return group;
	}
	return NULL;
}

struct group *groups_find(const struct groups *groups, const char *path)
{
	struct group *group = NULL;
	size_t length;

	do {
		length = strcspn(path, "/");
		group = find_below(groups, group, path, length);
		path += length + 1;
	} while (group && path[-1]);
	return group;
}

void groups_free(struct groups *groups)
{
	for (unsigned int i = 0; i < groups->count; i++)
		free(groups->items[i]);
	groups->count = 0;
}

static uint64_t wanted_limit(const struct group_settings *settings)
{
	return settings->limit_bytes ? settings->limit_bytes : UINT64_MAX;
}

void group_change(struct group *group, const struct group_settings *settings)
{
	if (settings->has_limit)
		group->limit_bytes = wanted_limit(settings);
	if (settings->weight)
		group->weight = settings->weight;
	group->stuck_ns = 0;
	group->told = false;
	group_set_marks(group);
}

/* False if it was asked for something else than what `group` has. */
static bool agrees(const struct group *group, const struct group_settings *settings, uint16_t tiers)
{
	return (!settings->has_limit || wanted_limit(settings) == group->limit_bytes) &&
	       (!settings->weight || settings->weight == group->weight) &&
	       (!settings->tiers[0] || tiers == group->tiers);
}

/* As if it were new. */
static void settle(struct group *group, const struct group_settings *settings, uint16_t tiers)
{
	group->limit_bytes = UINT64_MAX;
	group->weight = GROUP_WEIGHT;
	group->tiers = tiers;
	group_change(group, settings);
}

static int add(struct groups *groups, struct group *parent, const struct group_settings *settings,
	       struct group **added, char *message)
{
	char path[GROUP_PATH];
	struct group *group;

	if (strlen(group_path(parent, path)) + 1 + strlen(settings->name) >= GROUP_PATH)
		return explain(message, -ENOSPC,
			       "the groups are nested too deep: their names may have %d characters "
			       "together",
			       GROUP_PATH - 1);
	group = groups->count < GROUPS ? calloc(1, sizeof(*group)) : NULL;
	if (!group)
		return explain(
			message, -ENOSPC,
			"the job cannot have more than %u groups; take the name of one that has "
			"ended (`vswap stat' shows them)",
			groups->count);
	snprintf(group->name, sizeof(group->name), "%s", settings->name);
	group->parent = parent;
	groups->items[groups->count] = group;
	/* From here on others see it. */
	groups->count++;
	*added = group;
	return 0;
}

int groups_enter(struct groups *groups, struct group *parent, const struct group_settings *settings,
		 uint16_t tiers, struct group **entered, char *message)
{
	int error = group_check_name(settings->name, message);
	struct group *group;

	if (!error && settings->has_limit && settings->limit_bytes)
		error = group_check_limit(settings->limit_bytes, message);
	if (error)
		return error;
	group = find_below(groups, parent, settings->name, strlen(settings->name));
	if (group && group->processes && !agrees(group, settings, tiers))
		return explain(
			message, -EBUSY,
			"there is a group '%s' with other settings; leave them out to enter it, "
			"or change it first: vswap limit --group",
			settings->name);
	if (!group) {
		error = add(groups, parent, settings, &group, message);
		if (error)
			return error;
	}
	if (!group->processes)
		settle(group, settings, tiers);
	*entered = group;
	return 0;
}

void group_set_marks(struct group *group)
{
	uint64_t limit = group->limit_bytes;
	int64_t brake, target;

	if (limit == UINT64_MAX) {
		group->brake_pages = group->target_pages = INT64_MAX;
		return;
	}
	brake = (int64_t)(limit >> PAGE_SHIFT);
	target = (int64_t)((limit - marks_head_bytes(limit)) >> PAGE_SHIFT);
	/* As in the budget: those that can lose pages keep half of the room. */
	if (brake < group->fixed_pages + brake / 2)
		brake = group->fixed_pages + brake / 2;
	if (target < group->fixed_pages + target / 2)
		target = group->fixed_pages + target / 2;
	group->target_pages = target;
	group->brake_pages = brake;
}

uint64_t group_tightest(const struct group *group)
{
	uint64_t limit = UINT64_MAX;

	for (; group; group = group->parent)
		if (group->limit_bytes < limit)
			limit = group->limit_bytes;
	return limit;
}

uint64_t group_until_near(const struct group *group)
{
	uint64_t least = UINT64_MAX;

	for (; group; group = group->parent) {
		uint64_t limit = group->limit_bytes, used, near;

		if (limit == UINT64_MAX)
			continue;
		near = limit - 2 * marks_head_bytes(limit) - limit / 16;
		used = group->resident_pages > 0 ? (uint64_t)group->resident_pages << PAGE_SHIFT
						 : 0;
		if (used >= near)
			return 0;
		if (near - used < least)
			least = near - used;
	}
	return least;
}

double group_share(const struct group *group)
{
	double share = 1;

	for (; group; group = group->parent)
		share *= (double)GROUP_WEIGHT / group->weight;
	return share;
}

bool group_turn(double *credit, double share, double highest)
{
	*credit += share / highest;
	if (*credit < 1)
		return false;
	*credit -= 1;
	return true;
}
