/* SPDX-License-Identifier: MIT */
/* Threads that come and go, their stacks, locks and signals. */
#include "storm.h"

#include <alloca.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct helper {
	struct worker *worker;
	uint64_t seed;
	unsigned int depth;
	pthread_mutex_t *mutex;
	int *word;
	bool good;
};

/* Fills a frame, goes deeper, looks at the frame on the way back. */
static __attribute__((noinline)) bool deep(uint64_t seed, unsigned int depth)
{
	struct page_model model = {.key = storm_mix(seed + depth), .tail = depth};
	volatile char *frame = alloca(2 * PAGE);
	char *page = (char *)(((uintptr_t)frame + PAGE - 1) & ~(PAGE - 1));
	bool good = true;

	page_fill(&model, page);
	if (depth)
		good = deep(seed, depth - 1);
	return page_matches(&model, page) && good;
}

static void *helper_main(void *argument)
{
	struct helper *helper = argument;

	helper->good = deep(helper->seed, helper->depth);
	/* Some stay for a while, so that their control block grows cold. */
	if (helper->seed % 4 == 0)
		usleep(helper->seed % 3000);
	return argument;
}

/* A thread that waits in join cannot beat for itself: bounded by the helper's own short life. */
static void join(struct worker *worker, pthread_t thread, const void *expected)
{
	void *result = NULL;
	int error = pthread_join(thread, &result);

	if (error)
		storm_fail(worker, "pthread_join: %s", strerror(error));
	if (result != expected)
		storm_fail(worker, "pthread_join gave %p instead of %p", result, expected);
	storm_beat(worker);
}

void op_thread(struct worker *worker)
{
	struct helper helpers[4];
	pthread_t threads[4];
	unsigned int count = 1 + random_below(worker, 4);

	for (unsigned int i = 0; i < count; i++) {
		helpers[i] = (struct helper){.seed = storm_random(worker),
					     .depth = random_below(worker, 12)};
		int error = pthread_create(&threads[i], NULL, helper_main, &helpers[i]);

		if (error)
			storm_fail(worker, "pthread_create: %s", strerror(error));
	}
	op_check(worker);
	for (unsigned int i = 0; i < count; i++) {
		join(worker, threads[i], &helpers[i]);
		if (!helpers[i].good)
			storm_fail(worker, "a thread's stack was wrong");
	}
}

/* Stacks, with the control block at their end, that are cut out of a region. */
void op_thread_stack(struct worker *worker)
{
	struct helper helper = {.seed = storm_random(worker), .depth = 2};
	size_t first, count;
	struct region *region = NULL;
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	for (unsigned int i = 0; i < 8 && !region; i++) {
		region = run_any(worker, 64, true, &first, &count);
		/* In a child, glibc looks at the control blocks of all threads. */
		if (region &&
		    (count < 20 || pages_have(region, first, count, PAGE_WIPE | PAGE_DONTFORK)))
			region = NULL;
	}
	if (!region)
		return;
	storm_record(worker, "used as a thread's stack", region->base + first * PAGE, count);
	pages_flag(region, first, count, PAGE_RAW, 0);
	pthread_attr_init(&attributes);
	error = pthread_attr_setstack(&attributes, region->base + first * PAGE, count * PAGE);
	if (!error)
		error = pthread_create(&thread, &attributes, helper_main, &helper);
	pthread_attr_destroy(&attributes);
	if (error)
		storm_fail(worker, "a thread with a stack of ours: %s", strerror(error));
	for (unsigned int i = 0; i < 4; i++)
		op_check(worker);
	join(worker, thread, &helper);
	if (!helper.good)
		storm_fail(worker, "a thread's stack was wrong");
	pages_write(worker, region, first, count);
}

static void *die_with_lock(void *argument)
{
	struct helper *helper = argument;

	helper->good = pthread_mutex_lock(helper->mutex) == 0;
	usleep(helper->seed % 5000);
	return argument;
}

/* The mutex stands in pageable memory; its owner dies with it held. */
void op_robust(struct worker *worker)
{
	struct helper helper = {.seed = storm_random(worker)};
	size_t first, count;
	struct region *region = run_any(worker, 1, true, &first, &count);
	pthread_mutexattr_t attributes;
	pthread_t thread;
	int error;

	if (!region)
		return;
	storm_record(worker, "used for a mutex", region->base + first * PAGE, 1);
	pages_flag(region, first, 1, PAGE_RAW, 0);
	helper.mutex = (pthread_mutex_t *)(region->base + first * PAGE +
					   random_below(worker, PAGE / 64) * 64);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(helper.mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	error = pthread_create(&thread, NULL, die_with_lock, &helper);
	if (error)
		storm_fail(worker, "pthread_create: %s", strerror(error));
	for (unsigned int i = 0; i < 4; i++)
		op_check(worker);
	join(worker, thread, &helper);
	error = pthread_mutex_lock(helper.mutex);
	if (!helper.good || error != EOWNERDEAD)
		storm_fail(worker, "a robust mutex of a dead thread: %s, not EOWNERDEAD",
			   strerror(error));
	if (pthread_mutex_consistent(helper.mutex) || pthread_mutex_unlock(helper.mutex) ||
	    pthread_mutex_destroy(helper.mutex))
		storm_fail(worker, "a robust mutex cannot be made consistent");
	pages_write(worker, region, first, 1);
}

static __thread volatile unsigned int handled;
static __thread struct worker *current;
static struct worker *known[MAX_SLOTS]; /* of this process */
static atomic_uint known_count;

static void handler(int signal)
{
	volatile char frame[512];

	for (unsigned int i = 0; i < sizeof frame; i += 64)
		frame[i] = i;
	if (signal == SIGTERM)
		atomic_store(&shared->stop, true);
	if (signal == SIGUSR1)
		handled++;
	atomic_fetch_add_explicit(&shared->signals, 1, memory_order_relaxed);
}

/* An access that must not fail. Another thread may have done it: what all did there is shown. */
static void access_fails(int signal, siginfo_t *info, void *context)
{
	const char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));
	unsigned int count = atomic_load(&known_count);

	(void)context;
	fprintf(stderr, "storm: %s at %p (code %d)\n", strsignal(signal), info->si_addr,
		info->si_code);
	for (unsigned int i = 0; i < count && i < MAX_SLOTS; i++)
		print_history(known[i], page);
	print_mappings((uintptr_t)page);
	storm_fail(current, "no memory there");
}

void signals_init(void)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART};
	struct sigaction last = {
		.sa_sigaction = access_fails,
		.sa_flags = SA_ONSTACK | SA_SIGINFO | SA_RESETHAND,
	};

	sigaction(SIGSEGV, &last, NULL);
	sigaction(SIGBUS, &last, NULL);

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The calling thread's signals run on memory that may be swapped. */
void signals_stack(struct worker *worker)
{
	stack_t stack = {.ss_size = SIGNAL_STACK};
	unsigned int number = atomic_fetch_add(&known_count, 1);

	current = worker;
	if (number < MAX_SLOTS)
		known[number] = worker;
	worker->altstack = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack.ss_sp = worker->altstack;
	if (worker->altstack == MAP_FAILED || sigaltstack(&stack, NULL))
		storm_fail(worker, "sigaltstack: %m");
}

/* The first 64, as the kernel has them. */
static uint64_t signal_bits(const sigset_t *set)
{
	uint64_t bits;

	memcpy(&bits, set, sizeof bits);
	return bits;
}

static __attribute__((noreturn)) void not_handled(struct worker *worker, int error,
						  unsigned int before)
{
	sigset_t blocked, pending;

	sigemptyset(&blocked);
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	sigpending(&pending);
	storm_fail(
		worker,
		"a signal to itself was not handled: pthread_kill %d, %u handled before, %u now; "
		"blocked %lx, pending %lx",
		error, before, handled, signal_bits(&blocked), signal_bits(&pending));
}

void op_signal(struct worker *worker)
{
	unsigned int before = handled;
	int error;

	if (worker == common)
		return;
	/* Cold for as long as other things take. */
	op_check(worker);
	error = pthread_kill(pthread_self(), SIGUSR1);
	if (handled == before)
		not_handled(worker, error, before);
}

static void futex_wait(int *word, int value)
{
	struct timespec second = {.tv_sec = 1};

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &second, NULL, 0);
}

static void futex_set(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#define FUTEX_ROUNDS 64

static void *ping(void *argument)
{
	struct helper *helper = argument;

	for (int i = 0; i < FUTEX_ROUNDS; i++) {
		futex_wait(helper->word, 2 * i);
		futex_set(helper->word, 2 * i + 2);
	}
	return argument;
}

/* Two threads take turns on a word in pageable memory. */
void op_futex(struct worker *worker)
{
	struct helper helper = {0};
	size_t first, count;
	struct region *region = run_any(worker, 1, true, &first, &count);
	pthread_t thread;
	int error;

	if (!region)
		return;
	storm_record(worker, "used for a futex", region->base + first * PAGE, 1);
	pages_flag(region, first, 1, PAGE_RAW, 0);
	memset(region->base + first * PAGE, 0, PAGE);
	helper.word = (int *)(region->base + first * PAGE + random_below(worker, PAGE / 4) * 4);
	error = pthread_create(&thread, NULL, ping, &helper);
	if (error)
		storm_fail(worker, "pthread_create: %s", strerror(error));
	for (int i = 0; i < FUTEX_ROUNDS; i++) {
		if (one_in(worker, 16))
			op_check(worker);
		futex_set(helper.word, 2 * i + 1);
		futex_wait(helper.word, 2 * i + 1);
		storm_beat(worker);
	}
	join(worker, thread, &helper);
	pages_write(worker, region, first, 1);
}

/* Deep recursion on the worker's own stack; the main thread's grows for it. */
void op_stack(struct worker *worker)
{
	if (!deep(storm_random(worker), random_below(worker, 200)))
		storm_fail(worker, "the stack was wrong");
}
