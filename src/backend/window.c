/* SPDX-License-Identifier: MIT */
#include "backend/window.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "backend/backend.h"

/* How far behind the end of an earlier read one still goes on (the pages between were dropped, or
 * came back another way), and how far before it: an object that a window cut off. */
#define GAP	16384u
#define OVERLAP 8192u

int windows_open(struct windows *windows)
{
	*windows = (struct windows){0};
	/* Takes memory only once something is read. */
	windows->memory = mmap(NULL, (size_t)WINDOW_COUNT * WINDOW_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (windows->memory == MAP_FAILED)
		return -ENOMEM;
	for (unsigned int i = 0; i < WINDOW_COUNT; i++)
		windows->windows[i].bytes = windows->memory + (size_t)i * WINDOW_BYTES;
	pthread_mutex_init(&windows->lock, NULL);
	return 0;
}

void windows_close(struct windows *windows)
{
	pthread_mutex_destroy(&windows->lock);
	munmap(windows->memory, (size_t)WINDOW_COUNT * WINDOW_BYTES);
}

bool windows_read(struct windows *windows, uint64_t offset, size_t length, void *bytes)
{
	bool found = false;

	pthread_mutex_lock(&windows->lock);
	for (unsigned int i = 0; i < WINDOW_COUNT && !found; i++) {
		struct window *window = &windows->windows[i];

		if (window->filling || offset < window->start || offset + length > window->end)
			continue;
		memcpy(bytes, window->bytes + (offset - window->start), length);
		window->used = ++windows->clock;
		found = true;
	}
	pthread_mutex_unlock(&windows->lock);
	return found;
}

/* Lock held. True if a recent read ended here or a little before; now this one has. */
static bool goes_on(struct windows *windows, uint64_t offset, size_t length)
{
	for (unsigned int i = 0; i < WINDOW_RECENT; i++) {
		uint64_t end = windows->recent[i];

		if (end && offset + OVERLAP >= end && offset <= end + GAP) {
			windows->recent[i] = offset + length;
			return true;
		}
	}
	windows->recent[windows->next_recent++ % WINDOW_RECENT] = offset + length;
	return false;
}

/* Lock held. The one that nobody used for longest. */
static struct window *oldest(struct windows *windows)
{
	struct window *chosen = NULL;

	for (unsigned int i = 0; i < WINDOW_COUNT; i++) {
		struct window *window = &windows->windows[i];

		if (!window->filling && (!chosen || window->used < chosen->used))
			chosen = window;
	}
	return chosen;
}

struct window *windows_begin(struct windows *windows, uint64_t offset, size_t length,
			     uint64_t extent_end)
{
	struct window *window = NULL;
	uint64_t start = offset / BACKEND_ALIGN * BACKEND_ALIGN;
	uint64_t end = start + WINDOW_BYTES < extent_end ? start + WINDOW_BYTES : extent_end;

	pthread_mutex_lock(&windows->lock);
	if (goes_on(windows, offset, length) && offset + length <= end)
		window = oldest(windows);
	if (window) {
		window->start = start;
		window->end = end;
		window->used = ++windows->clock;
		window->filling = true;
		window->forgotten = false;
	}
	pthread_mutex_unlock(&windows->lock);
	return window;
}

void windows_filled(struct windows *windows, struct window *window, bool good)
{
	pthread_mutex_lock(&windows->lock);
	if (!good || window->forgotten)
		window->end = window->start;
	else
		for (unsigned int i = 0; i < WINDOW_RECENT; i++)
			/* The next read outside it begins where it ends. */
			if (windows->recent[i] >= window->start && windows->recent[i] < window->end)
				windows->recent[i] = window->end;
	window->filling = false;
	pthread_mutex_unlock(&windows->lock);
}

void windows_forget(struct windows *windows, uint64_t start, uint64_t end)
{
	pthread_mutex_lock(&windows->lock);
	for (unsigned int i = 0; i < WINDOW_COUNT; i++) {
		struct window *window = &windows->windows[i];

		if (window->start >= end || window->end <= start)
			continue;
		if (window->filling)
			window->forgotten = true;
		else
			window->end = window->start;
	}
	pthread_mutex_unlock(&windows->lock);
}
