/* SPDX-License-Identifier: MIT */
/*
 * Description: what the program and the owner have stays together below the limit.
 *
 * budget.c alone, between sizes that the test makes up (a file with the fields of statm) and
 * a store and a tier that only note what they are told.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "pager/job/budget.h"
#include "pager/attached/state.h"

#define MIB	(1ull << 20)
#define SEGMENT MIB

static struct pager *pager;
static uint64_t segments, live; /* bytes that the store says it has */
static uint64_t told_ram, told_share;

uint64_t store_ram_bytes(const struct store *store)
{
	return segments;
}

uint64_t store_live_bytes(struct store *store)
{
	return live;
}

void store_set_ram(struct store *store, uint64_t bytes)
{
	told_ram = bytes;
}

void tier_set_share(struct tier *tier, uint64_t bytes)
{
	told_share = bytes;
}

void tier_note_traffic(struct tier *tier, uint64_t pages)
{
}

static int open_statm(void)
{
	int file = memfd_create("statm", MFD_CLOEXEC);

	assert_true(file >= 0);
	return file;
}

/* As the kernel writes it: the anonymous part is what is resident and not shared. */
static void set_anonymous(int file, uint64_t bytes)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "900000 %llu 300 10 0 0 0\n",
			      (unsigned long long)(bytes / PAGE_BYTES + 300));

	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, text, (size_t)length, 0), length);
}

static int setup(void **state)
{
	pager = calloc(1, sizeof(*pager));
	assert_non_null(pager);
	pager->budget.own_statm = open_statm();
	pager->budget.ram_highest = 1ull << 40;
	segments = live = told_ram = told_share = 0;
	return 0;
}

static int teardown(void **state)
{
	close(pager->budget.own_statm);
	free(pager);
	return 0;
}

/* The owner has `fixed` bytes beside its segments. */
static void refresh(uint64_t limit, uint64_t fixed, uint64_t resident)
{
	pager->budget.limit_bytes = limit;
	pager->budget.live_ns = 0; /* look again */
	set_anonymous(pager->budget.own_statm, fixed + segments);
	pager->budget.resident_pages = (int64_t)(resident / PAGE_BYTES);
	budget_refresh(pager);
}

static const uint64_t limits[] = {16 * MIB,  24 * MIB,	 64 * MIB,    256 * MIB,
				  MIB << 10, MIB * 4100, MIB * 70000, MIB << 20};
#define LIMITS (sizeof(limits) / sizeof(limits[0]))

/* Owner and program at the mark are below the limit, by the head: 64 to 2048 pages. */
static void test_marks(void **state)
{
	for (size_t i = 0; i < LIMITS; i++) {
		uint64_t own, target, brake;

		segments = limits[i] / 4;
		refresh(limits[i], 3 * MIB, limits[i] / 2);
		own = segments + 3 * MIB;
		assert_int_equal(pager->budget.own_bytes, own);
		target = (uint64_t)pager->budget.target_pages * PAGE_BYTES;
		brake = (uint64_t)pager->budget.brake_pages * PAGE_BYTES;
		assert_int_equal(own + brake, limits[i]);
		assert_in_range(brake - target, 64 * PAGE_BYTES, 2048 * PAGE_BYTES);
	}
	segments = 0;
	refresh(8 * MIB, MIB, 4 * MIB);
	assert_int_equal(pager->budget.brake_pages - pager->budget.target_pages, 64);
}

/* An owner that has more than all of it leaves the program nothing, not a number gone round. */
static void test_owner_above_limit(void **state)
{
	segments = 40 * MIB;
	refresh(16 * MIB, 4 * MIB, 8 * MIB);
	assert_int_equal(pager->budget.target_pages, 0);
	assert_int_equal(pager->budget.brake_pages, 0);
	assert_int_equal(budget_attach_bytes(pager), 0);
	segments = 16 * MIB - 10 * PAGE_BYTES;
	refresh(16 * MIB, 0, 0);
	assert_int_equal(pager->budget.target_pages, 0);
	assert_int_equal(pager->budget.brake_pages, 10);
	/* Segments have a least size, however little is left. */
	refresh(16 * MIB, 13 * MIB, 8 * MIB);
	assert_int_equal(told_ram, 2 * SEGMENT);
}

/* Whatever segments may take, the program keeps an eighth, 4 MiB at least. */
static void test_program_keeps(void **state)
{
	for (int backends = 0; backends < 2; backends++) {
		pager->backends.in_use = (unsigned int)backends;
		for (size_t i = 0; i < LIMITS; i++) {
			uint64_t keeps = limits[i] / 8 > 4 * MIB ? limits[i] / 8 : 4 * MIB;

			segments = live = limits[i] * 3 / 4;
			refresh(limits[i], 3 * MIB, 4 * MIB);
			assert_true(told_ram >= 2 * SEGMENT);
			assert_true(told_ram + 3 * MIB + keeps < limits[i]);
			assert_true(told_share <= told_ram);
		}
	}
}

/* With a backend they are written back from 40 % on; the cap is above, but below half. */
static void test_backend_share(void **state)
{
	pager->backends.in_use = 1;
	for (size_t i = 0; i < LIMITS; i++) {
		segments = limits[i] / 5;
		refresh(limits[i], 2 * MIB, 4 * MIB);
		assert_true(told_share > 0 && told_share <= limits[i] * 40 / 100);
		assert_true(told_ram <= limits[i] * 40 / 100 + limits[i] / 16);
	}
	refresh(256 * MIB, 2 * MIB, 4 * MIB);
	assert_int_equal(told_share, 256 * MIB * 40 / 100);
	assert_true(told_ram > told_share);
	/* A large owner leaves segments less than their share. */
	refresh(64 * MIB, 44 * MIB, 4 * MIB);
	assert_true(told_share < 64 * MIB * 20 / 100);
}

/* Without one they may take nearly all, and are cleaned when too little of them is live. */
static void test_alone(void **state)
{
	uint64_t few, more;

	segments = 100 * MIB;
	live = 0;
	refresh(256 * MIB, 2 * MIB, 4 * MIB);
	few = told_share;
	assert_true(few < segments);
	live = 60 * MIB;
	refresh(256 * MIB, 2 * MIB, 4 * MIB);
	more = told_share;
	assert_true(more > few && more > live && more < segments);
	/* Live to the brim: nothing to clean. */
	live = 99 * MIB;
	refresh(256 * MIB, 2 * MIB, 4 * MIB);
	assert_true(told_share > segments);
	assert_true(told_ram > 200 * MIB && told_ram < 224 * MIB);
}

static void test_highest(void **state)
{
	pager->budget.ram_highest = 48 * MIB;
	for (int backends = 0; backends < 2; backends++) {
		pager->backends.in_use = (unsigned int)backends;
		refresh(MIB << 10, 2 * MIB, 4 * MIB);
		assert_int_equal(told_ram, 48 * MIB);
	}
}

static void test_peak(void **state)
{
	segments = 20 * MIB;
	refresh(256 * MIB, 2 * MIB, 100 * MIB);
	assert_int_equal(pager->figures.peak_bytes, 122 * MIB);
	refresh(256 * MIB, 2 * MIB, 90 * MIB);
	assert_int_equal(pager->figures.peak_bytes, 122 * MIB);
	refresh(256 * MIB, 2 * MIB, 101 * MIB);
	assert_int_equal(pager->figures.peak_bytes, 123 * MIB);
}

/* A size that cannot be read changes nothing. */
static void test_unreadable(void **state)
{
	int64_t target, brake;

	refresh(256 * MIB, 2 * MIB, 100 * MIB);
	target = pager->budget.target_pages;
	brake = pager->budget.brake_pages;
	pager->budget.limit_bytes = 16 * MIB;
	assert_int_equal(ftruncate(pager->budget.own_statm, 0), 0);
	told_ram = 1;
	budget_refresh(pager);
	assert_int_equal(pager->budget.target_pages, target);
	assert_int_equal(pager->budget.brake_pages, brake);
	assert_int_equal(told_ram, 1);
}

/* A program is attached before it has what it may keep. */
static void test_attach(void **state)
{
	for (size_t i = 0; i < LIMITS; i++) {
		uint64_t usual;

		refresh(limits[i], 3 * MIB, 4 * MIB);
		assert_true(budget_attach_bytes(pager) > 4 * MIB);
		assert_true(budget_attach_bytes(pager) <
			    (uint64_t)pager->budget.target_pages * PAGE_BYTES);
		/* Much earlier where the kernel would kill, but not for every small one. */
		usual = budget_attach_bytes(pager);
		pager->budget.strict = true;
		assert_in_range(budget_attach_bytes(pager), usual / 8, usual - 1);
		assert_true(usual - budget_attach_bytes(pager) <= 64 * MIB);
		pager->budget.strict = false;
		/* Earlier, too, where several grow at once; one is no reason, and half stays. */
		pager->job.tree.growing = 1;
		assert_int_equal(budget_attach_bytes(pager), usual);
		pager->job.tree.growing = 3;
		assert_int_equal(budget_attach_bytes(pager), usual - limits[i] / 16);
		pager->job.tree.growing = 1000;
		assert_int_equal(budget_attach_bytes(pager), usual - usual / 2);
		pager->job.tree.growing = 0;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owner_above_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_program_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backend_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_highest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peak, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
