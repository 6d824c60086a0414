/* SPDX-License-Identifier: MIT */
/*
 * Description: a process tree that nobody knows all of: plain children, children by CLONE_PARENT,
 * daemons whose parents have ended, threads; and while they check their memory, short-lived
 * children and vfork with exec come and go. What each saw stands in FILE, also when it was killed.
 *
 *     survivors run FILE MIB OF_EACH     prints "ready", then checks for ever
 *     survivors other FILE               has a userfaultfd of its own, and waits
 *     survivors look FILE                "ID alive|dead zeros N wrong N checked N" a process;
 *                                        status 1 if anybody saw what is not its own, 2 if
 *                                        somebody lives
 *
 * A process is alive if its id is taken and started when it says: ids are used again.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "trees.h"

#define RECORDS	   16384u
#define GENERATION 7u
#define SEED	   11u

struct record {
	_Atomic int pid;
	_Atomic unsigned long long started;
	_Atomic unsigned int zeros, wrong, checked;
};

struct file {
	_Atomic unsigned int count;
	struct record records[RECORDS];
};

static struct file *file;
static struct record *own;
static char *memory;
static size_t pages;

/* 0: there is none, or it is dead but for its parent. */
static unsigned long long start_of(pid_t pid)
{
	char path[48], text[1024], state = 'Z';
	unsigned long long started = 0;
	FILE *stat;
	size_t got;
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	stat = fopen(path, "r");
	if (!stat)
		return 0;
	got = fread(text, 1, sizeof(text) - 1, stat);
	fclose(stat);
	text[got] = '\0';
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %c", &state) != 1 || state == 'Z' || state == 'X')
		return 0;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : started;
}

/* A system call of our own: what the C library's fork does would touch the memory first. */
static void enrol(void)
{
	unsigned int index = atomic_fetch_add(&file->count, 1);

	if (index >= RECORDS)
		_exit(0);
	own = &file->records[index];
	own->pid = (int)syscall(SYS_getpid);
	own->started = start_of(own->pid);
}

static void check_page(size_t page)
{
	const uint64_t *words = (const void *)(memory + page * PAGE);
	size_t wrong = content_wrong(words, SEED, GENERATION + (uint32_t)page);

	if (wrong < PAGE_WORDS && !words[wrong])
		own->zeros++;
	else if (wrong < PAGE_WORDS)
		own->wrong++;
	own->checked++;
}

static _Noreturn void check_for_ever(void)
{
	uint64_t random = (uint64_t)syscall(SYS_getpid);

	for (;;) {
		for (int i = 0; i < 64; i++)
			check_page(trees_random(&random) % pages);
		usleep(1000);
	}
}

/* Without a touch of the memory at first: no fault says who it is. */
static _Noreturn void sleep_and_check(int seconds)
{
	const struct timespec pause = {seconds, 0};

	enrol();
	syscall(SYS_nanosleep, &pause, NULL);
	check_for_ever();
}

static void *check_in_thread(void *unused)
{
	(void)unused;
	check_for_ever();
}

static void by_fork(void)
{
	if (!fork()) {
		enrol();
		check_for_ever();
	}
}

static void by_clone(unsigned long flags, int seconds)
{
	if (!syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0))
		sleep_and_check(seconds);
}

static void as_daemon(int seconds)
{
	pid_t first = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!first) {
		by_clone(0, seconds);
		syscall(SYS_exit_group, 0);
	}
	waitpid(first, NULL, 0);
}

/* One that ends at once, and one that becomes another program. */
static void pass_by(void)
{
	pid_t brief = fork(), other;

	if (!brief) {
		enrol();
		for (size_t i = 0; i < 16; i++)
			check_page(i * (pages / 16));
		_exit(0);
	}
	other = vfork();
	if (!other) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	waitpid(brief, NULL, 0);
	waitpid(other, NULL, 0);
}

static void open_file(const char *path)
{
	int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (descriptor < 0 || ftruncate(descriptor, sizeof(*file))) {
		perror(path);
		exit(1);
	}
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	if (file == MAP_FAILED)
		exit(1);
	close(descriptor);
}

static _Noreturn void run(const char *path, size_t mib, int each)
{
	pthread_t thread;

	/* What a program may ignore does not end it. */
	signal(SIGIO, SIG_IGN);
	open_file(path);
	enrol();
	pages = mib * MIB_PAGES;
	memory = map_private(pages * PAGE);
	for (size_t i = 0; i < pages; i++)
		content_write(memory + i * PAGE, SEED, GENERATION + (uint32_t)i);
	pthread_create(&thread, NULL, check_in_thread, NULL);
	usleep(200000);
	for (int i = 0; i < each; i++) {
		by_fork();
		by_clone(CLONE_PARENT, 2 * i);
		as_daemon(2 * i);
	}
	printf("ready\n");
	fflush(stdout);
	while (each) {
		pass_by();
		usleep(2000);
	}
	for (;;)
		pause();
}

/* Not vswap's: its memory looks like what vswap serves. */
static _Noreturn void be_other(const char *path)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	int userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	range.range.start = (uintptr_t)map_private(16 * PAGE);
	range.range.len = 16 * PAGE;
	if (userfault < 0 || ioctl(userfault, UFFDIO_API, &api) ||
	    ioctl(userfault, UFFDIO_REGISTER, &range))
		exit(77);
	open_file(path);
	enrol();
	for (;;)
		pause();
}

static int look(const char *path)
{
	int status = 0;

	open_file(path);
	for (unsigned int i = 0; i < file->count && i < RECORDS; i++) {
		const struct record *record = &file->records[i];
		bool alive = record->started && start_of(record->pid) == record->started;

		if (record->zeros || record->wrong)
			status |= 1;
		if (alive)
			status |= 2;
		printf("%d %s zeros %u wrong %u checked %u\n", record->pid,
		       alive ? "alive" : "dead", record->zeros, record->wrong, record->checked);
	}
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "run"))
		run(argv[2], strtoul(argv[3], NULL, 10), atoi(argv[4]));
	if (argc == 3 && !strcmp(argv[1], "other"))
		be_other(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "look"))
		return look(argv[2]);
	fprintf(stderr, "usage: survivors run FILE MIB OF_EACH | survivors look FILE\n");
	return 2;
}
