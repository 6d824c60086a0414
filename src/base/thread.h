/* SPDX-License-Identifier: MIT */
/* A thread of ours that works for others. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts it with a stack of so many bytes, and no signal reaches it: those are for the caller's
 * thread. 0 or -errno. */
int thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *argument),
		 void *argument);

#endif
