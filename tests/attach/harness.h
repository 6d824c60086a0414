/* SPDX-License-Identifier: MIT */
/*
 * What the tests of attach share: a child process as the program, and a pager
 * that is as small as can be (one range, one lock, a table of whole pages).
 */
#ifndef TESTS_ATTACH_HARNESS_H
#define TESTS_ATTACH_HARNESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include "attach/attach.h"

#define PAGE  4096ul
#define SKIP  77
#define PAGES 1024u /* of the shared range that the small pager pages */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define check(condition, ...)                                                           \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                   \
			fputc('\n', stderr);                                            \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

/* Memory that test and program share: what they tell each other. */
struct board {
	_Atomic int ready, stop, failures;
	_Atomic long counter, value;
	_Atomic uintptr_t memory; /* PAGES pages that may be paged */
	_Atomic int descriptor[2];
};
extern struct board *board;

/* Forks `program` and waits until it sets board->ready. It dies with the test. */
pid_t start_program(int (*program)(void));
/* Waits until it has ended; its wait status. Fails the test after `seconds`. */
int wait_program(pid_t pid, int seconds);
/* Ends it by SIGKILL. */
void end_program(pid_t pid);
/* Waits until the condition holds, or fails the test. */
/* Time passes on purpose: for the program to work, or for what must not happen meanwhile. */
void let_pass(unsigned int ms);
/* For wait_until, with a pid_t: it waits in a system call; it has ended. */
bool is_waiting(void *pid);
void wait_until(bool (*condition)(void *), void *argument, const char *what);
/* Skips the test when this process may not attach at all. */
void need_rights(void);
double seconds_now(void);
/* Letters of State: in /proc/PID/status; 0 when gone. */
char state_of(pid_t pid);
/* What an attach must leave as it was: lines of maps, descriptors, threads, those with a priority.
 */
struct trace_left {
	char maps[65536];
	unsigned int descriptors, threads, hurried;
};
void look(pid_t pid, struct trace_left *trace);

struct pager {
	struct target target;
	pthread_mutex_t lock;
	pthread_t server;
	_Atomic bool stop;
	uint64_t memory;
	bool away[PAGES];
	uint8_t (*store)[PAGE];
	unsigned int staging;
	_Atomic unsigned int faults;
	int child; /* userfaultfd of the last forked child, -1: none; its faults are not served */
};

/* Attaches, registers board->memory and serves its faults. */
int pager_attach(struct pager *pager, pid_t pid, char message[MESSAGE_BYTES]);
/* Moves pages [first, first + count) out; how many left. */
unsigned int pager_evict(struct pager *pager, unsigned int first, unsigned int count);
/* Brings all back, stops serving and leaves. */
int pager_leave(struct pager *pager, char message[MESSAGE_BYTES]);
/* Stops serving; the program has ended. */
void pager_drop(struct pager *pager);

#endif
