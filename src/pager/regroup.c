/* SPDX-License-Identifier: MIT */
/* Groups as users change them: entering one, which may be new, and other limits. */
#include "pager/regroup.h"

#include <errno.h>
#include <string.h>
#include "pager/attached/kick.h"
#include "pager/attached/state.h"
#include "pager/job/groups.h"
#include "pager/job/tree.h"
#include "pager/pager.h"

/* The bit of one backend; 0: RAM, where all pages go first. */
static int find_tier(struct pager *pager, const char *name, size_t length, uint16_t *bit)
{
	*bit = 0;
	if (length == 3 && !memcmp(name, "ram", 3))
		return 0;
	for (unsigned int i = 0; i < pager->backends.count; i++) {
		const struct backend *backend = pager->backends.items[i];
		const char *known = backend ? backend->name : "";

		*bit = (uint16_t)(1u << i);
		if (strlen(known) == length && !memcmp(known, name, length))
			return 0;
	}
	return -ENOENT;
}

static int parse_tiers(struct pager *pager, const char *text, uint16_t *tiers,
		       char message[MESSAGE_BYTES])
{
	*tiers = 0;
	for (const char *at = text;; at++) {
		size_t length = strcspn(at, ",");
		uint16_t bit;

		if (find_tier(pager, at, length, &bit))
			return explain(
				message, -EINVAL,
				"the job has no tier '%.*s'; take ram, or the names of backends "
				"that `vswap stat %d' shows",
				(int)(length < 40 ? length : 40), at, pager->job.tree.root);
		*tiers |= bit;
		at += length;
		if (!*at)
			return 0;
	}
}

static int choose_tiers(struct pager *pager, const struct group *parent, const char *text,
			uint16_t *tiers, char message[MESSAGE_BYTES])
{
	int error = 0;

	*tiers = groups_tiers(parent);
	if (text[0])
		error = parse_tiers(pager, text, tiers, message);
	if (error)
		return error;
	if (*tiers & ~groups_tiers(parent))
		return explain(message, -EINVAL,
			       "the group above may not use all of the tiers '%.80s'; take fewer",
			       text);
	return 0;
}

int pager_group_enter(struct pager *pager, pid_t pid, const struct group_settings *settings,
		      char path[GROUP_PATH], char message[MESSAGE_BYTES])
{
	struct process *process = tree_find(pager, pid);
	struct group *group;
	uint16_t tiers;
	int error;

	if (!process) {
		pager->job.tree.scanned_ns = 0; /* it may be very new */
		tree_refresh(pager, true);
		groups_look(pager);
		process = tree_find(pager, pid);
	}
	if (!process)
		return explain(message, -ESRCH, "process %d is no part of the job of process %d",
			       pid, pager->job.tree.root);
	error = choose_tiers(pager, process->group, settings->tiers, &tiers, message);
	if (!error)
		error = groups_enter(&pager->job.groups, process->group, settings, tiers, &group,
				     message);
	if (error)
		return error;
	process->group = group;
	groups_look(pager);
	group_path(group, path);
	return 0;
}

int pager_group_change(struct pager *pager, const struct group_settings *settings,
		       char message[MESSAGE_BYTES])
{
	struct group *group = groups_find(&pager->job.groups, settings->name);

	if (!group)
		return explain(
			message, -ENOENT,
			"the job of process %d has no group '%s'; `vswap stat %d' shows those it "
			"has",
			pager->job.tree.root, settings->name, pager->job.tree.root);
	if (settings->has_limit && settings->limit_bytes &&
	    group_check_limit(settings->limit_bytes, message))
		return -EINVAL;
	group_change(group, settings);
	evictor_kick(pager);
	servers_kick_deferred(pager);
	return 0;
}
