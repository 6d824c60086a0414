/* SPDX-License-Identifier: MIT */
/*
 * libvswap: a virtual swap space inside a program, at the level of slots.
 *
 * A slot keeps one page of 4096 bytes. The space decides where the bytes are:
 * nowhere (zeros, one repeated word), compressed in RAM, or in a file or block
 * device. Whoever put a page knows its slot and nothing else.
 *
 *     vswap_open ─► vswap_bind (16 slots) ─► vswap_put / get / duplicate / drop
 *
 * Threads: any function from any thread. A get waits for no other call, but for one of the same
 * page; the calls that change something take turns. What runs beside a get of one slot, and what
 * the get then returns:
 *
 *   put, duplicate   the page before or after it, never a mixture
 *   drop             the page, or zeros
 *   fork             the page: a fork changes neither cluster
 *   unbind           the page, zeros, or -EINVAL; when another thread binds the cluster again at
 *                    that moment, a page of that one's. No other call for a slot of the cluster
 *                    may run or follow
 *
 * A child of fork(2) must not use the space of its parent.
 *
 * Errors are -errno. A page that cannot be read back is an error for that slot
 * alone; wrong bytes are never returned (every page has a 64-bit checksum,
 * keyed with a secret of the space).
 *
 * Structures begin with `size`: set it to sizeof. A newer library takes an older program's
 * structure as it is; an older library refuses options that it does not know.
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

#define VSWAP_VERSION_MAJOR 0
#define VSWAP_VERSION_MINOR 1
#define VSWAP_VERSION_PATCH 0
/* In one number that grows: of this header; vswap_version() says that of the library. */
#define VSWAP_VERSION (VSWAP_VERSION_MAJOR << 16 | VSWAP_VERSION_MINOR << 8 | VSWAP_VERSION_PATCH)

#define VSWAP_PAGE_BYTES      4096u
#define VSWAP_CLUSTER_SLOTS   16u
#define VSWAP_LEAST_RAM_BYTES (8u << 20)

struct vswap;
typedef uint64_t vswap_slot; /* never 0 */

unsigned int vswap_version(void);

struct vswap_options {
	size_t size;	    /* sizeof(struct vswap_options) */
	uint64_t ram_bytes; /* most that stored pages take in RAM; VSWAP_LEAST_RAM_BYTES or more */
	uint64_t slots;	    /* most slots; what is not used costs nothing */
	/* Where pages go when that RAM is full, best first:
	 * "file:PATH[,size=SIZE][,prio=N][,seal=no]", as for `vswap run --backend`: encrypted
	 * unless seal=no. */
	const char *const *backends;
	unsigned int backend_count;
	/* How far vswap_set_ram may go; costs address space only. 0: ram_bytes. */
	uint64_t ram_bytes_most;
};

/*
 * Opens a space. 0; -EINVAL for options that make no sense; -E2BIG for options of a newer vswap.h;
 * -ENOMEM; or what opening a backend said. `message` (may be NULL) then says what failed and what
 * to do.
 */
int vswap_open(struct vswap **space, const struct vswap_options *options, char *message,
	       size_t message_bytes);
/* Forgets every page, and the key that they were encrypted with. No other call may run or follow.
 */
void vswap_close(struct vswap *space);

/*
 * Changes how much RAM stored pages may take, from VSWAP_LEAST_RAM_BYTES to ram_bytes_most. To take
 * less, pages are packed and written to backends before it returns. 0; -EINVAL; -ENOSPC: the limit
 * is changed, but pages take more, and until enough of them are dropped puts fail.
 */
int vswap_set_ram(struct vswap *space, uint64_t bytes);

/*
 * One more backend, as in vswap_options; pages go to it when those before it are full. 0; -EINVAL;
 * -EEXIST: one has that name (name=NAME gives it another); -ENOSPC: the space has had 16; or what
 * opening it said. `message` as for vswap_open.
 */
int vswap_backend_add(struct vswap *space, const char *backend, char *message,
		      size_t message_bytes);
/*
 * Takes one away, by its name, after all that is on it has gone elsewhere; other calls go on
 * meanwhile. 0; -ENOENT; -EBUSY: another call removes it; -ENOSPC: there is no room elsewhere;
 * -EIO: not all of it can be read; -ETIMEDOUT: nothing moved for 10 s. But for 0 it goes on as
 * before, without what has moved. A page of which the device returns other bytes stays -EILSEQ.
 */
int vswap_backend_remove(struct vswap *space, const char *name, char *message,
			 size_t message_bytes);

/* Binds a cluster of VSWAP_CLUSTER_SLOTS empty slots; *first is the first of them, the others
 * follow it. 0 or -ENOSPC. */
int vswap_bind(struct vswap *space, vswap_slot *first);
/* A second cluster with the same pages, all of one moment, as fork makes one: pages are stored
 * once, and each cluster may be changed without the other noticing. `from` and *first are first
 * slots. 0, -ENOSPC or -EINVAL. */
int vswap_fork(struct vswap *space, vswap_slot from, vswap_slot *first);
/* Drops the cluster's pages and gives its slots back, after the gets of them that had begun. 0, or
 * -EINVAL if it is no bound cluster. */
int vswap_unbind(struct vswap *space, vswap_slot first);

/* Stores 4096 bytes; what the slot held is dropped. 0; -ENOSPC: RAM is full, and the backends are
 * too or failed; the slot still holds what it held, and a later call may succeed (a file system
 * that was full is tried again after 5 s); -EINVAL: no bound slot. */
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
	size_t size; /* sizeof(struct vswap_statistics), set by the caller */
	uint64_t zero_slots, same_slots, stored_slots; /* slots that hold such a page */
	uint64_t stored_bytes;	 /* what the stored pages take, headers included */
	uint64_t ram_bytes;	 /* RAM that holds stored pages, free room included */
	uint64_t backend_bytes;	 /* taken on backends */
	uint64_t metadata_bytes; /* descriptors and tables, all of it */
};
/* 0, or -EINVAL for a size that is too small. */
int vswap_statistics(struct vswap *space, struct vswap_statistics *statistics);

#ifdef __cplusplus
}
#endif

#endif
