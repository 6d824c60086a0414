/* SPDX-License-Identifier: MIT */
/*
 * Description: data that looks like a robust mutex whose holder has ended, but stands in no list,
 * is data: nobody marks it, while its pages come and go and so do threads.
 */
#include "hazard.h"

#define PAGES	1024
#define WORKERS 2
#define SECONDS 5

/* As glibc has it on x86-64. */
struct alike {
	uint32_t lock, count, owner, users, kind, spins;
	uint64_t previous, next;
};

static struct alike wanted;
static char *pages;
static atomic_bool done;

static struct alike *alike_at(size_t page)
{
	return (struct alike *)(pages + page * PAGE + 128);
}

static void *end_at_once(void *id)
{
	*(uint32_t *)id = (uint32_t)syscall(SYS_gettid);
	return NULL;
}

static uint32_t ended_thread(void)
{
	pthread_t thread;
	uint32_t id;

	expect(!pthread_create(&thread, NULL, end_at_once, &id), "pthread_create");
	pthread_join(thread, NULL);
	return id;
}

static void check_one(size_t page)
{
	expect(!memcmp(alike_at(page), &wanted, sizeof(wanted)),
	       "page %zu: the word is %#x, not %#x", page, alike_at(page)->lock, wanted.lock);
}

static void *work(void *argument)
{
	uint64_t random = mix((uintptr_t)argument);

	while (!done) {
		ended_thread();
		for (int i = 0; i < 64; i++) {
			random = mix(random);
			check_one(random % PAGES);
		}
	}
	return argument;
}

int main(void)
{
	hazard_start();
	pages = anonymous(PAGES);
	wanted = (struct alike){.lock = ended_thread(), .users = 1, .kind = 16};
	wanted.owner = wanted.lock;
	wanted.previous = wanted.next = (uint64_t)(uintptr_t)&wanted + 64;
	for (size_t page = 0; page < PAGES; page++)
		*alike_at(page) = wanted;
	press_beside(work, WORKERS, &done, SECONDS);
	for (size_t page = 0; page < PAGES; page++)
		check_one(page);
	return 0;
}
