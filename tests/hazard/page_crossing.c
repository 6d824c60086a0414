/* SPDX-License-Identifier: MIT */
/*
 * Description: one instruction that touches several missing pages: unaligned words across a
 * border, long string moves, compare and exchange, vector gathers by the compiler.
 */
#include "hazard.h"

#define PAGES 256

static void move_bytes(char *to, const char *from, size_t bytes)
{
#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
#else
	memcpy(to, from, bytes);
#endif
}

int main(void)
{
	char *from = anonymous(PAGES), *to = anonymous(PAGES);
	static uint64_t sums[2];

	hazard_start();
	fill(from, PAGES, 18);
	memset(to, 0x55, PAGES * PAGE);
	for (int pass = 0; pass < 2; pass++) {
		if (pass) {
			evict_most(from, PAGES);
			evict_most(to, PAGES);
		}
		for (size_t p = 1; p < PAGES; p++) {
			uint64_t word;

			memcpy(&word, (char *)__builtin_assume_aligned(from, 8) + p * PAGE - 3, 8);
			sums[pass] = mix(sums[pass] ^ word);
		}
	}
	expect(sums[0] == sums[1], "words across borders are wrong");
	evict_most(from, PAGES);
	evict_most(to, PAGES);
	move_bytes(to + 100, from + 200, (PAGES - 2) * PAGE);
	expect(!memcmp(to + 100, from + 200, (PAGES - 2) * PAGE), "a long move went wrong");
	expect(to[99] == 0x55 && to[(PAGES - 2) * PAGE + 100] == 0x55, "a long move went too far");
	check(from, PAGES, 18, "the source");
	evict_most(to, PAGES);
	for (size_t p = 0; p < PAGES; p++) {
		uint64_t *word = (uint64_t *)(to + p * PAGE + 512), old = 1;

		__atomic_compare_exchange_n(word, &old, 7, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
		expect(__atomic_compare_exchange_n(word, &old, p, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST),
		       "compare and exchange failed");
		expect(*word == p, "compare and exchange lost");
	}
	return 0;
}
