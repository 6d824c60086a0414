/* SPDX-License-Identifier: MIT */
/*
 * Description: shared memory takes the place of resident memory (SHM_REMAP tells nobody), and fresh
 * memory the place of that. It is nobody's business but the program's: not a page of it is lost.
 */
#include <sys/shm.h>
#include "hazard.h"

#define PAGES 1024

/* They belong to vswap by now, and are resident. */
static char *known_memory(void)
{
	char *at = anonymous(PAGES);

	fill(at, PAGES, 8);
	evict_most(at, PAGES);
	fill(at, PAGES, 9);
	check(at, PAGES, 9, "at first");
	return at;
}

static void replace(char *at)
{
	int id = shmget(IPC_PRIVATE, PAGES * PAGE, IPC_CREAT | 0600);
	char *got;
	int error;

	if (id < 0)
		skip("shmget: %m");
	got = shmat(id, at, SHM_REMAP);
	error = errno;
	shmctl(id, IPC_RMID, NULL);
	if (got != at)
		skip("shmat: %s", strerror(error));
	expect(!shmdt(at), "shmdt: %m");
	got = mmap(at, PAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	expect(got == at, "mmap: %m");
}

int main(void)
{
	char *at;

	hazard_start();
	at = known_memory();
	replace(at);
	fill(at, PAGES, 10);
	for (int i = 0; i < 4; i++)
		press();
	check(at, PAGES, 10, "fresh memory");
	return 0;
}
