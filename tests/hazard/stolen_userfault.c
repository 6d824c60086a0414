/* SPDX-License-Identifier: MIT */
/*
 * Description: a program that makes its userfaultfd blocking does not stop its owner.
 *
 * It takes a copy of the agent's descriptor and makes it blocking. Whoever serves its faults must
 * not sleep in the next read: the pages come back right, and the descriptor is put right.
 */
#include "intruder.h"

#define PAGES 2048ul

static bool is_blocking(int descriptor)
{
	return !(fcntl(descriptor, F_GETFL) & O_NONBLOCK);
}

int main(void)
{
	char *pages = anonymous(PAGES);
	double end;
	int stolen;

	hazard_start();
	fill(pages, PAGES, 1);
	evict_most(pages, PAGES);
	stolen = steal_userfault(find_agent());
	if (stolen < 0)
		skip("no userfaultfd to steal (no vswap, or Linux before 6.9)");
	expect(!fcntl(stolen, F_SETFL, 0), "F_SETFL: %m");
	expect(is_blocking(stolen), "it is not blocking");
	for (end = seconds_now() + 20; is_blocking(stolen) && seconds_now() < end;) {
		press();
		check(pages, PAGES, 1, "while a read may block");
	}
	expect(!is_blocking(stolen), "the owner's descriptor stays blocking");
	press();
	check(pages, PAGES, 1, "afterwards");
	return 0;
}
