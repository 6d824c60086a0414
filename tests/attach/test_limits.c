/* SPDX-License-Identifier: MIT */
/*
 * Description: programs with limits that the calls made in them would run into. A limit of the size
 * of files and one that forbids new executable memory are no matter; where all descriptors, all
 * memory or all threads are in use the message says so, the program is as it was, and a later try
 * succeeds.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "harness.h"

#ifndef PR_SET_MDWE /* Linux 6.3 */
#define PR_SET_MDWE		 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#define PR_GET_MDWE		 66
#endif

static void map(void)
{
	board->memory = (uintptr_t)mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset((void *)board->memory, 7, PAGES * PAGE);
}

static int wait_and_look(void)
{
	const uint8_t *memory = (void *)board->memory;

	board->ready = 1;
	while (!board->stop)
		usleep(1000);
	for (unsigned int i = 0; i < PAGES * PAGE; i++)
		board->failures += memory[i] != 7;
	return board->failures != 0;
}

static int work(void)
{
	map();
	return wait_and_look();
}

/* The soft limit; RLIM_INFINITY: as much as may be. */
static void limit(int which, rlim_t value)
{
	struct rlimit limits;

	check(!getrlimit(which, &limits), "getrlimit: %s", strerror(errno));
	limits.rlim_cur = value < limits.rlim_max ? value : limits.rlim_max;
	check(!setrlimit(which, &limits), "setrlimit: %s", strerror(errno));
}

static int no_files_grow(void)
{
	limit(RLIMIT_FSIZE, 0);
	return work();
}

static int no_new_code(void)
{
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0))
		return SKIP;
	return work();
}

/* board->value: 1 gives up one of the limits. */
static void *give_way(void *argument)
{
	while (!board->value)
		usleep(1000);
	limit(*(int *)argument, RLIM_INFINITY);
	board->value = 2;
	return NULL;
}

static int with_way_out(int which, rlim_t value)
{
	pthread_t thread;

	check(!pthread_create(&thread, NULL, give_way, &which), "pthread_create");
	map();
	limit(which, value);
	return wait_and_look();
}

static int no_descriptors(void)
{
	return with_way_out(RLIMIT_NOFILE, 0);
}

static bool gave_way(void *unused)
{
	(void)unused;
	return board->value == 2;
}

static int no_memory(void)
{
	return with_way_out(RLIMIT_AS, 1);
}

static void page(pid_t pid)
{
	char message[MESSAGE_BYTES];
	struct pager pager;

	check(!pager_attach(&pager, pid, message), "%s", message);
	check(pager_evict(&pager, 0, CHANNEL_BATCH) > CHANNEL_BATCH / 2, "nothing moved");
	check(!pager_leave(&pager, message), "%s", message);
}

static void end_well(pid_t pid)
{
	int status;

	board->stop = 1;
	status = wait_program(pid, 20);
	check(status == 0, "wait status %x", status);
}

static void no_matter(int (*program)(void))
{
	pid_t pid = start_program(program);

	page(pid);
	end_well(pid);
}

static void later(int (*program)(void), int error, const char *limit_name)
{
	pid_t pid = start_program(program);
	char message[MESSAGE_BYTES];
	struct pager pager;
	int got = pager_attach(&pager, pid, message);

	check(got == error, "%d instead of %d: %s", got, error, message);
	check(strstr(message, limit_name), "no %s in: %s", limit_name, message);
	board->value = 1;
	wait_until(gave_way, NULL, "the limit to be lifted");
	page(pid);
	end_well(pid);
}

static void test_owner_limit(void)
{
	limit(RLIMIT_FSIZE, 0);
	no_matter(work);
	limit(RLIMIT_FSIZE, RLIM_INFINITY);
}

int main(void)
{
	need_rights();
	no_matter(no_files_grow);
	if (!prctl(PR_GET_MDWE, 0, 0, 0, 0))
		no_matter(no_new_code);
	later(no_descriptors, -EMFILE, "RLIMIT_NOFILE");
	if (!SANITIZED)
		later(no_memory, -ENOMEM, "RLIMIT_AS");
	test_owner_limit();
	return 0;
}
