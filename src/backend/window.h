/* SPDX-License-Identifier: MIT */
/*
 * Readahead of a backend. Pages that left together lie together, and often come
 * back together: one after the other, each a small read of its own. When a
 * read goes on where a recent one ended, a whole window is read, and the next reads are
 * copies. Random reads stay as small as they are.
 *
 * An extent's bytes do not change between its write and its release, and nobody reads it
 * outside of that time; so a window ends with its extent, and is right until the
 * extent is written again.
 */
#ifndef BACKEND_WINDOW_H
#define BACKEND_WINDOW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_BYTES  (64u << 10)
#define WINDOW_COUNT  4u
#define WINDOW_RECENT 8u

struct window {
	uint64_t start, end; /* bytes of the backend; equal: empty */
	uint64_t used;	     /* when last */
	bool filling;	     /* a thread reads into it */
	bool forgotten;	     /* meanwhile its extent was written */
	char *bytes;
};

struct windows {
	pthread_mutex_t lock; /* all; held for copies, not while a device is read */
	uint64_t clock;
	struct window windows[WINDOW_COUNT];
	uint64_t recent[WINDOW_RECENT]; /* where the last reads ended */
	unsigned int next_recent;
	char *memory;
};

int windows_open(struct windows *windows);
void windows_close(struct windows *windows);
/* Copies the bytes if a window has them all. */
bool windows_read(struct windows *windows, uint64_t offset, size_t length, void *bytes);
/* A window to fill from `offset` (rounded down to BACKEND_ALIGN) on, if that looks like a good
 * idea; the caller reads [start, end) into its bytes and calls windows_filled. NULL: read only
 * what is asked for. */
struct window *windows_begin(struct windows *windows, uint64_t offset, size_t length,
			     uint64_t extent_end);
void windows_filled(struct windows *windows, struct window *window, bool good);
/* The bytes of [start, end) are about to change. */
void windows_forget(struct windows *windows, uint64_t start, uint64_t end);

#endif
