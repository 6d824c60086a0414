/* SPDX-License-Identifier: MIT */
/* Description: readahead doubles along each of several streams and starts anew elsewhere. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "pager/attached/stream.h"

#define PAGE  4096ull
#define LIMIT 64u
/* Where stream `n` of a test begins: far from the others. */
#define FAR(n) (0x100000000ull + (uint64_t)(n)*0x40000000ull)

/* A fault at *at of which all that was planned comes in. */
static uint32_t fault(struct streams *streams, uint64_t *at, uint32_t limit)
{
	unsigned int stream = STREAMS;
	uint32_t pages = stream_plan(streams, *at, limit, &stream);

	assert_true(stream < STREAMS);
	assert_in_range(pages, 1, limit);
	*at += pages * PAGE;
	stream_done(streams, stream, *at, pages);
	return pages;
}

static void test_doubles(void **state)
{
	struct streams streams = {0};
	uint64_t at = FAR(0);

	for (uint32_t want = 1; want <= LIMIT; want *= 2)
		assert_int_equal(fault(&streams, &at, LIMIT), want);
	assert_int_equal(fault(&streams, &at, LIMIT), LIMIT);
	/* A smaller limit holds at once. */
	assert_int_equal(fault(&streams, &at, 5), 5);
	assert_int_equal(fault(&streams, &at, LIMIT), 10);
	assert_int_equal(fault(&streams, &at, 1), 1);
}

static void test_before(void **state)
{
	struct streams streams = {0};
	unsigned int stream;

	stream_plan(&streams, FAR(1), LIMIT, &stream);
	assert_int_equal(stream_before(&streams, stream, FAR(1)), 0);
	stream_done(&streams, stream, FAR(1) + 3 * PAGE, 3);
	assert_int_equal(stream_before(&streams, stream, FAR(1) + 3 * PAGE), 3);
	assert_int_equal(stream_before(&streams, stream, FAR(1) + 4 * PAGE), 0);
}

/* Only a fault right behind the run goes on with it. */
static void test_elsewhere(void **state)
{
	struct streams streams = {0};
	uint64_t at = FAR(0), hole, back = FAR(0);

	for (unsigned int i = 0; i < 4; i++)
		fault(&streams, &at, LIMIT);
	hole = at + PAGE;
	assert_int_equal(fault(&streams, &hole, LIMIT), 1);
	assert_int_equal(fault(&streams, &back, LIMIT), 1);
	assert_int_equal(fault(&streams, &at, LIMIT), 16);
}

/* The next run is twice what came, not what was planned. */
static void test_short_run(void **state)
{
	struct streams streams = {0};
	uint64_t at = FAR(0);
	unsigned int stream;

	for (unsigned int i = 0; i < 5; i++)
		fault(&streams, &at, LIMIT);
	assert_int_equal(stream_plan(&streams, at, LIMIT, &stream), 32);
	stream_done(&streams, stream, at + 3 * PAGE, 3);
	at += 3 * PAGE;
	assert_int_equal(stream_plan(&streams, at, LIMIT, &stream), 6);
	/* Nothing came: it starts anew, but it starts. */
	stream_done(&streams, stream, at, 0);
	assert_int_equal(stream_plan(&streams, at, LIMIT, &stream), 2);
}

static void test_interleaved(void **state)
{
	struct streams streams = {0};
	uint64_t at[STREAMS];

	for (unsigned int i = 0; i < STREAMS; i++)
		at[i] = FAR(i);
	for (uint32_t want = 1; want <= LIMIT; want *= 2)
		for (unsigned int i = 0; i < STREAMS; i++)
			assert_int_equal(fault(&streams, &at[i], LIMIT), want);
}

/* One more than there is room for takes the place of the one that was not used longest. */
static void test_replacement(void **state)
{
	struct streams streams = {0};
	uint64_t at[STREAMS], other = FAR(100);

	for (unsigned int i = 0; i < STREAMS; i++)
		at[i] = FAR(i);
	for (unsigned int round = 0; round < 3; round++)
		for (unsigned int i = 0; i < STREAMS; i++)
			fault(&streams, &at[i], LIMIT);
	for (unsigned int i = 0; i < STREAMS; i++)
		if (i != 5)
			assert_int_equal(fault(&streams, &at[i], LIMIT), 8);
	assert_int_equal(fault(&streams, &other, LIMIT), 1);
	for (unsigned int i = 0; i < STREAMS; i++)
		if (i != 5)
			assert_int_equal(fault(&streams, &at[i], LIMIT), 16);
	assert_int_equal(fault(&streams, &other, LIMIT), 2);
	assert_int_equal(fault(&streams, &at[5], LIMIT), 1);
}

/* Ages are told right when the clock has gone round for some streams and not for others. */
static void test_clock_wraps(void **state)
{
	struct streams streams = {.clock = UINT32_MAX - STREAMS - 4};
	uint64_t at[STREAMS], other = FAR(100);

	for (unsigned int i = 0; i < STREAMS; i++) {
		at[i] = FAR(i);
		fault(&streams, &at[i], LIMIT);
	}
	for (unsigned int i = 1; i < STREAMS; i++)
		fault(&streams, &at[i], LIMIT);
	assert_true(streams.clock < STREAMS);
	assert_int_equal(fault(&streams, &other, LIMIT), 1);
	for (unsigned int i = 1; i < STREAMS; i++)
		assert_int_equal(fault(&streams, &at[i], LIMIT), 4);
	assert_int_equal(fault(&streams, &at[0], LIMIT), 1);
}

/* A stream that has had no run yet continues nowhere, not even at address 0. */
static void test_address_zero(void **state)
{
	struct streams streams = {0};
	unsigned int stream;

	assert_int_equal(stream_plan(&streams, 0, LIMIT, &stream), 1);
	stream_done(&streams, stream, 4096, 1);
	assert_int_equal(stream_plan(&streams, 4096, LIMIT, &stream), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles),	     cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_short_run),    cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_replacement),  cmocka_unit_test(test_clock_wraps),
		cmocka_unit_test(test_address_zero), cmocka_unit_test(test_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
