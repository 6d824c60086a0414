/* SPDX-License-Identifier: MIT */
/* A space, as the library's files know it. Private to src/lib. */
#ifndef LIB_PRIVATE_H
#define LIB_PRIVATE_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/backend.h"
#include "store/store.h"
#include "vswap.h"

struct vswap {
	struct store *store;
	struct space *space;
	pthread_mutex_t lock;	    /* of the writers and of submitting to backends; taken first */
	pthread_mutex_t slots_lock; /* of changing slots and of binding clusters; no waiting in it
				     * but for gets */
	pthread_mutex_t backends_lock; /* of the table of backends, beside `lock`; taken last */
	uint64_t ram_bytes_most;
	struct store_writer *writer, *cleaner;
	/* In the order of their coming: of those that went NULL. Both locks are taken to change it.
	 */
	struct backend *backends[BACKEND_MOST];
	unsigned int backend_count;
	uint32_t leaving;    /* bit i: backend i takes nothing any more */
	unsigned char *copy; /* of a segment that is sealed and written; NULL: no backend seals */
};

/* Backend i, if it takes segments; else NULL. `lock` held. */
static inline struct backend *taking(const struct vswap *vswap, unsigned int i)
{
	return vswap->leaving >> i & 1 ? NULL : vswap->backends[i];
}

#endif
