/* SPDX-License-Identifier: MIT */
/* A store with one memory and a backend in memory, and what its tests do with them. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "fake_backend.h"
#include "pattern.h"
#include "store/store.h"

#define RAM_SEGMENTS 16u
#define RANDOM	     3u /* pattern numbers that are 3 modulo 8 do not compress */
#define HEAP	     5u

struct fixture {
	struct store *store;
	struct space *space;
	struct store_writer *writer, *cleaner;
	struct memory *memory;
	struct fake_backend fake;
};

int setup(void **state);
/* Its backend seals. */
int setup_sealed(void **state);
int setup_in_place(void **state);
int teardown(void **state);

/* Stores pattern `number` in page `page`; _reserved: room was reserved before. */
void put_reserved(struct fixture *f, unsigned int page, uint64_t number);
void put(struct fixture *f, unsigned int page, uint64_t number);
void expect(struct fixture *f, unsigned int page, uint64_t number);
void clear(struct fixture *f, unsigned int page, unsigned int count);
desc_t word_of(struct fixture *f, unsigned int page);
/* Seals the writer's open segment; the cleaner's. */
void seal(struct fixture *f);
void seal_cleaned(struct fixture *f);
/* Page i holds pattern 4 + 8 * i, and the cleaner has packed them in runs. */
void put_runs(struct fixture *f, unsigned int pages);
/* Writes the oldest sealed segment to the backend, of those whose pages may go to these tiers; 0:
 * there is none. */
uint32_t write_oldest_for(struct fixture *f, uint16_t tiers, bool keep);
uint32_t write_oldest(struct fixture *f, bool keep);

#endif
