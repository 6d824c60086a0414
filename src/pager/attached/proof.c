/* SPDX-License-Identifier: MIT */
#include "pager/attached/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>
#include "attach/maps.h"
#include "base/ask_process.h"
#include "base/clock.h"
#include "base/proc.h"
#include "pager/attached/holder.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/* All processes of the machine are looked at for this part of the time at most. */
#define SEARCH_SHARE 50
/*
 * How often a mark is set or taken away. At random: other servers, and other owners, may be at the
 * very same page of a relative at the same moment, and a relative that seems to follow by chance
 * would be asked for good what this one has dropped. While several follow it goes on.
 */
#define FLIPS	   8u
#define FLIPS_MOST 32u

struct suspect {
	pid_t process;
	int pagemap;
	bool was_marked; /* the page there, at first */
	bool follows;	 /* so far, all that was done here was seen there */
};

struct search {
	struct attached *attached;
	uint64_t page;
	pid_t after;			 /* processes up to this one were looked at */
	struct suspect items[RELATIVES]; /* that are tried at once */
	unsigned int count;
};

static bool is_suspect(const struct search *search, pid_t process)
{
	for (unsigned int i = 0; i < search->count; i++)
		if (search->items[i].process == process)
			return true;
	return false;
}

/* The page is missing there, as it is here. */
static bool may_be_it(const struct search *search, pid_t thread, struct suspect *suspect)
{
	int marked = maps_marked(suspect->pagemap, search->page, 1);

	suspect->was_marked = marked > 0;
	if (!search->attached->pager->evict.marks)
		return maps_any_registered(thread, search->page, search->page + PAGE_BYTES);
	return marked >= 0 && maps_empty(suspect->pagemap, search->page, 1) == 1;
}

static void add(struct search *search, pid_t thread)
{
	struct suspect suspect = {.process = thread > 0 ? holder_of(thread) : 0, .follows = true};

	if (suspect.process <= 0 || search->count == RELATIVES ||
	    is_suspect(search, suspect.process) ||
	    holder_is_proved(search->attached->pager, suspect.process, search->attached))
		return;
	suspect.pagemap = pagemap_open(thread);
	if (suspect.pagemap < 0)
		return;
	if (may_be_it(search, thread, &suspect))
		search->items[search->count++] = suspect;
	else
		close(suspect.pagemap);
}

/* Whoever has the same ancestor and has not called exec. */
static bool add_relative(void *argument, int pid)
{
	struct search *search = argument;

	if (pid <= search->after)
		return false;
	search->after = pid;
	if (holder_is(search->attached, pid))
		add(search, pid);
	return search->count == RELATIVES;
}

/* They are remembered: while events come one after another there may be no time to look for them
 * again. */
static bool add_relatives(struct search *search, int folder)
{
	struct attached_changes *changes = &search->attached->changes;
	bool more;

	lseek(folder, 0, SEEK_SET);
	more = proc_each_number(folder, add_relative, search);
	for (unsigned int i = 0; i < search->count; i++)
		changes->relatives[i] = search->items[i].process;
	changes->relative_count = search->count;
	return more;
}

/* Bit i: whether the mark is to be there after flip i. First it is not, then it is. */
static uint32_t proof_pattern(void)
{
	uint32_t random = 0;

	getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return (random & ~3u) | 2;
}

static int flip(struct search *search, bool on)
{
	int userfault = search->attached->task.userfault;
	int error = on ? userfault_mark(userfault, search->page, 1)
		       : userfault_unmark(userfault, search->page);

	for (unsigned int i = 0; i < search->count && !error; i++)
		search->items[i].follows &=
			maps_marked(search->items[i].pagemap, search->page, 1) == on;
	return error;
}

/* NULL: nobody. *others: there are more. */
static struct suspect *who_follows(struct search *search, bool *others)
{
	struct suspect *found = NULL;

	*others = false;
	for (unsigned int i = 0; i < search->count; i++) {
		if (!search->items[i].follows)
			continue;
		*others |= found != NULL;
		if (!found)
			found = &search->items[i];
	}
	return found;
}

/* Where it cannot be seen the word is believed. */
static bool was_marked(const struct search *search)
{
	bool seen = false;

	for (unsigned int i = 0; i < search->count; i++) {
		if (search->items[i].follows && search->items[i].was_marked)
			return true;
		seen |= search->items[i].follows;
	}
	return !seen;
}

/*
 * The mark of the page's word is taken away and put back, if it was there: it tells that the page
 * was not dropped. NULL with 0: it is none of them; -EAGAIN: not now, or not to the end. Word
 * locked. Those that share the memory follow to the end.
 */
static struct suspect *prove(struct search *search, desc_t *word, int *error)
{
	uint32_t pattern = proof_pattern();
	struct suspect *found = NULL;
	bool others = true;

	*error = flip(search, false);
	if (*error)
		return NULL;
	for (unsigned int i = 1; i < FLIPS || (others && i < FLIPS_MOST); i++) {
		*error = flip(search, pattern >> i & 1);
		found = *error ? NULL : who_follows(search, &others);
		if (!found)
			break;
	}
	if (userfault_unmark(search->attached->task.userfault, search->page))
		*error = -EAGAIN;
	if (desc_is_swapped(*word) && *word & DESC_MARKED && was_marked(search) &&
	    userfault_mark(search->attached->task.userfault, search->page, 1))
		*word &= ~DESC_MARKED;
	return *error ? NULL : found;
}

/* The slot of the page, locked, if its word means something. */
static bool lock_word(struct search *search, slot_t **slot, desc_t *word)
{
	struct attached *attached = search->attached;

	*slot = NULL;
	*word = DESC_ABSENT;
	if (!region_find(&attached->regions, search->page) ||
	    !memory_look(attached->memory, search->page))
		return true;
	if (!attached_own_slot(attached, search->page))
		return false;
	*slot = memory_look(attached->memory, search->page);
	*word = atomic_load(*slot);
	return desc_state(*word) != DESC_LEAVING && slot_trylock(*slot, *word);
}

static void take(struct attached *attached, struct suspect *found)
{
	pid_t pid = attached->task.pid;

	pagemap_keep(attached, found->pagemap);
	found->pagemap = -1;
	if (!pid || !ask_same_memory(pid, found->process))
		holder_set(attached, found->process);
}

/* 0: it is found; -ESRCH: it is none of them; -EAGAIN: not now. */
static int try(struct search *search)
{
	struct suspect *found;
	slot_t *slot;
	desc_t word;
	bool others;
	int error = 0;

	if (!search->count)
		return -ESRCH;
	if (!search->attached->pager->evict.marks) {
		found = who_follows(search, &others);
	} else {
		if (!lock_word(search, &slot, &word))
			return -EAGAIN;
		found = prove(search, &word, &error);
		if (slot)
			slot_unlock(slot, word);
	}
	if (!found)
		return error == -EAGAIN ? error : -ESRCH;
	take(search->attached, found);
	return 0;
}

static void close_all(struct search *search)
{
	for (unsigned int i = 0; i < search->count; i++)
		if (search->items[i].pagemap >= 0)
			close(search->items[i].pagemap);
	search->count = 0;
}

/* Those that are easily named. As try(). */
static int try_known(struct search *search, pid_t thread)
{
	struct attached *attached = search->attached;
	int error;

	add(search, attached->task.pid);
	add(search, thread);
	for (unsigned int i = 0; i < attached->changes.relative_count; i++)
		add(search, attached->changes.relatives[i]);
	error = try(search);
	close_all(search);
	return error;
}

/* All processes of the machine, not too often once it was none of them. The same. */
static int try_all(struct search *search)
{
	struct attached *attached = search->attached;
	uint64_t since = monotonic_ns();
	int folder, error;
	bool more;

	if (since < attached->changes.search_ns)
		return -ESRCH;
	folder = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -ESRCH;
	do {
		more = add_relatives(search, folder);
		error = try(search);
		close_all(search);
	} while (error == -ESRCH && more);
	close(folder);
	if (error == -ESRCH)
		attached->changes.search_ns =
			monotonic_ns() + (monotonic_ns() - since) * SEARCH_SHARE;
	return error;
}

static bool is_known(const struct attached *attached)
{
	return pagemap_of(attached) >= 0 && (attached->task.pid || attached->task.has_agent);
}

bool proof_find(struct attached *attached, pid_t thread, uint64_t address)
{
	struct search search;
	int error;

	assert_writing(&attached->lock);
	if (is_known(attached))
		return true;
	search.attached = attached;
	search.page = address;
	search.after = 0;
	search.count = 0;
	error = try_known(&search, thread);
	if (error == -ESRCH)
		return try_all(&search) != -EAGAIN;
	/* Who it may be is looked for all the same: one that starves others is stopped (starve.c).
	 */
	return !error || (!attached->changes.relative_count && !try_all(&search));
}

/* 0: none is. */
static uint64_t first_swapped(const struct attached *attached)
{
	uint64_t base;

	for (uint64_t at = 0; memory_next(attached->memory, at, &base) != SPACE_NO_CLUSTER;) {
		for (at = base; at < base + (1ull << CLUSTER_SHIFT); at += PAGE_BYTES) {
			const slot_t *slot = memory_look(attached->memory, at);

			if (slot && desc_is_swapped(atomic_load(slot)) &&
			    region_find(&attached->regions, at))
				return at;
		}
	}
	return 0;
}

bool proof_search(struct attached *attached)
{
	uint64_t page = is_known(attached) ? 0 : first_swapped(attached);

	return !page || proof_find(attached, 0, page);
}

pid_t proof_suspect(const struct attached *attached, unsigned int turn)
{
	unsigned int count = attached->changes.relative_count;
	pid_t pid = count ? attached->changes.relatives[turn % count] : 0;

	return pid && holder_is(attached, pid) ? pid : 0;
}

enum proof proof_at(const struct attached *attached, int pagemap, uint64_t page)
{
	const slot_t *slot = memory_look(attached->memory, page);
	int userfault = attached->task.userfault;
	uint32_t pattern = proof_pattern();
	bool follows = true;

	assert_writing(&attached->lock);
	if ((slot && desc_state(atomic_load(slot)) != DESC_ABSENT) ||
	    maps_empty(pagemap, page, 1) != 1)
		return PROOF_NONE;
	for (unsigned int i = 0; i < FLIPS && follows; i++) {
		bool on = pattern >> i & 1;

		if (on ? userfault_mark(userfault, page, 1) : userfault_unmark(userfault, page))
			return PROOF_NONE;
		follows = maps_marked(pagemap, page, 1) == on;
	}
	if (userfault_unmark(userfault, page))
		return PROOF_NONE;
	return follows ? PROOF_YES : PROOF_NO;
}
