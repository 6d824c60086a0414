/* SPDX-License-Identifier: MIT */
#include "pager/eviction/robust.h"

#include <linux/futex.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/page.h"

/* glibc's bits in `kind`: PTHREAD_MUTEX_ROBUST_NORMAL_NP, PTHREAD_MUTEX_PRIO_INHERIT_NP. */
#define KIND_ROBUST   16u
#define KIND_INHERITS 32u
#define KIND_MOST     255u
/* Of the kernel: thread ids are smaller. */
#define TID_MOST (1u << 22)

struct mutex {
	uint32_t lock, count, owner, users, kind, spins;
	/* In the holder's list: addresses of those mutexes' `next`; the lowest bit is a flag. */
	uint64_t previous, next;
};

/* What a link leads to. */
union neighbour {
	struct mutex behind;
	struct {
		uint64_t skip;
		struct mutex before;
	};
	struct {
		uint8_t other[offsetof(struct mutex, next)];
		uint64_t first; /* struct robust_list_head */
		int64_t futex_offset;
	};
};

_Static_assert(sizeof(struct mutex) == ROBUST_BYTES, "a mutex may be the last of a mapping");
_Static_assert(sizeof(union neighbour) == ROBUST_BYTES + ROBUST_MORE_BYTES, "all of it is read");

static bool is_pointer(uint64_t value)
{
	return value > PAGE_BYTES && value < 1ull << 47 && !(value & 6);
}

static bool is_held(const struct mutex *mutex)
{
	return mutex->owner && mutex->owner < TID_MOST &&
	       (mutex->lock & FUTEX_TID_MASK) == mutex->owner &&
	       !(mutex->lock & FUTEX_OWNER_DIED) && mutex->users && mutex->kind <= KIND_MOST &&
	       mutex->kind & KIND_ROBUST && !(mutex->kind & KIND_INHERITS) &&
	       is_pointer(mutex->previous) && is_pointer(mutex->next);
}

static uint64_t place_of(uint64_t link)
{
	return (link & ~1ull) - offsetof(struct mutex, next);
}

unsigned int robust_find(const uint8_t *page, uint64_t address, struct robust_lock *locks,
			 unsigned int most)
{
	unsigned int found = 0;

	for (unsigned int at = 0; at + sizeof(struct mutex) <= PAGE_BYTES && found < most;
	     at += 8) {
		struct mutex mutex;

		memcpy(&mutex, page + at, sizeof(mutex));
		if (is_held(&mutex))
			locks[found++] = (struct robust_lock){
				.address = address + at,
				.word = mutex.lock,
				.neighbour = {place_of(mutex.previous), place_of(mutex.next)},
			};
	}
	return found;
}

bool robust_is_neighbour(const struct robust_lock *lock, const uint8_t *bytes)
{
	uint32_t holder = lock->word & FUTEX_TID_MASK;
	union neighbour neighbour;

	memcpy(&neighbour, bytes, sizeof(neighbour));
	return neighbour.futex_offset == -(int64_t)offsetof(struct mutex, next) ||
	       (is_held(&neighbour.behind) && neighbour.behind.owner == holder) ||
	       (is_held(&neighbour.before) && neighbour.before.owner == holder);
}

pid_t robust_last_id(int loadavg)
{
	char text[128], *last;
	ssize_t got = pread(loadavg, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return -1;
	text[got] = '\0';
	last = strrchr(text, ' ');
	return last ? (pid_t)atoi(last) : -1;
}
