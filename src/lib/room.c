// SPDX-License-Identifier: MIT
#include "lib/room.h"

#include "lib/private.h"

#define POLL_MS 100

struct written {
	bool done;
	int result;
};

static void write_done(void *argument, int result)
{
	struct written *written = argument;

	written->done = true;
	written->result = result;
}

/* Writes a segment and waits for it. 0 or -errno. */
static int write_segment(struct backend *backend, uint64_t extent, const void *bytes)
{
	struct written written = {0};
	int error = backend->operations->write(backend, extent, bytes, write_done, &written);

	if (error)
		return error;
	while (!written.done)
		backend->operations->poll(backend, POLL_MS);
	return written.result;
}

/* Seals the segment if that is asked for, writes it there and waits. 0 or -errno. */
static int send_segment(struct vswap *vswap, struct backend *backend, uint64_t extent,
			uint32_t segment, const void *bytes)
{
	int error = backend->seals ? store_seal(vswap->store, segment, vswap->copy) : 0;

	return error ? error : write_segment(backend, extent, backend->seals ? vswap->copy : bytes);
}

/* Moves the oldest segment out of RAM. False: no backend takes it. */
static bool write_back(struct vswap *vswap)
{
	const void *bytes;
	uint32_t segment = store_oldest_for_writeback(vswap->store, STORE_ANY_TIER, &bytes);

	for (unsigned int i = 0; segment && i < vswap->backend_count; i++) {
		struct backend *backend = taking(vswap, i);
		uint64_t extent =
			backend ? backend->operations->allocate(backend) : BACKEND_NO_EXTENT;

		if (extent == BACKEND_NO_EXTENT)
			continue;
		if (!send_segment(vswap, backend, extent, segment, bytes)) {
			store_segment_written(vswap->store, segment, backend, extent, false);
			return true;
		}
		backend->operations->release(backend, extent);
	}
	if (segment)
		store_segment_unwritten(vswap->store, segment);
	return false;
}

static bool compact(struct vswap *vswap)
{
	for (unsigned int i = 0; i < vswap->backend_count; i++) {
		struct backend *backend = taking(vswap, i);

		if (backend && store_compact(vswap->store, vswap->cleaner, backend))
			return true;
	}
	return false;
}

bool room_make(struct vswap *vswap)
{
	return store_clean(vswap->store, vswap->cleaner, false) || write_back(vswap) ||
	       compact(vswap) || store_clean(vswap->store, vswap->cleaner, true);
}
