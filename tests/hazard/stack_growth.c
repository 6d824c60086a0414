/* SPDX-License-Identifier: MIT */
/*
 * Description: the first thread's stack and a MAP_GROWSDOWN mapping grow while their upper part is
 * swapped.
 */
#include "hazard.h"
#include <alloca.h>

#define DEPTH 900 /* pages: below the usual limit of 8 MiB */

static __attribute__((noinline)) void deep(int depth)
{
	char *frame = alloca(2 * PAGE);
	char *page = (char *)(((uintptr_t)frame + PAGE - 1) & ~(PAGE - 1));

	fill_page(page, 14, depth);
	if (depth % 300 == 0)
		press();
	if (depth < DEPTH)
		deep(depth + 2);
	expect(page_is(page, 14, depth), "the stack at depth %d", depth);
}

int main(void)
{
	char *at, *hint;

	hazard_start();
	deep(0);
	deep(0);
	/* Room to grow into: found, given back, used as a hint. */
	hint = anonymous(2048);
	munmap(hint, 2048 * PAGE);
	at = mmap(hint + 2000 * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	if (at == MAP_FAILED)
		skip("MAP_GROWSDOWN: %m");
	fill(at, 16, 15);
	for (size_t page = 1; page <= 512; page++) {
		fill_page(at - page * PAGE, 16, page);
		if (page % 128 == 0)
			press();
	}
	for (size_t page = 1; page <= 512; page++)
		expect(page_is(at - page * PAGE, 16, page), "%zu pages below the start", page);
	check(at, 16, 15, "where it began");
	return 0;
}
