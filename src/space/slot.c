// SPDX-License-Identifier: MIT
/* One descriptor at a time: the lock is a bit of its word. */
#include "space/slot.h"

#include <assert.h>
#include <sched.h>
#include <time.h>
#include "space/space.h"

#define LOCK_SPINS  100u
#define LOCK_YIELDS 100u

/* The holder may wait for this very CPU, or for a device. */
void space_wait(unsigned int *rounds)
{
	const struct timespec nap = {.tv_nsec = 20000};

	if (++*rounds > LOCK_SPINS + LOCK_YIELDS) {
		nanosleep(&nap, NULL);
	} else if (*rounds > LOCK_SPINS) {
		sched_yield();
	} else {
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
}

desc_t slot_lock(slot_t *slot)
{
	unsigned int rounds = 0;
	desc_t word = atomic_load_explicit(slot, memory_order_relaxed);

	for (;;) {
		if (word & DESC_LOCK) {
			space_wait(&rounds);
			word = atomic_load_explicit(slot, memory_order_relaxed);
		} else if (atomic_compare_exchange_weak_explicit(slot, &word, word | DESC_LOCK,
								 memory_order_acquire,
								 memory_order_relaxed)) {
			return word;
		}
	}
}

bool slot_trylock(slot_t *slot, desc_t expected)
{
	return !(expected & DESC_LOCK) &&
	       atomic_compare_exchange_strong_explicit(slot, &expected, expected | DESC_LOCK,
						       memory_order_acquire, memory_order_relaxed);
}

void slot_unlock(slot_t *slot, desc_t word)
{
	assert(!(word & DESC_LOCK));
	assert(atomic_load_explicit(slot, memory_order_relaxed) & DESC_LOCK);
	atomic_store_explicit(slot, word, memory_order_release);
}

bool slot_change(slot_t *slot, desc_t expected, desc_t word)
{
	assert(!(expected & DESC_LOCK));
	return atomic_compare_exchange_strong_explicit(slot, &expected, word, memory_order_acq_rel,
						       memory_order_relaxed);
}
