/* SPDX-License-Identifier: MIT */
/*
 * Memory of this process under a userfaultfd, an address space over it, and a thread that touches a
 * page of it and sleeps in its fault until it is served. A fixture of tests/unit/store_fixture.h
 * has the bytes.
 */
#ifndef TESTS_FAULT_FIXTURE_H
#define TESTS_FAULT_FIXTURE_H

#include "pager/attached/state.h"
#include "pager/faults/fault.h"
#include "store_fixture.h"

#define PAGES	32u
#define GROWN	(PAGES - 2) /* the last two are registered, and in no region */
#define CAME_IN (DESC_RESIDENT | DESC_REFERENCED)

/* The thread: which page, and what came of it. */
struct toucher {
	pthread_t thread;
	bool runs, write;
	unsigned int page;
	int signal;
	unsigned char bytes[PAGE_BYTES];
};

extern struct toucher toucher;
extern struct pager *pager;
extern struct attached *attached;
extern struct fill_buffers *buffers;

int begin(void **state);
int end(void **state);
/* Skips the test where there is no such userfaultfd. */
struct fixture *fixture_of(void **state);

uint64_t address_of(unsigned int page);
void *at(unsigned int page);
slot_t *slot_of(unsigned int page);
/* What is there, and the word. */
void check(unsigned int page, bool there, desc_t word);
/* Its word is the stored one's then. */
desc_t store_page(struct fixture *f, unsigned int page, uint64_t number);
/* A page comes that nobody is told of. */
void put_page(unsigned int page, uint64_t number);
/* The next fault at the page is to bring so many. */
void expect_run(unsigned int page, uint32_t pages);

int next_event(void);
struct fault fault_at(unsigned int page, bool write);
/* The thread's next fault: it sleeps in it. */
struct fault next_fault(void);
struct fault touch(unsigned int page, bool write);
/* The same for a page that raises no fault of ours. */
void start(unsigned int page);
/* Waits for its end: somebody has woken it. The signal that it got, or 0. */
int join(void);
/* Got none, and has read that pattern. */
void check_read(uint64_t number);

/* As messages.c:serve. Who waits for what was installed sleeps on. */
enum fault_result serve(struct fault fault);
enum fault_result serve_growth(unsigned int page);
/* The fault brings so many pages, and its thread reads that pattern. */
void check_served(struct fault fault, unsigned int pages, uint64_t number);

/* Begins to fetch the page; until the next one. Then its bytes, or their loss, reach it. */
void fetch(unsigned int page);
enum fault_result fetched(void);
enum fault_result lost(bool for_good);

#endif
