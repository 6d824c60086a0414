/* SPDX-License-Identifier: MIT */
/*
 * One batch, from resident to stored:
 *
 *     reserve room ─► rescan threads ─► pick (read lock) ─► register staging
 *        ─► agent MOVEs ─► unregister staging ─► look what moved ─► read it
 *        ─► put, page by page ─► (the next command empties the staging area)
 *
 * Room comes first: after the pages have left the program, nothing can fail that
 * is not the end of the process itself. Unregistering is the barrier: afterwards
 * no MOVE can happen, whatever the agent does, so what stands in staging is the
 * truth about what left.
 */
#include "pager/eviction/evict.h"

#include <errno.h>
#include <string.h>
#include "attach/maps.h"
#include "attach/remote.h"
#include "base/clock.h"
#include "pager/attached/kick.h"
#include "pager/attached/late_marks.h"
#include "pager/attached/mapping.h"
#include "pager/attached/page_marks.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/eviction/bury.h"
#include "pager/eviction/command.h"
#include "pager/eviction/commit.h"
#include "pager/eviction/family.h"
#include "pager/eviction/pick.h"
#include "pager/eviction/robust.h"
#include "pager/faults/fetch.h"
#include "pager/job/groups.h"

#define POLL_NS 1000000u
/* Of space_wait: some 100 ms. */
#define RETURN_TRIES 5000u
/* How often clusters get a life of their own for one batch, and how many at a time. */
#define SPLITS	      8u
#define PART_CLUSTERS 32u
/* A process whose agent was late rests for so long, twice as long each time, up to half a second;
 * after so many times in a row it is let go. */
#define LATE_NS	   1000000ull
#define LATE_SHIFT 9u
#define LATE_MOST  32u
/* Between two looks at all mappings. */
#define STRANGERS_NS 100000000ull

static int register_staging(struct attached *attached)
{
	const struct target *target = &attached->target;
	struct batch *batch = &attached->batch;
	int error = userfault_register(attached->task.userfault, target->staging[batch->staging],
				       STAGING_BYTES, false);

	batch->code = target->stages_code;
	if (!error && batch->code)
		error = userfault_register(attached->task.userfault,
					   target->code_staging[batch->staging], STAGING_BYTES,
					   false);
	if (error)
		batch_unregister(attached, batch->staging);
	return error;
}

/* The other areas are emptied with the next command. */
static void empty_next(struct attached *attached)
{
	const struct target *target = &attached->target;
	unsigned int other = !attached->batch.staging;

	target->channel->empty = target->staging[other];
	target->channel->code_empty = target->stages_code ? target->code_staging[other] : 0;
	target->channel->empty_pages = CHANNEL_BATCH;
}

void evict_rest(struct attached *attached, uint64_t ns)
{
	uint64_t until = monotonic_ns() + ns;

	if (until > attached->evict.rests_ns)
		attached->evict.rests_ns = until;
}

void evict_refuse(struct attached *attached, const char *why)
{
	attached->evict.refused = why;
	attached->evict.paused = true;
}

/* Fills the batch; under one hold of the lock, for reading, it goes from idle to moving. Looked at
 * under the lock: once the program was let go, nothing may leave. */
static void fill(struct attached *attached, unsigned int want, const struct page_list *only,
		 uint64_t *shared)
{
	*shared = 0;
	attached->batch.count = 0;
	if (attached->pager->budget.paused || attached->evict.paused)
		return;
	if (only)
		pick_listed(attached, only);
	else
		pick_pages(attached, want, shared);
	if (attached->batch.count) {
		lock_admit_agent(&attached->lock);
		atomic_store(&attached->batch.state, BATCH_MOVING);
	}
}

/* Clusters that a child shares get a life of their own, from there on. Lock held for writing. */
static void part(struct attached *attached, uint64_t at)
{
	for (unsigned int i = 0; i < PART_CLUSTERS && memory_next(attached->memory, at, &at);
	     i++, at += 1ull << CLUSTER_SHIFT)
		if (memory_must_bind(attached->memory, at))
			memory_bind(attached->memory, at);
}

/* Where only clusters that a child shares are left to pick from, they are parted. */
static void pick(struct attached *attached, unsigned int want, const struct page_list *only)
{
	unsigned int splits = attached->batch.parting ? SPLITS : 1;
	uint64_t shared;

	if (only) {
		lock_write(&attached->lock);
		pick_prepare(attached, only);
		lock_downgrade(&attached->lock);
	} else {
		lock_read(&attached->lock);
	}
	fill(attached, want, only, &shared);
	unlock_read(&attached->lock);
	while (shared && !attached->batch.count && splits--) {
		lock_write(&attached->lock);
		part(attached, shared);
		attached->evict.hand = shared;
		lock_downgrade(&attached->lock);
		fill(attached, want, NULL, &shared);
		unlock_read(&attached->lock);
	}
}

/* Has the agent move the pages; afterwards nothing more can move. False: it was not even asked. */
static bool move(struct attached *attached)
{
	struct target *target = &attached->target;
	struct channel *channel = target->channel;
	struct batch *batch = &attached->batch;
	int error;

	for (unsigned int i = 0; i < batch->count; i++)
		batch->result[i] = CHANNEL_NOT_TRIED;
	pthread_mutex_lock(&attached->evict.staging_lock);
	error = register_staging(attached);
	pthread_mutex_unlock(&attached->evict.staging_lock);
	if (error)
		return false;
	channel->staging = target->staging[batch->staging];
	channel->code_staging = batch->code ? target->code_staging[batch->staging] : 0;
	empty_next(attached);
	channel->part = batch->parting;
	channel->mark = attached->pager->evict.marks;
	for (unsigned int i = 0; i < batch->count; i++) {
		channel->from[i] = batch->address[i];
		channel->result[i] = CHANNEL_NOT_TRIED;
	}
	command_send(attached, CHANNEL_MOVE, batch->count);
	if (command_wait(attached)) {
		batch_unregister(attached, batch->staging);
	} else {
		batch->late |= !batch->cancel && !attached->task.dead;
		batch_expel(attached);
	}
	/* Once: the program may write there between two looks. */
	memcpy(batch->result, channel->result, batch->count * sizeof(batch->result[0]));
	return true;
}

/* Copies what moved out of the staging area, runs at a time. */
static int read_staging(struct attached *attached)
{
	struct iovec local[CHANNEL_BATCH], remote[CHANNEL_BATCH];
	struct batch *batch = &attached->batch;
	const uint64_t staging[] = {attached->target.staging[batch->staging],
				    attached->target.code_staging[batch->staging]};
	unsigned int runs = 0;
	ssize_t bytes = 0, got;

	for (unsigned int i = 0; i < batch->count; i++) {
		if (!batch->moved[i])
			continue;
		if (i && batch->moved[i - 1] && batch->is_code[i] == batch->is_code[i - 1]) {
			local[runs - 1].iov_len += PAGE_BYTES;
			remote[runs - 1].iov_len += PAGE_BYTES;
		} else {
			local[runs].iov_base = batch->bytes + ((size_t)i << PAGE_SHIFT);
			remote[runs].iov_base =
				(void *)(staging[batch->is_code[i]] + ((uint64_t)i << PAGE_SHIFT));
			local[runs].iov_len = remote[runs].iov_len = PAGE_BYTES;
			runs++;
		}
		bytes += PAGE_BYTES;
	}
	if (!runs)
		return 0;
	got = remote_readv(attached->target.agent_tid, local, remote, runs);
	/* The program can have its agent end: any other thread has the same memory. */
	for (size_t i = 0; got < 0 && errno == ESRCH && i < attached->evict.kept.thread_count; i++)
		got = remote_readv(attached->evict.kept.threads[i], local, remote, runs);
	if (got == bytes)
		return 0;
	return got < 0 ? -errno : -EIO;
}

/* Brings it in if it is swapped still; mappings may be changing, then it is to be tried again. */
static bool return_page(struct attached *attached, uint64_t address)
{
	unsigned int filled;
	slot_t *slot;
	bool swapped;

	if (!attached_lock_private(attached, address))
		return false;
	slot = memory_look(attached->memory, address);
	swapped = slot && region_find(&attached->regions, address) &&
		  desc_is_swapped(atomic_load(slot));
	if (swapped && fill_swapped(attached, attached->pager->evict.buffers, address, 1,
				    &filled) == FAULT_DEVICE)
		fetch_ask(attached, address, slot, atomic_load(slot), 0);
	unlock_read(&attached->lock);
	return swapped;
}

/* Pages of threads that came while the batch ran, and of locks they took, go back at once: the
 * kernel writes there when a thread exits, and does not wait for us then. True if there were any.
 */
static bool return_kept(struct attached *attached)
{
	struct batch *batch = &attached->batch;
	bool returned = false;

	for (unsigned int i = 0; i < batch->count; i++)
		if (batch->moved[i] && kept_pages_has(&attached->evict.kept, batch->address[i]))
			returned |= return_page(attached, batch->address[i]);
	return returned;
}

static bool says_moved(int result)
{
	return result >= 0 && !(result & (CHANNEL_NOT_TRIED | CHANNEL_STRANGER));
}

/*
 * Staging was empty before, so what stands in it has left, whatever the agent says: it may have
 * been revoked before it could say so. But mlockall fills staging with zeros: a page that is at its
 * place still has not left.
 */
static int doubt_moved(struct attached *attached)
{
	struct batch *batch = &attached->batch;
	int error = 0;

	for (unsigned int i = 0; i < batch->count && !error; i++) {
		bool stays = false;

		if (!batch->moved[i] || says_moved(batch->result[i]))
			continue;
		error = maps_present_pages(attached->target.pagemap, batch->address[i], 1, &stays);
		batch->moved[i] = !stays;
	}
	return error;
}

static int find_moved(struct attached *attached)
{
	const struct target *target = &attached->target;
	struct batch *batch = &attached->batch;
	int error = maps_present_pages(target->pagemap, target->staging[batch->staging],
				       batch->count, batch->moved);

	memset(batch->is_code, 0, sizeof(batch->is_code));
	if (!error && batch->code)
		error = maps_present_pages(target->pagemap, target->code_staging[batch->staging],
					   batch->count, batch->is_code);
	for (unsigned int i = 0; i < batch->count; i++)
		batch->moved[i] |= batch->is_code[i];
	if (!error)
		error = doubt_moved(attached);
	if (!error)
		page_marks_settle(attached);
	if (!error && page_marks_went_astray(attached))
		error = -ESTALE;
	return error ? error : read_staging(attached);
}

static enum evict_result prepare(struct attached *attached, unsigned int want)
{
	if (attached->task.dead)
		return EVICT_GONE;
	if (command_is_busy(attached))
		return EVICT_NOT_NOW;
	switch (attach_agent_refusal(&attached->target)) {
	case CHANNEL_DONE:
		break;
	case CHANNEL_SECCOMP:
		evict_refuse(attached, "has installed a seccomp filter");
		return EVICT_NOT_NOW;
	default:
		return EVICT_NOT_NOW;
	}
	store_writer_select(attached->pager->evict.writer, groups_tiers(attached->group));
	if (store_reserve(attached->pager->evict.writer, want))
		return EVICT_NO_ROOM;
	if (kept_pages_scan(attached->target.pid, &attached->evict.kept))
		return EVICT_GONE;
	return EVICT_DONE;
}

/* Shared pages leave the whole family, or stay. */
static void ask_family(struct attached *attached)
{
	unsigned int size = family_size(attached);

	attached->batch.parting = size > 0;
	attached->batch.relatives = size > 1 ? size - 1 : 0;
}

/* An agent that is late each time holds up others: the process is asked less and less often, and
 * then let go. Stopped, it is late once, and not asked before it has answered. */
static void judge_agent(struct attached *attached, enum evict_result result)
{
	if (!attached->batch.late) {
		if (result == EVICT_DONE)
			attached->evict.lates = 0;
		return;
	}
	evict_rest(attached, LATE_NS << (attached->evict.lates < LATE_SHIFT ? attached->evict.lates
									    : LATE_SHIFT));
	if (++attached->evict.lates == LATE_MOST)
		evict_refuse(attached, "does not let its agent work");
}

/* Its last thread may be about to end. */
static bool is_gone_soon(const struct attached *attached)
{
	bool gone;

	for (unsigned int tries = 0;
	     !(gone = userfault_is_gone(attached->task.userfault)) && tries < RETURN_TRIES;
	     space_wait(&tries))
		;
	return gone;
}

/* What has left cannot be given back as it was: the process must not go on, if it has not ended. */
static void end_process(struct attached *attached, int error)
{
	if (error == -ESTALE) {
		pager_say(
			attached->pager,
			"process %d: pages left memory that it was mapping anew, and nobody told: "
			"killed, so that it never reads wrong bytes",
			attached->task.pid);
		pager_kill(attached);
	} else if (!is_gone_soon(attached)) {
		pager_say(attached->pager,
			  "process %d: pages that left it cannot be read (%s): killed, so that it "
			  "never reads wrong bytes",
			  attached->task.pid, strerror(-error));
		pager_kill(attached);
	}
	attached->evict.lost = true;
	attached->task.dead = true;
}

static enum evict_result run_batch(struct attached *attached, unsigned int want,
				   const struct page_list *only)
{
	struct batch *batch = &attached->batch;
	pid_t last_id = robust_last_id(attached->pager->evict.loadavg);
	enum evict_result result = prepare(attached, want);
	uint64_t changes;
	bool sent;
	int error;

	if (result != EVICT_DONE)
		return result;
	batch->bytes = attached->pager->evict.batch_bytes;
	changes = attached->evict.kept.changes;
	ask_family(attached);
	fixed_begin(attached);
	pick(attached, want, only);
	if (!batch->count) {
		fixed_end(attached);
		return EVICT_NOTHING;
	}

	sent = move(attached);
	error = sent ? find_moved(attached) : 0;
	if (error) {
		end_process(attached, error);
		batch_set_state(batch, BATCH_IDLE);
		return EVICT_GONE;
	}
	batch_set_state(batch, BATCH_READ);
	servers_kick_deferred(attached->pager);
	result = commit_batch(attached) ? EVICT_DONE : EVICT_NOTHING;
	fixed_end(attached);
	if (sent)
		batch->staging = !batch->staging;
	batch_set_state(batch, BATCH_IDLE);
	servers_kick_deferred(attached->pager);
	/* An event is to say why, or nobody does: then all its mappings are looked at, which is
	 * slow. */
	if (page_marks_strangers(attached) && mapping_forget_strangers(attached))
		evict_rest(attached, STRANGERS_NS);

	/* Again: others may have come meanwhile, and what was tried may be swapped still. */
	for (unsigned int tries = 0; tries < RETURN_TRIES && !attached->task.dead;
	     space_wait(&tries))
		if (kept_pages_scan(attached->target.pid, &attached->evict.kept) ||
		    !return_kept(attached))
			break;
	bury_lost(attached, last_id, changes);
	return attached->target.channel->refusal ? EVICT_NOT_NOW : result;
}

enum evict_result evict_batch(struct attached *attached, unsigned int want,
			      const struct page_list *only)
{
	enum evict_result result;

	late_marks_put(attached);
	attached->batch.late = false;
	result = run_batch(attached, want, only);
	late_marks_put(attached);
	judge_agent(attached, result);
	return result;
}

void evict_give_up(struct attached *attached)
{
	struct batch *batch = &attached->batch;

	if (batch->state == BATCH_MOVING) {
		pager_say(attached->pager,
			  "process %d keeps pages that left it from being read: killed, so that it "
			  "never reads wrong bytes",
			  attached->task.pid);
		attached->evict.lost = true;
		pager_kill(attached);
	} else {
		evict_refuse(attached, "keeps its memory from being read");
	}
	batch_set_state(batch, BATCH_IDLE);
}

enum evict_result evict_fixed(struct attached *attached)
{
	enum evict_result result;

	attached->evict.fixed.only = true;
	result = evict_batch(attached, CHANNEL_BATCH, NULL);
	attached->evict.fixed.only = false;
	return result;
}

void evict_empty_staging(struct attached *attached)
{
	if (command_is_busy(attached) || attach_agent_refusal(&attached->target) != CHANNEL_DONE)
		return;
	empty_next(attached);
	command_send(attached, CHANNEL_EMPTY, 0);
}
