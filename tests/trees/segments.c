/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory that takes the place of an arena's pages. All processes have the same
 * segments from the start, so none is left in the system, however a process ends.
 */
#include "forkstorm.h"

#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>

static struct segment {
	int id;
	unsigned int pages;
} segments[] = {{.pages = 16}, {.pages = 4}, {.pages = 1}};

#define SEGMENTS (sizeof(segments) / sizeof(segments[0]))

void segments_new(void)
{
	for (struct segment *s = segments; s < segments + SEGMENTS; s++) {
		s->id = shmget(IPC_PRIVATE, s->pages * PAGE, IPC_CREAT | 0600);
		if (s->id < 0 || shmat(s->id, NULL, 0) == (void *)-1)
			s->pages = 0; /* not allowed here */
		if (s->id >= 0)
			shmctl(s->id, IPC_RMID, NULL);
	}
}

unsigned int segment_attach(struct worker *worker, char *at, unsigned int most)
{
	for (struct segment *s = segments; s < segments + SEGMENTS; s++) {
		if (!s->pages || s->pages > most)
			continue;
		if (shmat(s->id, at, SHM_REMAP) != at)
			fail(worker, "shmat over %p: %m", (void *)at);
		return s->pages;
	}
	return 0;
}
