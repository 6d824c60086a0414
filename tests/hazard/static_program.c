/* SPDX-License-Identifier: MIT */
/*
 * Description: a program without shared libraries; it sorts more than the budget and checks it.
 */
#include "hazard.h"

#define COUNT (3ul << 20)

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int main(void)
{
	uint64_t *words = malloc(COUNT * sizeof *words), sum = 0;

	hazard_start();
	expect(words, "malloc");
	for (size_t i = 0; i < COUNT; i++) {
		words[i] = mix(i) >> 20;
		sum += words[i];
	}
	qsort(words, COUNT, sizeof *words, compare);
	for (size_t i = 0; i < COUNT; i++) {
		expect(!i || words[i - 1] <= words[i], "not sorted at %zu", i);
		sum -= words[i];
	}
	expect(!sum, "the sum is another");
	free(words);
	return 0;
}
