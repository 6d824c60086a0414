/* SPDX-License-Identifier: MIT */
/*
 * Description: fork while most is swapped; parent, child and grandchild read and write the same
 * pages. Each sees its own writes, nobody else's. The parent may end before the child.
 */
#include "hazard.h"

#define PAGES 2048

static void write_some(char *at, uint64_t seed, size_t step)
{
	for (size_t p = 0; p < PAGES; p += step)
		fill_page(at + p * PAGE, seed, p);
}

static void check_some(const char *at, uint64_t old, uint64_t new, size_t step, const char *who)
{
	for (size_t p = 0; p < PAGES; p++)
		expect(page_is(at + p * PAGE, p % step ? old : new, p), "%s: page %zu is %s", who,
		       p,
		       page_is(at + p * PAGE, p % step ? new : old, p) ? "another's"
		       : page_is_zero(at + p * PAGE)		       ? "zeros"
								       : "wrong");
}

int main(void)
{
	char *at = anonymous(PAGES);

	hazard_start();
	for (uint64_t round = 1; round <= 4; round++) {
		int gate[2];
		pid_t pid;
		char byte;

		fill(at, PAGES, round);
		evict_most(at, PAGES);
		expect(!pipe(gate), "pipe: %m");
		pid = fork();
		expect(pid >= 0, "fork: %m");
		if (pid == 0) {
			pid_t grandchild;

			write_some(at, 1000 + round, 3);
			grandchild = fork();
			if (grandchild == 0) {
				/* The parent's changes are made by now. */
				expect(read(gate[0], &byte, 1) == 1, "read");
				check_some(at, round, 1000 + round, 3, "the grandchild");
				write_some(at, 3000 + round, 1);
				check_some(at, 0, 3000 + round, 1, "the grandchild's own");
				_exit(0);
			}
			check_some(at, round, 1000 + round, 3, "the child");
			wait_good(grandchild, "the grandchild");
			check_some(at, round, 1000 + round, 3, "the child, later");
			_exit(0);
		}
		write_some(at, 2000 + round, 2);
		madvise(at + PAGE, PAGE, MADV_DONTNEED);
		press();
		expect(write(gate[1], "", 1) == 1, "write");
		expect(page_is_zero(at + PAGE), "a page that the parent dropped");
		fill_page(at + PAGE, round, 1);
		check_some(at, round, 2000 + round, 2, "the parent");
		wait_good(pid, "the child");
		check_some(at, round, 2000 + round, 2, "the parent, later");
		close(gate[0]);
		close(gate[1]);
	}
	return 0;
}
