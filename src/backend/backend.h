/* SPDX-License-Identifier: MIT */
/*
 * A backend: a place for 1 MiB segments outside RAM. One table of operations is
 * its whole contract; a new kind is one new file and one row in backend.c.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/spec.h"
#include "base/message.h"

#define BACKEND_EXTENT_BYTES (1u << 20)
#define BACKEND_NO_EXTENT    UINT64_MAX
#define BACKEND_ALIGN	     4096u
/* Most that one space has, those that were removed counted: a set of them has a bit for each. */
#define BACKEND_MOST 16u

struct backend;

enum backend_health { BACKEND_OK, BACKEND_FAILING, BACKEND_DEAD };

struct backend_statistics {
	uint64_t capacity_bytes, used_bytes;
	uint64_t read_bytes, written_bytes, errors;
};

/* Called once for every submitted request, from backend_poll. result: 0 or -errno. */
typedef void (*backend_done_fn)(void *argument, int result);

struct backend_operations {
	const char *kind;
	/* Opens; on failure says why and what to do in `message`; nothing is left behind. On
	 * success `message` is empty, or a note that the user should see. */
	int (*open)(const struct backend_spec *spec, struct backend **backend, char *message);
	/* No request is in flight. Frees extents and memory; removes nothing of the user's. */
	void (*close)(struct backend *backend);
	/* An extent of BACKEND_EXTENT_BYTES: its byte offset, a multiple of that, or
	 * BACKEND_NO_EXTENT when full. Any thread. Never allocates memory. */
	uint64_t (*allocate)(struct backend *backend);
	/* Gives it back, with a discard where the kind can. Any thread. */
	void (*release)(struct backend *backend, uint64_t extent);
	/* Writes a whole extent; asynchronous; `bytes` is aligned to BACKEND_ALIGN and stays
	 * until done is called. -EAGAIN: too many in flight, poll first. One submitting thread.
	 * done with -ENOSPC: no room after all, the backend itself is well. */
	int (*write)(struct backend *backend, uint64_t extent, const void *bytes,
		     backend_done_fn done, void *argument);
	/* Waits up to timeout_ms for completions (0: only looks), calls their done. The
	 * submitting thread. Returns how many, or -errno. */
	int (*poll)(struct backend *backend, int timeout_ms);
	/* Reads `length` bytes at byte `offset`, synchronously; any alignment, any thread, several
	 * at once. 0 or -errno; a short read is -EIO. May take 80 KiB of stack. */
	int (*read)(struct backend *backend, uint64_t offset, size_t length, void *bytes);
	/* May be NULL. Copies the bytes if they are in a buffer of the backend's: true. Never waits
	 * for the device. */
	bool (*at_hand)(struct backend *backend, uint64_t offset, size_t length, void *bytes);
	/* May be NULL. Such buffers of this range are given up: the next read asks the device. */
	void (*distrust)(struct backend *backend, uint64_t offset, size_t length);
	enum backend_health (*health)(struct backend *backend);
	void (*statistics)(struct backend *backend, struct backend_statistics *statistics);
};

/* The common head of every kind's structure. */
struct backend {
	const struct backend_operations *operations;
	char name[64];
	int priority;
	bool seals; /* who writes to it must seal first (store.h) */
};

/* Opens the kind that spec names. 0 (message: empty or a note) or -errno with a message.
 * `ram` is not opened: the store itself is that tier. */
int backend_open(const struct backend_spec *spec, struct backend **backend, char *message);
void backend_close(struct backend *backend);

#endif
