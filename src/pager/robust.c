/* SPDX-License-Identifier: MIT */
#include "pager/robust.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096u
/* glibc's bits in `kind`: PTHREAD_MUTEX_ROBUST_NORMAL_NP, PTHREAD_MUTEX_PRIO_INHERIT_NP. */
#define KIND_ROBUST   16u
#define KIND_INHERITS 32u
#define KIND_MOST     255u

struct mutex {
	uint32_t lock, count, owner, users, kind, spins;
	uint64_t previous, next; /* in the holder's list; the lowest bit is a flag */
};

static bool is_pointer(uint64_t value)
{
	return value > PAGE && value < 1ull << 47 && !(value & 6);
}

static bool is_held(const struct mutex *mutex)
{
	return mutex->owner && (mutex->lock & FUTEX_TID_MASK) == mutex->owner &&
	       !(mutex->lock & FUTEX_OWNER_DIED) && mutex->users && mutex->kind <= KIND_MOST &&
	       mutex->kind & KIND_ROBUST && !(mutex->kind & KIND_INHERITS) &&
	       is_pointer(mutex->previous) && is_pointer(mutex->next);
}

unsigned int robust_find(const uint8_t *page, uint64_t address, struct robust_lock *locks,
			 unsigned int most)
{
	unsigned int found = 0;

	for (unsigned int at = 0; at + sizeof(struct mutex) <= PAGE && found < most; at += 8) {
		struct mutex mutex;

		memcpy(&mutex, page + at, sizeof(mutex));
		if (is_held(&mutex))
			locks[found++] = (struct robust_lock){address + at, mutex.lock};
	}
	return found;
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
