/* SPDX-License-Identifier: MIT */
/*
 * Description: who asks what is not answered goes on in time, is not held up again by the same
 * process, and what comes too late is undone; others are answered meanwhile.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/ask.h"
#include "base/ask_process.h"
#include "base/clock.h"
#include "base/proc.h"

#define PATIENCE_NS 20000000ull
#define HELD	    0x7fff0000 /* no process has that number */

static int gate[2]; /* what is written to it lets so many calls end */
static _Atomic unsigned int called, undone;

static long wait_at_gate(struct question *question)
{
	char byte;

	called++;
	return read(gate[0], &byte, 1) == 1 ? (long)question->value : -errno;
}

static long wait_for_either(struct question *question)
{
	question->at = 0;
	return wait_at_gate(question);
}

static long wait_for_other(struct question *question)
{
	question->at = question->other;
	return wait_at_gate(question);
}

static void note_undone(struct question *question, long result)
{
	assert_int_equal(result, question->value);
	undone++;
}

static long at_once(struct question *question)
{
	memset(question->bytes, 'x', question->size);
	return (long)question->value + 1;
}

static struct question *new (long (*call)(struct question *question), enum ask_about about,
			     pid_t pid)
{
	struct question *question = ask_new(8);

	assert_non_null(question);
	question->call = call;
	question->undo = note_undone;
	question->about = about;
	question->pid = pid;
	question->value = 41;
	return question;
}

/* What came of it; false: it is the thread's now. */
static bool put(struct question *question, long *result)
{
	struct question *mine = question;

	*result = ask(&mine, PATIENCE_NS);
	ask_end(mine);
	return mine != NULL;
}

static void let_through(unsigned int many)
{
	unsigned int before = undone;

	for (unsigned int i = 0; i < many; i++)
		assert_int_equal(write(gate[1], "x", 1), 1);
	while (undone < before + many)
		sched_yield();
	/* The thread is about to be idle. */
	usleep(10000);
}

static void test_answer(void **state)
{
	struct question *question = new (at_once, ASK_LOCK, 1);

	assert_int_equal(ask(&question, PATIENCE_NS), 42);
	assert_non_null(question);
	assert_memory_equal(question->bytes, "xxxxxxxx", 8);
	ask_end(question);
}

static void test_no_answer(void **state)
{
	const unsigned int unanswered = ask_unanswered();
	uint64_t since = monotonic_ns();
	long result;

	called = 0;
	assert_false(put(new (wait_at_gate, ASK_LOCK, HELD), &result));
	assert_int_equal(result, -ETIMEDOUT);
	assert_int_equal(ask_unanswered(), unanswered + 1);
	assert_true(monotonic_ns() - since >= PATIENCE_NS);
	/* The same process is not asked again while it lasts, alone or with another, ... */
	assert_true(put(new (wait_at_gate, ASK_LOCK, HELD), &result));
	assert_int_equal(result, -ETIMEDOUT);
	assert_int_equal(called, 1);
	/* ... another one, or about something else, is. */
	assert_true(put(new (at_once, ASK_LOCK, HELD + 1), &result));
	assert_int_equal(result, 42);
	assert_true(put(new (at_once, ASK_MEMORY, HELD), &result));
	assert_int_equal(result, 42);
	let_through(1);
	assert_true(put(new (at_once, ASK_LOCK, HELD), &result));
	assert_int_equal(result, 42);
}

/* What holds up one page does not hold up all of them for good. */
static void test_memory_again(void **state)
{
	long result;

	assert_false(put(new (wait_at_gate, ASK_MEMORY, HELD), &result));
	assert_true(put(new (at_once, ASK_MEMORY, HELD), &result));
	assert_int_equal(result, -ETIMEDOUT);
	usleep(PATIENCE_NS / 1000 + 1000);
	assert_true(put(new (at_once, ASK_MEMORY, HELD), &result));
	assert_int_equal(result, 42);
	let_through(1);
}

static struct question *new_pair(long (*call)(struct question *question))
{
	struct question *question = new (call, ASK_LOCK, HELD);

	question->other = HELD + 1;
	return question;
}

/* Of two the call says who does not answer, if it knows. */
static void test_two(void **state)
{
	long result;

	assert_false(put(new_pair(wait_for_either), &result));
	assert_true(put(new (at_once, ASK_LOCK, HELD), &result));
	assert_int_equal(result, 42);
	assert_false(put(new_pair(wait_for_other), &result));
	assert_true(put(new (at_once, ASK_LOCK, HELD), &result));
	assert_int_equal(result, 42);
	assert_true(put(new (at_once, ASK_LOCK, HELD + 1), &result));
	assert_int_equal(result, -ETIMEDOUT);
	assert_true(put(new_pair(at_once), &result));
	assert_int_equal(result, -ETIMEDOUT);
	let_through(2);
}

static void test_too_many(void **state)
{
	long result;

	for (unsigned int i = 0; i < ASK_STUCK; i++) {
		struct question *question = new (wait_at_gate, ASK_LOCK, HELD + (int)i);

		assert_int_equal(ask(&question, 1), -ETIMEDOUT);
		assert_null(question);
	}
	assert_true(put(new (at_once, ASK_LOCK, 1), &result));
	assert_int_equal(result, -EAGAIN);
	let_through(ASK_STUCK);
	assert_true(put(new (at_once, ASK_LOCK, 1), &result));
	assert_int_equal(result, 42);
}

#define ASKING 8
#define ROUNDS 2000

static void *ask_often(void *argument)
{
	uintptr_t wrong = 0;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		struct question *question = ask_new(0);

		question->call = at_once;
		question->about = ASK_LOCK;
		question->value = i;
		wrong += ask(&question, SECOND_NS) != (long)i + 1;
		ask_end(question);
	}
	(void)argument;
	return (void *)wrong;
}

static void test_many_ask(void **state)
{
	pthread_t threads[ASKING];
	void *wrong;

	for (unsigned int i = 0; i < ASKING; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
	for (unsigned int i = 0; i < ASKING; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

static void test_process(void **state)
{
	pid_t child = fork();
	char line[64];
	int file;

	if (!child) {
		pause();
		_exit(0);
	}
	assert_true(ask_same_memory(getpid(), getpid()));
	assert_false(ask_same_memory(getpid(), child));
	assert_false(ask_same_memory(getpid(), 0));
	file = ask_open(child, "maps", O_RDONLY);
	assert_true(file >= 0);
	assert_int_equal(fcntl(file, F_GETFD), FD_CLOEXEC);
	close(file);
	assert_int_equal(ask_open(child, "nothing", O_RDONLY), -ENOENT);
	assert_int_equal(ask_read(child, "comm", ASK_CALL, line, sizeof(line)), 9);
	assert_memory_equal(line, "test_ask\n", 9);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(ask_read(child, "comm", ASK_CALL, line, sizeof(line)), -ENOENT);
	assert_false(ask_same_memory(getpid(), child));
}

/* After fork; and nobody is asked who would only say no. */
static void test_forked(void **state)
{
	pid_t root = getpid(), child;
	int status;

	if (geteuid())
		skip();
	child = fork();
	if (!child) {
		/* It has none of the threads, and starts its own. */
		bool right = ask_same_memory(getpid(), getpid()) && proc_threads(getpid()) == 2;

		_exit(!right);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	child = fork();
	if (!child) {
		bool right = !setuid(65534) && ask_open(root, "pagemap", O_RDONLY) == -EACCES &&
			     !ask_same_memory(getpid(), root) && proc_threads(getpid()) == 1;

		_exit(!right);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static int open_gate(void **state)
{
	return pipe2(gate, O_CLOEXEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),	     cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_memory_again), cmocka_unit_test(test_two),
		cmocka_unit_test(test_too_many),     cmocka_unit_test(test_many_ask),
		cmocka_unit_test(test_process),	     cmocka_unit_test(test_forked),
	};

	return cmocka_run_group_tests(tests, open_gate, NULL);
}
