/* SPDX-License-Identifier: MIT */
/*
 * Description: code that was written to anonymous memory runs, after much else was used: in a
 * mapping that is made read-execute, and in one that is writable and executable at once.
 */
#include "hazard.h"

#define PAGES 64

static void emit(char *to, uint32_t value)
{
	/* mov eax, value; ret */
	to[0] = (char)0xb8;
	memcpy(to + 1, &value, 4);
	to[5] = (char)0xc3;
}

int main(void)
{
	char *code = anonymous(PAGES), *both;

	hazard_start();
#if !defined(__x86_64__)
	skip("written for x86-64");
#endif
	both = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint32_t round = 1; round <= 4; round++) {
		for (uint32_t p = 0; p < PAGES; p++) {
			emit(code + p * PAGE, p * round);
			if (both != MAP_FAILED)
				emit(both + p * PAGE, p * round + 1);
		}
		evict(code, PAGES / 2);
		expect(!mprotect(code, PAGES * PAGE, PROT_READ | PROT_EXEC), "mprotect: %m");
		press();
		for (uint32_t p = 0; p < PAGES; p++) {
			uint32_t (*function)(void) = (uint32_t(*)(void))(code + p * PAGE);

			expect(function() == p * round, "code on page %u", p);
			function = (uint32_t(*)(void))(both + p * PAGE);
			if (both != MAP_FAILED)
				expect(function() == p * round + 1, "rwx code on page %u", p);
		}
		expect(!mprotect(code, PAGES * PAGE, PROT_READ | PROT_WRITE), "mprotect: %m");
	}
	return 0;
}
