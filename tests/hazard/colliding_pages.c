/* SPDX-License-Identifier: MIT */
/*
 * Description: a page that left, came back and was given other contents with the same XXH3 is what
 * was written last; and so is a child's beside its parent's. Anybody can make such contents: where
 * the low half of a word equals that of XXH3's published secret, only the sum of the word and of
 * that in the next stripe counts.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "hazard.h"

#define PAGES 512
#define FIRST 2	 /* word of the page: lane 2 of the first stripe ... */
#define NEXT  10 /* ... and of the next */

static void fill_with(char *at, uint64_t first, uint64_t next)
{
	uint32_t low[2];

	memcpy(low, XXH3_kSecret + 16, 4);
	memcpy(low + 1, XXH3_kSecret + 24, 4);
	for (size_t p = 0; p < PAGES; p++) {
		uint64_t *words = (uint64_t *)(at + p * PAGE);

		words[FIRST] = low[0] | first << 32;
		words[NEXT] = low[1] | next << 32;
	}
}

static void check_with(const char *at, uint64_t first, uint64_t next, const char *who)
{
	for (size_t p = 0; p < PAGES; p++) {
		const uint64_t *words = (const uint64_t *)(at + p * PAGE);

		expect(words[FIRST] >> 32 == first && words[NEXT] >> 32 == next,
		       "page %zu of %s has %u and %u", p, who, (unsigned int)(words[FIRST] >> 32),
		       (unsigned int)(words[NEXT] >> 32));
	}
}

/* Both with the same sum, at the same addresses. */
static void beside_a_child(char *at)
{
	pid_t pid = fork();

	expect(pid >= 0, "fork: %m");
	if (!pid) {
		fill_with(at, 3500, 2500);
		evict_most(at, PAGES);
		check_with(at, 3500, 2500, "the child");
		_exit(0);
	}
	fill_with(at, 1500, 4500);
	evict_most(at, PAGES);
	check_with(at, 1500, 4500, "the parent");
	wait_good(pid, "the child");
}

int main(void)
{
	char *at = anonymous(PAGES);

	hazard_start();
	fill_with(at, 1000, 5000);
	expect(XXH3_64bits(at, PAGE) != 0, "no sum");
	must_evict(at, PAGES);
	check_with(at, 1000, 5000, "the first contents");
	fill_with(at, 4000, 2000);
	must_evict(at, PAGES);
	check_with(at, 4000, 2000, "the second contents");
	beside_a_child(at);
	return 0;
}
