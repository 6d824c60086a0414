// SPDX-License-Identifier: MIT
#include "space/check.h"

#include <stdio.h>
#include <stdlib.h>
#include "space/private.h"

static void require(bool holds, const char *what, uint64_t where)
{
	if (holds)
		return;
	fprintf(stderr, "vswap: space_check: %s (%#llx)\n", what, (unsigned long long)where);
	abort();
}

/* Free clusters are empty; directories name clusters that are in use, as often as they have
 * references, and each names one. */
static void check_clusters(struct space *space)
{
	uint32_t end = slab_end(&space->clusters), used = 0, directories = 0;
	uint32_t *names = calloc(end, sizeof(*names));

	require(names, "no memory for the check", 0);
	for (struct memory *memory = space->memories; memory; memory = memory->next) {
		uint64_t at = 0, last = UINT64_MAX;
		uint32_t cluster;

		for (; (cluster = memory_next(memory, at, &at)); at += 1ull << CLUSTER_SHIFT) {
			require(cluster < end, "a directory names no cluster", at);
			names[cluster]++;
			directories += at >> DIRECTORY_SHIFT != last;
			last = at >> DIRECTORY_SHIFT;
		}
	}
	for (uint32_t id = SLAB_FIRST; id < end; id++) {
		uint32_t references = cluster_references(space, id);

		require(names[id] <= references, "a cluster has more users than references", id);
		require(references || cluster_is_empty(space, id), "a free cluster has slots", id);
		used += references > 0;
	}
	require(used == slab_usage(&space->clusters).pieces, "count of clusters in use", used);
	require(directories == slab_usage(&space->directories).pieces, "count of directories",
		directories);
	free(names);
}

/* Every anchor has as many counts as slots that name it. */
static void check_anchors(struct space *space)
{
	uint32_t *names = calloc(space->anchors_made, sizeof(*names));
	uint32_t used = 0, id = 0;

	require(names, "no memory for the check", 0);
	while ((id = cluster_after(space, id))) {
		for (uint32_t i = 0; i < CLUSTER_SLOTS; i++) {
			desc_t word = cluster_slots(space, id)[i];

			require(!(word & DESC_LOCK), "a slot is locked", slot_id(id, i));
			if (desc_state(word) != DESC_SHARED)
				continue;
			require(desc_anchor(word) && desc_anchor(word) < space->anchors_made,
				"a slot names no anchor", slot_id(id, i));
			names[desc_anchor(word)]++;
		}
	}
	for (uint32_t anchor = 1; anchor < space->anchors_made; anchor++) {
		uint32_t count = anchor_count(space, anchor);

		require(count == names[anchor], "an anchor's count", anchor);
		require(!count || desc_state(space->anchors[anchor]) != DESC_ABSENT,
			"an anchor in use has no bytes", anchor);
		used += count > 0;
	}
	require(used == space->anchors_used, "count of anchors in use", used);
	free(names);
}

void space_check(struct space *space)
{
	pthread_mutex_lock(&space->lock);
	check_clusters(space);
	check_anchors(space);
	pthread_mutex_unlock(&space->lock);
}

void space_each_word(struct space *space, void (*found)(void *argument, desc_t word),
		     void *argument)
{
	uint32_t id = 0;

	while ((id = cluster_after(space, id)))
		for (uint32_t i = 0; i < CLUSTER_SLOTS; i++)
			found(argument, cluster_slots(space, id)[i]);
	for (uint32_t anchor = 1; anchor < space->anchors_made; anchor++)
		if (anchor_count(space, anchor))
			found(argument, *anchor_slot(space, anchor));
}
