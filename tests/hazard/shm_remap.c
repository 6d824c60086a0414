/* SPDX-License-Identifier: MIT */
/*
 * Description: System V shared memory is attached over a part of swapped memory (SHM_REMAP tells
 * nobody), written, and detached; and a file is mapped over another part.
 */
#include "hazard.h"
#include <sys/shm.h>

#define PAGES 256

int main(void)
{
	char *at = anonymous(PAGES), *file;
	int id, fd;

	hazard_start();
	fill(at, PAGES, 8);
	must_evict(at, PAGES);
	id = shmget(IPC_PRIVATE, 32 * PAGE, IPC_CREAT | 0600);
	if (id < 0)
		skip("shmget: %m");
	if (shmat(id, at + 64 * PAGE, SHM_REMAP) != at + 64 * PAGE) {
		int error = errno;

		shmctl(id, IPC_RMID, NULL);
		skip("shmat: %s", strerror(error));
	}
	shmctl(id, IPC_RMID, NULL);
	check_zero(at + 64 * PAGE, 32, "the shared memory");
	fill(at + 64 * PAGE, 32, 9);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	file = mmap(at + 128 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	expect(file == at + 128 * PAGE, "mmap of a file: %m");
	expect(!memcmp(file, "\177ELF", 4), "the file over swapped memory");
	for (int i = 0; i < 4; i++)
		press();
	check(at + 64 * PAGE, 32, 9, "the shared memory, later");
	expect(!memcmp(file, "\177ELF", 4), "the file over swapped memory, later");
	check(at, 64, 8, "before");
	for (size_t p = 96; p < 128; p++)
		expect(page_is(at + p * PAGE, 8, p), "between");
	for (size_t p = 129; p < PAGES; p++)
		expect(page_is(at + p * PAGE, 8, p), "behind");
	expect(!shmdt(at + 64 * PAGE), "shmdt: %m");
	file = mmap(at + 64 * PAGE, 65 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	expect(file != MAP_FAILED, "mmap: %m");
	check_zero(file, 65, "fresh memory in its place");
	return 0;
}
