/* SPDX-License-Identifier: MIT */
/*
 * Description: not a test by itself: checks its memory for ever, in itself and in forked
 * children, and says "WRONG" and ends with 3 when a value is not its own. The scripts kill
 * it or its owner, attach to it, detach from it. Arguments: MiB, children, seconds
 * (0: for ever). Prints "ready" first and "right" at the end.
 */
#include "hazard.h"

static volatile sig_atomic_t told;

static void tell(int signal)
{
	(void)signal;
	told = 1;
}

static void run(size_t pages, uint64_t seed, double seconds, bool writes, char *at)
{
	double end = seconds_now() + seconds;
	uint64_t random = mix(seed ^ getpid());

	while ((!seconds || seconds_now() < end) && !told) {
		for (size_t i = 0; i < pages; i++) {
			size_t p;

			random = mix(random);
			p = random % 4 ? i : random % pages;
			if (!page_is(at + p * PAGE, seed, p)) {
				printf("WRONG page %zu is %s\n", p,
				       page_is_zero(at + p * PAGE) ? "zeros" : "wrong");
				fflush(stdout);
				_exit(3);
			}
			if (writes && random >> 60 == 0)
				fill_page(at + p * PAGE, seed, p);
			if (told)
				break;
		}
	}
}

int main(int argc, char **argv)
{
	size_t pages = (argc > 1 ? strtoul(argv[1], NULL, 10) : 48) << 8;
	int children = argc > 2 ? atoi(argv[2]) : 0;
	double seconds = argc > 3 ? atof(argv[3]) : 0;
	char *at = anonymous(pages);
	pid_t pids[16];

	signal(SIGTERM, tell);
	fill(at, pages, 31);
	printf("ready\n");
	fflush(stdout);
	for (int i = 0; i < children && i < 16; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			run(pages, 31, seconds, true, at);
			_exit(0);
		}
	}
	run(pages, 31, seconds, true, at);
	for (int i = 0; i < children && i < 16; i++) {
		if (told)
			kill(pids[i], SIGTERM);
		wait_good(pids[i], "a child");
	}
	check(at, pages, 31, "at the end");
	printf("right\n");
	return 0;
}
