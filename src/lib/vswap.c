// SPDX-License-Identifier: MIT
/*
 * The public API: a space with its store and backends in one box, without
 * threads of its own. Whoever puts a page when RAM is full makes the room.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "lib/backends.h"
#include "lib/private.h"
#include "lib/room.h"
#include "space/map.h"

#define ROOM_TRIES 64
#define MOST_SLOTS (1ull << 35)
/* For backends that come later: 1 TiB of stored bytes, address space only until then. */
#define SEGMENTS_LEAST (1u << 20)
/* What the first program that knew `size` had of each structure (x86-64): never changes. And the
 * most that one may have. */
#define OPTIONS_FIRST	 48u
#define STATISTICS_FIRST 64u
#define MOST_SIZE	 4096u

_Static_assert(VSWAP_VERSION == PROJECT_VERSION, "vswap.h and meson.build say the same version");

unsigned int vswap_version(void)
{
	return VSWAP_VERSION;
}

/* ---- opening ---- */

/* What the program's options say, in the form that this library knows. */
static int read_options(struct vswap_options *options, const struct vswap_options *given,
			char *message, size_t bytes)
{
	size_t size = given->size;

	if (size < OPTIONS_FIRST || size > MOST_SIZE)
		return lib_fail(message, bytes, -EINVAL,
				"size is %zu; set it to sizeof(struct vswap_options)", size);
	for (size_t i = sizeof(*options); i < size; i++)
		if (((const unsigned char *)given)[i])
			return lib_fail(
				message, bytes, -E2BIG,
				"an option is set that this libvswap (%d.%d.%d) does not know; "
				"leave it out, or install a newer one",
				VSWAP_VERSION_MAJOR, VSWAP_VERSION_MINOR, VSWAP_VERSION_PATCH);
	memset(options, 0, sizeof(*options));
	memcpy(options, given, size < sizeof(*options) ? size : sizeof(*options));
	if (!options->ram_bytes_most)
		options->ram_bytes_most = options->ram_bytes;
	if (options->ram_bytes < VSWAP_LEAST_RAM_BYTES)
		return lib_fail(message, bytes, -EINVAL, "ram_bytes is %llu; give at least %u",
				(unsigned long long)options->ram_bytes, VSWAP_LEAST_RAM_BYTES);
	if (options->ram_bytes_most < options->ram_bytes)
		return lib_fail(message, bytes, -EINVAL,
				"ram_bytes_most is %llu; give at least ram_bytes, or 0",
				(unsigned long long)options->ram_bytes_most);
	if (!options->slots || options->slots >= MOST_SLOTS)
		return lib_fail(message, bytes, -EINVAL, "slots is %llu; give 1 to 2^35 - 1",
				(unsigned long long)options->slots);
	return 0;
}

static int open_backends(struct vswap *vswap, const struct vswap_options *options, char *message,
			 size_t bytes, uint64_t *capacity)
{
	int error = options->backend_count > BACKEND_MOST
			    ? lib_fail(message, bytes, -EINVAL,
				       "backend_count is %u; a space may have %u in its life",
				       options->backend_count, BACKEND_MOST)
			    : 0;

	for (unsigned int i = 0; i < options->backend_count && !error; i++) {
		error = backends_open(vswap, options->backends[i], message, bytes);
		if (!error)
			*capacity += backends_statistics(vswap->backends[i]).capacity_bytes;
	}
	return error;
}

static int open_store(struct vswap *vswap, const struct vswap_options *options, uint64_t capacity)
{
	struct store_config config = {
		.ram_bytes = options->ram_bytes,
		.ram_bytes_highest = options->ram_bytes_most,
		.segments = (uint32_t)((options->ram_bytes_most + capacity) / SEGMENT_BYTES + 16),
		.in_place = !vswap->backend_count,
	};
	uint64_t clusters = (options->slots + VSWAP_CLUSTER_SLOTS - 1) / VSWAP_CLUSTER_SLOTS;
	int error;

	if (config.segments < SEGMENTS_LEAST)
		config.segments = SEGMENTS_LEAST;
	for (unsigned int i = 0; i < vswap->backend_count; i++)
		config.seals |= vswap->backends[i]->seals;
	error = store_open(&vswap->store, &config, (uint32_t)clusters);
	if (error)
		return error;
	vswap->space = store_space(vswap->store);
	error = store_writer_open(vswap->store, &vswap->writer);
	return error ? error : store_writer_open(vswap->store, &vswap->cleaner);
}

static int open_parts(struct vswap *vswap, const struct vswap_options *options, char *message,
		      size_t bytes)
{
	uint64_t capacity = 0;
	int error = open_backends(vswap, options, message, bytes, &capacity);

	if (error)
		return error;
	error = open_store(vswap, options, capacity);
	if (error)
		lib_fail(message, bytes, error,
			 error == -ENOMEM ? "no address space for %llu slots; give fewer, or "
					    "raise ulimit -v"
					  : "no randomness, or libcrypto has no AES-256-GCM: "
					    "seal=no for each backend does without it",
			 (unsigned long long)options->slots);
	return error;
}

int vswap_open(struct vswap **out, const struct vswap_options *given, char *message, size_t bytes)
{
	struct vswap_options options;
	struct vswap *vswap;
	int error = read_options(&options, given, message, bytes);

	if (error)
		return error;
	vswap = calloc(1, sizeof(*vswap));
	if (!vswap)
		return lib_fail(message, bytes, -ENOMEM, "no memory for a space");
	vswap->ram_bytes_most = options.ram_bytes_most;
	pthread_mutex_init(&vswap->lock, NULL);
	pthread_mutex_init(&vswap->slots_lock, NULL);
	pthread_mutex_init(&vswap->backends_lock, NULL);
	error = open_parts(vswap, &options, message, bytes);
	if (error) {
		vswap_close(vswap);
		return error;
	}
	*out = vswap;
	return 0;
}

void vswap_close(struct vswap *vswap)
{
	if (!vswap)
		return;
	if (vswap->writer)
		store_writer_close(vswap->writer);
	if (vswap->cleaner)
		store_writer_close(vswap->cleaner);
	store_close(vswap->store);
	for (unsigned int i = 0; i < vswap->backend_count; i++)
		if (vswap->backends[i])
			backend_close(vswap->backends[i]);
	map_remove(vswap->copy, SEGMENT_BYTES);
	pthread_mutex_destroy(&vswap->lock);
	pthread_mutex_destroy(&vswap->slots_lock);
	pthread_mutex_destroy(&vswap->backends_lock);
	free(vswap);
}

/* ---- clusters and slots ---- */

/* The descriptor of a bound slot, or NULL. */
static slot_t *find(struct vswap *vswap, vswap_slot slot)
{
	return space_is_bound(vswap->space, slot) ? space_slot(vswap->space, slot) : NULL;
}

int vswap_bind(struct vswap *vswap, vswap_slot *first)
{
	uint32_t cluster = cluster_new(vswap->space);

	if (cluster == SPACE_NO_CLUSTER)
		return -ENOSPC;
	*first = slot_id(cluster, 0);
	return 0;
}

/* slots_lock held. */
static int fork_cluster(struct vswap *vswap, vswap_slot from, vswap_slot *first)
{
	uint32_t cluster = (uint32_t)(from / VSWAP_CLUSTER_SLOTS), copy;

	if (!find(vswap, from) || from % VSWAP_CLUSTER_SLOTS)
		return -EINVAL;
	cluster_share(vswap->space, cluster);
	copy = cluster_split(vswap->space, cluster);
	if (copy == SPACE_NO_CLUSTER) {
		cluster_put(vswap->space, cluster);
		return -ENOSPC;
	}
	*first = slot_id(copy, 0);
	return 0;
}

int vswap_fork(struct vswap *vswap, vswap_slot from, vswap_slot *first)
{
	int error;

	pthread_mutex_lock(&vswap->slots_lock);
	error = fork_cluster(vswap, from, first);
	pthread_mutex_unlock(&vswap->slots_lock);
	return error;
}

int vswap_unbind(struct vswap *vswap, vswap_slot first)
{
	int error = -EINVAL;

	pthread_mutex_lock(&vswap->slots_lock);
	if (find(vswap, first) && first % VSWAP_CLUSTER_SLOTS == 0) {
		cluster_put(vswap->space, (uint32_t)(first / VSWAP_CLUSTER_SLOTS));
		error = 0;
	}
	pthread_mutex_unlock(&vswap->slots_lock);
	return error;
}

int vswap_get(struct vswap *vswap, vswap_slot id, void *page)
{
	slot_t *slot = find(vswap, id);
	desc_t word;
	int error;

	if (!slot)
		return -EINVAL;
	/* The cluster may have been unbound since: cluster_lock_page says why that is no harm. */
	word = slot_lock(slot);
	error = store_get(vswap->store, word, page);
	slot_unlock(slot, word);
	return error;
}

int vswap_duplicate(struct vswap *vswap, vswap_slot from, vswap_slot to)
{
	slot_t *source, *target;
	int error = -EINVAL;

	pthread_mutex_lock(&vswap->slots_lock);
	source = find(vswap, from);
	target = find(vswap, to);
	if (source && target)
		error = slot_duplicate(vswap->space, source, target) ? -ENOSPC : 0;
	pthread_mutex_unlock(&vswap->slots_lock);
	return error;
}

/* The slot now holds what the word names; if it is not bound, nobody does. 0 or -EINVAL. */
static int replace(struct vswap *vswap, vswap_slot id, desc_t word)
{
	slot_t *slot;
	desc_t old = word;

	pthread_mutex_lock(&vswap->slots_lock);
	slot = find(vswap, id);
	if (slot) {
		old = slot_lock(slot);
		slot_unlock(slot, word);
	}
	pthread_mutex_unlock(&vswap->slots_lock);
	space_drop(vswap->space, old);
	return slot ? 0 : -EINVAL;
}

int vswap_drop(struct vswap *vswap, vswap_slot id)
{
	return replace(vswap, id, DESC_ABSENT);
}

/* ---- pages ---- */

static int make_room(struct vswap *vswap)
{
	int error = store_reserve(vswap->writer, 1);

	for (int i = 0; error && i < ROOM_TRIES; i++) {
		if (!room_make(vswap))
			return error;
		error = store_reserve(vswap->writer, 1);
	}
	return error;
}

int vswap_put(struct vswap *vswap, vswap_slot id, const void *page)
{
	int error;

	if (!find(vswap, id))
		return -EINVAL;
	pthread_mutex_lock(&vswap->lock);
	error = make_room(vswap);
	if (!error) {
		error = replace(vswap, id, store_put(vswap->writer, id, page));
		store_published(vswap->writer);
	}
	pthread_mutex_unlock(&vswap->lock);
	return error;
}

/* ---- limits and figures ---- */

int vswap_set_ram(struct vswap *vswap, uint64_t bytes)
{
	uint64_t tries;
	int error;

	if (bytes < VSWAP_LEAST_RAM_BYTES || bytes > vswap->ram_bytes_most)
		return -EINVAL;
	pthread_mutex_lock(&vswap->lock);
	store_set_ram(vswap->store, bytes);
	/* A step may free less than a segment. */
	tries = store_ram_bytes(vswap->store) / SEGMENT_BYTES * 4;
	while (store_ram_bytes(vswap->store) > bytes && tries-- && room_make(vswap))
		;
	error = store_ram_bytes(vswap->store) > bytes ? -ENOSPC : 0;
	pthread_mutex_unlock(&vswap->lock);
	return error;
}

int vswap_statistics(struct vswap *vswap, struct vswap_statistics *to)
{
	struct vswap_statistics now;
	struct store_statistics store;
	size_t size = to->size;

	if (size < STATISTICS_FIRST || size > MOST_SIZE)
		return -EINVAL;
	store_statistics(vswap->store, &store);
	now = (struct vswap_statistics){
		.size = size,
		.zero_slots = store.zero,
		.same_slots = store.same,
		.stored_slots = store.stored,
		.stored_bytes = store.live_bytes,
		.ram_bytes = store.ram_bytes,
		.metadata_bytes = store.metadata_bytes,
	};
	now.backend_bytes = backends_used_bytes(vswap);
	memset(to, 0, size);
	memcpy(to, &now, size < sizeof(now) ? size : sizeof(now));
	return 0;
}
