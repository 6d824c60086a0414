/* SPDX-License-Identifier: MIT */
/* Description: quantiles of durations are right within an eighth, from several threads too. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/latency.h"
#include "pattern.h"

#define THREADS 4
#define ADDED	4000000u
/* Few values, so that threads meet in a bucket. */
#define SHORT 5u
#define LONG  1000u
/* Longer than the last bucket's: counted, but not told apart (more than an hour). */
#define LONGEST (1ull << 41)

static struct latency latency;

static int empty(void **state)
{
	memset(&latency, 0, sizeof(latency));
	return 0;
}

/* The edge is above the value, by an eighth of it at most. */
static void assert_edge(uint64_t edge, uint64_t value)
{
	assert_true(edge >= value);
	assert_true(edge - value <= value / 8 + 1);
}

static uint64_t alone(uint64_t ns)
{
	empty(NULL);
	latency_add(&latency, ns);
	return latency_quantile(&latency, 0.5);
}

static void test_empty(void **state)
{
	assert_int_equal(latency_quantile(&latency, 0.0), 0);
	assert_int_equal(latency_quantile(&latency, 0.5), 0);
	assert_int_equal(latency_quantile(&latency, 1.0), 0);
}

static void test_one(void **state)
{
	uint64_t before = 0;

	for (uint64_t ns = 0; ns < 20000; ns++) {
		uint64_t edge = alone(ns);

		assert_edge(edge, ns);
		assert_true(edge >= before);
		before = edge;
	}
	for (unsigned int power = 14; power < 41; power++)
		for (int off = -1; off <= 1; off++)
			assert_edge(alone((1ull << power) + (uint64_t)off),
				    (1ull << power) + (uint64_t)off);
}

/* However long it took, it is counted in a bucket that exists. */
static void test_longest(void **state)
{
	assert_true(alone(LONGEST * 8) >= LONGEST);
	assert_int_equal(alone(UINT64_MAX), alone(LONGEST * 8));
	assert_int_equal(latency.count, 1);
	assert_int_equal(latency.buckets[LATENCY_BUCKETS - 1], 1);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_quantiles(void **state)
{
	static const double quantiles[] = {0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0};
	static uint64_t values[10000];
	uint64_t dice = 88172645463325252ull, total = 0;

	for (size_t i = 0; i < 10000; i++) {
		uint64_t roll = random_next(&dice);

		/* Spread over many powers of two, as faults are. */
		values[i] = roll >> 24 >> roll % 32;
		total += values[i];
		latency_add(&latency, values[i]);
	}
	qsort(values, 10000, sizeof(values[0]), compare);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		assert_edge(latency_quantile(&latency, quantiles[i]),
			    values[quantiles[i] < 1 ? (size_t)(quantiles[i] * 10000) : 9999]);
	assert_int_equal(latency.count, 10000);
	assert_int_equal(latency.total_ns, total);
}

static pthread_barrier_t together;

static void *add_many(void *argument)
{
	pthread_barrier_wait(&together);
	for (uint64_t i = 0; i < ADDED; i++)
		latency_add(&latency, i < ADDED / 2 ? SHORT : LONG);
	return NULL;
}

/* Nothing is lost between threads. */
static void test_threads(void **state)
{
	pthread_t thread[THREADS];
	uint64_t counted = 0;

	pthread_barrier_init(&together, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, add_many, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&together);
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		counted += latency.buckets[i];
	assert_int_equal(latency.count, THREADS * ADDED);
	assert_int_equal(counted, THREADS * ADDED);
	assert_int_equal(latency.total_ns, THREADS * (ADDED / 2) * (uint64_t)(SHORT + LONG));
	assert_edge(latency_quantile(&latency, 0.4999), SHORT);
	assert_edge(latency_quantile(&latency, 0.5), LONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, empty),
		cmocka_unit_test_setup(test_one, empty),
		cmocka_unit_test_setup(test_longest, empty),
		cmocka_unit_test_setup(test_quantiles, empty),
		cmocka_unit_test_setup(test_threads, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
