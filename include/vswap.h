/* SPDX-License-Identifier: MIT */
/*
 * libvswap: a virtual swap space inside a program, at the level of slots.
 *
 * A slot keeps one page of 4096 bytes. The space decides where the bytes are:
 * nowhere (zeros, one repeated word), compressed in RAM, or in a file or block
 * device. Whoever put a page knows its slot and nothing else.
 *
 *     vswap_open ─► vswap_bind (512 slots) ─► vswap_put / get / duplicate / drop
 *
 * Threads: any function from any thread. Puts take turns; gets do not wait for
 * each other. A slot's own calls are ordered by the caller as for any memory: a get that
 * runs beside a put of the same slot returns the page before or after it, never a mixture.
 *
 * A child of fork must not use the space of its parent.
 *
 * Errors are -errno. A page that cannot be read back is an error for that slot
 * alone; wrong bytes are never returned (every page has a 64-bit checksum,
 * keyed with a secret of the space).
 *
 * Link with -lvswap (pkg-config: libvswap).
 */
#ifndef VSWAP_H
#define VSWAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VSWAP_PAGE_BYTES    4096u
#define VSWAP_CLUSTER_SLOTS 512u

struct vswap;
typedef uint64_t vswap_slot; /* never 0 */

struct vswap_options {
	uint64_t ram_bytes; /* most that stored pages take in RAM; at least 8 MiB */
	uint64_t slots;	    /* most slots; what is not used costs nothing */
	/* Where pages go when that RAM is full, best first:
	 * "file:PATH[,size=SIZE][,prio=N][,seal=no]", as for `vswap run --backend`: encrypted
	 * unless seal=no. */
	const char *const *backends;
	unsigned int backend_count;
};

/*
 * Opens a space. 0; -EINVAL for options that make no sense; -ENOMEM; or what
 * opening a backend said. `message` (may be NULL) then says what failed and what to do.
 */
int vswap_open(struct vswap **space, const struct vswap_options *options, char *message,
	       size_t message_bytes);
/* Forgets every page, and the key that they were encrypted with. No other call may run or follow.
 */
void vswap_close(struct vswap *space);

/* Binds a cluster of VSWAP_CLUSTER_SLOTS empty slots; *first is the first of them, the others
 * follow it. 0 or -ENOSPC. */
int vswap_bind(struct vswap *space, vswap_slot *first);
/* A second cluster with the same pages, as fork makes one: pages are stored once, and each cluster
 * may be changed without the other noticing. `from` and *first are first slots. 0, -ENOSPC or
 * -EINVAL. */
int vswap_fork(struct vswap *space, vswap_slot from, vswap_slot *first);
/* Drops the cluster's pages and gives its slots back. 0, or -EINVAL if it is no bound cluster. */
int vswap_unbind(struct vswap *space, vswap_slot first);

/* Stores 4096 bytes; what the slot held is dropped. 0; -ENOSPC: RAM and backends are full, the
 * slot still holds what it held; -EINVAL: no bound slot. */
int vswap_put(struct vswap *space, vswap_slot slot, const void *page);
/* Reads 4096 bytes; zeros from an empty slot. 0; -EIO or -EILSEQ: the device failed or returned
 * other bytes than were stored; -EINVAL. */
int vswap_get(struct vswap *space, vswap_slot slot, void *page);
/* `to` now holds the page of `from` too; what it held is dropped. No bytes are copied. 0,
 * -ENOSPC or -EINVAL. */
int vswap_duplicate(struct vswap *space, vswap_slot from, vswap_slot to);
/* Empties the slot. 0 or -EINVAL. */
int vswap_drop(struct vswap *space, vswap_slot slot);

struct vswap_statistics {
	uint64_t zero_slots, same_slots, stored_slots; /* slots that hold such a page */
	uint64_t stored_bytes;	 /* what the stored pages take, headers included */
	uint64_t ram_bytes;	 /* RAM that holds stored pages, free room included */
	uint64_t backend_bytes;	 /* taken on backends */
	uint64_t metadata_bytes; /* descriptors and tables, all of it */
};
void vswap_statistics(struct vswap *space, struct vswap_statistics *statistics);

#ifdef __cplusplus
}
#endif

#endif
