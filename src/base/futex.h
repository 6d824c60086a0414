/* SPDX-License-Identifier: MIT */
/* Futexes on words that may be shared with another process. */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"

/* Sleeps while the uint32_t at `word` is `seen`, at most `ns`. */
static inline void futex_wait(void *word, uint32_t seen, uint64_t ns)
{
	struct timespec timeout = timespec_of(ns);

	syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
}

static inline void futex_wake(void *word, int how_many)
{
	syscall(SYS_futex, word, FUTEX_WAKE, how_many, NULL, NULL, 0);
}

#endif
