/* SPDX-License-Identifier: MIT */
/*
 * Description: daemons that have touched nothing since they were forked, and whose parents have
 * ended: nobody knows whose they are. `daemons FILE` prints "daemons made" when its memory has left
 * and they wait, and goes on when FILE is there: then each checks its memory, and that what was
 * under MADV_WIPEONFORK is empty.
 */
#include "../hazard/hazard.h"

#define PAGES	1024
#define WIPED	64
#define DAEMONS 5

static char *memory, *wiped;

static void be_daemon(int go, int done)
{
	char byte;

	if (fork())
		_exit(0);
	while (read(go, &byte, 1) > 0)
		;
	check(memory, PAGES, 3, "in a daemon");
	check_zero(wiped, WIPED, "what is wiped in a daemon");
	expect(write(done, "r", 1) == 1, "write: %m");
	_exit(0);
}

static void make(int go[2], int done)
{
	for (int i = 0; i < DAEMONS; i++) {
		pid_t pid = fork();

		expect(pid >= 0, "fork: %m");
		if (!pid) {
			close(go[1]);
			be_daemon(go[0], done);
		}
		wait_good(pid, "a parent");
	}
}

int main(int count, char **arguments)
{
	int go[2], done[2], right = 0;
	char byte;

	if (count != 2)
		fail("usage: daemons FILE");
	hazard_start();
	expect(!pipe(go) && !pipe(done), "pipe: %m");
	memory = anonymous(PAGES);
	wiped = anonymous(WIPED);
	expect(!madvise(wiped, WIPED * PAGE, MADV_WIPEONFORK), "WIPEONFORK: %m");
	fill(memory, PAGES, 3);
	fill(wiped, WIPED, 4);
	must_evict(memory, PAGES);
	must_evict(wiped, WIPED);
	make(go, done[1]);
	puts("daemons made");
	fflush(stdout);
	while (access(arguments[1], F_OK))
		pause_ms(20);
	close(go[0]);
	close(go[1]);
	close(done[1]);
	while (read(done[0], &byte, 1) > 0)
		right++;
	check(memory, PAGES, 3, "in their parent");
	check(wiped, WIPED, 4, "what is wiped, in their parent");
	printf("right %d of %d\n", right, DAEMONS);
	return right != DAEMONS;
}
