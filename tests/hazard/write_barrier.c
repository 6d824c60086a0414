/* SPDX-License-Identifier: MIT */
/*
 * Description: a program that uses page protection and SIGSEGV for its own ends, as garbage
 * collectors do: each write to a protected page raises one signal with the right address, on a
 * swapped signal stack, and no signal comes for a page that is merely swapped.
 */
#include "hazard.h"

#define PAGES 256

static char *at;
static volatile size_t signals, last;

static void handler(int signal, siginfo_t *info, void *context)
{
	size_t page = ((uintptr_t)info->si_addr - (uintptr_t)at) / PAGE;

	(void)signal;
	(void)context;
	if (page >= PAGES || info->si_code != SEGV_ACCERR)
		fail("a signal for %p, code %d", info->si_addr, info->si_code);
	signals++;
	last = page;
	mprotect(at + page * PAGE, PAGE, PROT_READ | PROT_WRITE);
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	stack_t stack = {.ss_size = 16 * PAGE};

	hazard_start();
	stack.ss_sp = anonymous(16);
	memset(stack.ss_sp, 1, 16 * PAGE);
	at = anonymous(PAGES);
	sigaltstack(&stack, NULL);
	sigaction(SIGSEGV, &action, NULL);
	for (uint64_t round = 1; round <= 3; round++) {
		fill(at, PAGES, round);
		evict_most(at, PAGES);
		expect(!mprotect(at, PAGES * PAGE, PROT_READ), "mprotect: %m");
		signals = 0;
		evict(stack.ss_sp, 16);
		check(at, PAGES, round, "protected");
		expect(!signals, "reading raised %zu signals", signals);
		for (size_t p = 0; p < PAGES; p++) {
			fill_page(at + p * PAGE, round + 10, p);
			expect(signals == p + 1 && last == p,
			       "page %zu: %zu signals, the last for %zu", p, signals, last);
		}
		check(at, PAGES, round + 10, "written through the barrier");
	}
	return 0;
}
