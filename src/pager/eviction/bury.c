/* SPDX-License-Identifier: MIT */
#include "pager/eviction/bury.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/remote.h"
#include "attach/threads.h"
#include "base/page.h"
#include "pager/attached/state.h"
#include "pager/eviction/command.h"
#include "pager/eviction/robust.h"
#include "space/space.h"

/* Lost mutexes that are seen to after one batch. */
#define LOCKS (CHANNEL_WORDS / 2)
/* Of space_wait: some 20 ms. */
#define HOLDER_TRIES 1000u

/* It has yet to walk its list: what it held at the last scan is present again, and will be marked.
 */
static bool will_walk(const struct attached *attached, pid_t holder, uint64_t lock)
{
	uint64_t head = 0;
	size_t length;

	return kept_pages_has(&attached->evict.kept, lock) &&
	       !syscall(SYS_get_robust_list, holder, &head, &length) && head;
}

static bool read_there(const struct attached *attached, uint64_t address, void *bytes, size_t size)
{
	struct iovec local = {bytes, size}, remote = {(void *)address, size};

	return remote_readv(attached->target.agent_tid, &local, &remote, 1) == (ssize_t)size;
}

static bool has_neighbour(const struct attached *attached, const struct robust_lock *lock,
			  uint64_t place)
{
	uint8_t bytes[ROBUST_BYTES + ROBUST_MORE_BYTES] = {0};

	if (!read_there(attached, place, bytes, ROBUST_BYTES))
		return false;
	read_there(attached, place + ROBUST_BYTES, bytes + ROBUST_BYTES, ROBUST_MORE_BYTES);
	return robust_is_neighbour(lock, bytes);
}

/* It is a mutex, not what looks like one. */
static bool is_listed(const struct attached *attached, const struct robust_lock *lock)
{
	return has_neighbour(attached, lock, lock->neighbour[0]) &&
	       has_neighbour(attached, lock, lock->neighbour[1]);
}

/* True if the thread that held it has ended, and the kernel has not marked it. A thread that is
 * past the kernel's walk is gone in a moment. */
static bool is_lost(const struct attached *attached, struct robust_lock *lock)
{
	pid_t process = attached->target.pid, holder = (pid_t)(lock->word & FUTEX_TID_MASK);
	bool alive = true;

	for (unsigned int tries = 0; alive && tries < HOLDER_TRIES; space_wait(&tries)) {
		if (will_walk(attached, holder, lock->address))
			return false;
		alive = !syscall(SYS_tgkill, process, holder, 0);
	}
	return !alive && read_there(attached, lock->address, &lock->word, sizeof(lock->word)) &&
	       (pid_t)(lock->word & FUTEX_TID_MASK) == holder;
}

/* Of the mutexes that threads held when their pages left. */
static unsigned int find_lost(struct attached *attached, struct robust_lock *lost)
{
	struct batch *batch = &attached->batch;
	unsigned int found = 0, left = 0;

	for (unsigned int i = 0; i < batch->count && found < LOCKS; i++)
		if (batch->moved[i])
			found += robust_find(batch->bytes + ((size_t)i << PAGE_SHIFT),
					     batch->address[i], lost + found, LOCKS - found);
	for (unsigned int i = 0; i < found; i++)
		if (is_listed(attached, &lost[i]) && is_lost(attached, &lost[i]))
			lost[left++] = lost[i];
	return left;
}

void bury_lost(struct attached *attached, pid_t last_id, uint64_t changes)
{
	struct channel *channel = attached->target.channel;
	struct robust_lock lost[LOCKS];
	unsigned int count;

	if (!attached->target.shares_pids)
		return;
	if (attached->evict.kept.thread_count <= 2 && attached->evict.kept.changes == changes &&
	    last_id >= 0 && robust_last_id(attached->pager->evict.loadavg) == last_id)
		return;
	count = find_lost(attached, lost);
	if (!count || !command_wait(attached))
		return;
	/* One who comes to wait for it changes the word, once. */
	for (unsigned int i = 0; i < count; i++) {
		channel->from[2 * i] = channel->from[2 * i + 1] = lost[i].address;
		channel->word[2 * i] = lost[i].word & ~FUTEX_WAITERS;
		channel->word[2 * i + 1] = lost[i].word | FUTEX_WAITERS;
	}
	command_send(attached, CHANNEL_BURY, 2 * count);
	command_wait(attached);
}
