/* SPDX-License-Identifier: MIT */
#include "pager/eviction/pick.h"

#include "pager/attached/attached.h"

/* Most slots to look at in one call, so that the lock is not held long. */
#define SCAN_SLOTS 32768u
/* A cluster that is passed over costs as much as so many slots. */
#define SKIP_SLOTS 4u

/* The page lives on: forgets a bit of what speaks for it. True if it had none left. */
static bool is_cold(slot_t *slot, desc_t word)
{
	if (word & DESC_REFERENCED) {
		slot_change(slot, word, word & ~DESC_REFERENCED);
		return false;
	}
	if (word & DESC_AGE_MASK) {
		slot_change(slot, word, word - (1ull << DESC_AGE_SHIFT));
		return false;
	}
	return true;
}

/* It cannot leave, and is not tried (again) in this batch. */
static bool is_fixed(const struct attached *attached, desc_t word, uint64_t address)
{
	if (word & DESC_FIXED)
		return !attached->evict.fixed.again;
	return !(word & (DESC_REFERENCED | DESC_AGE_MASK)) &&
	       kept_pages_has(&attached->evict.kept, address);
}

static void take(struct batch *batch, slot_t *slot, desc_t word, uint64_t address, uint64_t id)
{
	desc_t leaving = (word & ~DESC_STATE_MASK) | DESC_LEAVING;
	unsigned int i = batch->count;

	batch->address[i] = address;
	batch->slot[i] = slot;
	batch->leaving[i] = leaving;
	batch->id[i] = id;
	batch->moved[i] = batch->marked[i] = false;
	batch->twin[i] = 0;
	if (slot_change(slot, word, leaving))
		batch->count = i + 1;
}

/* Goes through one cluster from `index`; returns where it stopped. */
static unsigned int scan_cluster(struct attached *attached, uint32_t cluster, uint64_t base,
				 unsigned int index, unsigned int want)
{
	slot_t *slots = cluster_slots(attached->space, cluster);
	struct batch *batch = &attached->batch;

	for (; index < CLUSTER_SLOTS && batch->count < want; index++) {
		desc_t word = atomic_load_explicit(&slots[index], memory_order_relaxed);
		uint64_t address = base + ((uint64_t)index << PAGE_SHIFT);

		if (desc_state(word) != DESC_RESIDENT || word & DESC_LOCK)
			continue;
		if (is_fixed(attached, word, address)) {
			fixed_passed(&attached->evict.fixed);
			continue;
		}
		if (attached->evict.fixed.only ? !(word & DESC_FIXED)
					       : !is_cold(&slots[index], word))
			continue;
		take(batch, &slots[index], word, address, slot_id(cluster, index));
	}
	return index;
}

void pick_pages(struct attached *attached, unsigned int want, uint64_t *shared)
{
	unsigned int scanned = 0, wraps = 0;

	assert_reading(&attached->lock);
	*shared = 0;
	attached->batch.count = 0;
	while (attached->batch.count < want && scanned < SCAN_SLOTS && wraps < 2) {
		uint64_t base;
		uint32_t cluster = memory_next(attached->memory, attached->evict.hand, &base);
		unsigned int from, to;

		if (cluster == SPACE_NO_CLUSTER) {
			attached->evict.hand = 0;
			attached->evict.laps++;
			fixed_lap(&attached->evict.fixed);
			wraps++;
			continue;
		}
		if (cluster_references(attached->space, cluster) > 1) {
			if (!*shared)
				*shared = base;
			attached->evict.hand = base + (1ull << CLUSTER_SHIFT);
			scanned += SKIP_SLOTS;
			continue;
		}
		from = attached->evict.hand > base
			       ? (unsigned int)((attached->evict.hand - base) >> PAGE_SHIFT)
			       : 0;
		to = scan_cluster(attached, cluster, base, from, want);
		scanned += to - from + 1;
		attached->evict.hand = base + ((uint64_t)to << PAGE_SHIFT);
	}
}

static bool is_resident(const slot_t *slot)
{
	return slot && desc_state(atomic_load(slot)) == DESC_RESIDENT;
}

void pick_prepare(struct attached *attached, const struct page_list *list)
{
	assert_writing(&attached->lock);
	for (unsigned int i = 0; i < list->count; i++)
		if (is_resident(memory_look(attached->memory, list->address[i])) &&
		    memory_must_bind(attached->memory, list->address[i]))
			memory_bind(attached->memory, list->address[i]);
}

void pick_listed(struct attached *attached, const struct page_list *list)
{
	assert_reading(&attached->lock);
	for (unsigned int i = 0; i < list->count; i++) {
		uint64_t address = list->address[i];
		slot_t *slot = memory_look(attached->memory, address);
		desc_t word;

		if (!is_resident(slot) || kept_pages_has(&attached->evict.kept, address) ||
		    memory_must_bind(attached->memory, address))
			continue;
		word = atomic_load(slot);
		if (!(word & DESC_LOCK))
			take(&attached->batch, slot, word, address,
			     memory_slot_id(attached->memory, address));
	}
}
