/* SPDX-License-Identifier: MIT */
/*
 * Description: events about memory that moves, drops and is unmapped, in the orders in which two
 * threads may send them: slots go where their pages are. The memory is the test's own, under a real
 * userfaultfd; threads make the calls, and the test reads their events and applies them as it
 * likes.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/marks.h"
#include "base/kernel.h"
#include "pager/attached/doubts.h"
#include "pager/attached/mapping.h"
#include "pager/attached/pagemap.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"
#include "pager/changes/event.h"
#include "pager/changes/moved.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define FEATURES                                                                           \
	(UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP | \
	 UFFD_FEATURE_WP_ASYNC)

/* An area: its first page is there, the others have left, with marks. */
#define PAGES 4u
#define BYTES (PAGES * (uint64_t)PAGE_BYTES)
/* Places for areas, far from each other and from all else. */
#define BASE 0x280000000000ull
#define STEP (64ull << 20)
#define A    BASE
#define B    (BASE + STEP)
#define C    (BASE + 2 * STEP)
#define D    (BASE + 3 * STEP)
#define E    (BASE + 4 * STEP)
#define F    (BASE + 5 * STEP)
/* Longer than any event takes. */
#define WAIT_MS 20000

static struct pager pager;
static struct attached *attached;

static void no_drop(void *argument, desc_t word)
{
}

static int setup(void **state)
{
	struct uffdio_api api = {.api = UFFD_API, .features = FEATURES};
	int userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	attached = calloc(1, sizeof(*attached));
	assert_non_null(attached);
	pager.evict.marks = true;
	attached->pager = &pager;
	attached->task.pidfd = -1;
	attached->task.userfault = userfault;
	attached->task.pagemap = pagemap_open(getpid());
	assert_int_equal(space_open(&attached->space, 64, no_drop, NULL), 0);
	assert_int_equal(memory_open(&attached->memory, attached->space), 0);
	*state = userfault >= 0 && marks_possible() && !ioctl(userfault, UFFDIO_API, &api)
			 ? attached
			 : NULL;
	lock_write(&attached->lock);
	return 0;
}

static int teardown(void **state)
{
	const uint64_t places[] = {A, B, C, D, E, F};

	/* Nobody is told any more. */
	close(attached->task.userfault);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		munmap((void *)places[i], BYTES);
		munmap((void *)(places[i] + BYTES), BYTES); /* not where it was sealed */
	}
	close(attached->task.pagemap);
	memory_close(attached->memory);
	space_close(attached->space);
	region_free(&attached->regions);
	limbo_free(&attached->changes.limbo);
	free(attached);
	return 0;
}

static slot_t *slot_at(uint64_t place, unsigned int page)
{
	return memory_look(attached->memory, place + page * (uint64_t)PAGE_BYTES);
}

static desc_t word_of(unsigned int area, unsigned int page)
{
	desc_t word;

	if (!page)
		return DESC_RESIDENT;
	assert_true(desc_make_same(area * PAGES + page, &word));
	return word | DESC_MARKED;
}

static char *map(uint64_t place, uint64_t bytes)
{
	char *at = mmap((void *)place, bytes, PROT_READ | PROT_WRITE,
			MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_equal(at, (void *)place);
	return at;
}

static void map_area(uint64_t place, unsigned int area)
{
	*map(place, BYTES) = 1;
	assert_int_equal(userfault_register(attached->task.userfault, place, BYTES, true), 0);
	assert_int_equal(userfault_mark(attached->task.userfault, place + PAGE_BYTES, PAGES - 1),
			 0);
	assert_int_equal(region_add(&attached->regions, place, place + BYTES), 0);
	for (unsigned int page = 0; page < PAGES; page++)
		atomic_store(memory_bind(attached->memory, place + page * (uint64_t)PAGE_BYTES),
			     word_of(area, page));
}

/* An area that has left as a whole, without marks: the page table shows nothing of it. */
static void map_unseen(uint64_t place, unsigned int area)
{
	map(place, BYTES);
	assert_int_equal(userfault_register(attached->task.userfault, place, BYTES, true), 0);
	assert_int_equal(region_add(&attached->regions, place, place + BYTES), 0);
	for (unsigned int page = 0; page < PAGES; page++)
		atomic_store(memory_bind(attached->memory, place + page * (uint64_t)PAGE_BYTES),
			     word_of(area, page + 1) & ~DESC_MARKED);
}

/* An area that has grown: the second half was never touched, and we know nothing of it. */
static void map_grown(uint64_t place, unsigned int area)
{
	map_area(place, area);
	map(place + BYTES, BYTES);
	assert_int_equal(userfault_register(attached->task.userfault, place, 2 * BYTES, true), 0);
}

static void check_area(uint64_t place, unsigned int area)
{
	uint64_t from, to;

	assert_false(region_gap(&attached->regions, place, place + BYTES, &from, &to));
	for (unsigned int page = 0; page < PAGES; page++)
		assert_true(*slot_at(place, page) == word_of(area, page));
}

static void check_nothing(uint64_t place)
{
	assert_false(region_any(&attached->regions, place, place + BYTES));
	for (unsigned int page = 0; page < PAGES; page++)
		assert_true(!slot_at(place, page) || *slot_at(place, page) == DESC_ABSENT);
}

/* ---- calls, each by a thread ---- */

struct call {
	pthread_t thread;
	uint64_t from, to; /* a move; 0: none */
	uint64_t unmap, bytes;
	bool refused, drop;
	bool grown;  /* twice as long */
	bool leaves; /* an empty mapping where it was */
};

static void *make(void *argument)
{
	struct call *call = argument;
	uint64_t bytes = call->grown ? 2 * BYTES : BYTES;
	int how = MREMAP_MAYMOVE | MREMAP_FIXED | (call->leaves ? MREMAP_DONTUNMAP : 0);

	if (call->unmap && munmap((void *)call->unmap, call->bytes) != (call->refused ? -1 : 0))
		abort();
	if (call->drop && madvise((void *)call->from, call->bytes, MADV_DONTNEED))
		abort();
	if (call->to && mremap((void *)call->from, bytes, bytes, how, call->to) != (void *)call->to)
		abort();
	return NULL;
}

/* When its event is there to be read, what it does is done (but for a drop). */
static void begin(struct call *call)
{
	assert_int_equal(pthread_create(&call->thread, NULL, make, call), 0);
}

static struct uffd_msg next_event(void)
{
	struct pollfd wait = {.fd = attached->task.userfault, .events = POLLIN};
	struct uffd_msg message;

	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	assert_int_equal(read(wait.fd, &message, sizeof(message)), sizeof(message));
	return message;
}

static void wait_for_event(void)
{
	struct pollfd wait = {.fd = attached->task.userfault, .events = POLLIN};

	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
}

static void apply(const struct uffd_msg *message)
{
	event_apply(attached, message);
}

static void read_and_apply(void)
{
	struct uffd_msg message = next_event();

	apply(&message);
}

/* mremap sends one more, for what it left. */
static void end(struct call *call)
{
	struct pollfd wait = {.fd = attached->task.userfault, .events = POLLIN};

	while (pthread_tryjoin_np(call->thread, NULL))
		if (poll(&wait, 1, 1) == 1)
			read_and_apply();
}

/* A page that cannot be unmapped, right behind an area. */
static void seal_behind(uint64_t place)
{
	char *sealed = map(place + BYTES, PAGE_BYTES);

	if (syscall(SYS_mseal, sealed, PAGE_BYTES, 0))
		skip();
}

#define NEEDS_USERFAULT(state) \
	if (!*(state))         \
	skip()

/* ---- tests ---- */

static void test_move(void **state)
{
	struct call move = {.from = A, .to = B};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	begin(&move);
	read_and_apply();
	end(&move);
	check_area(B, 1);
	check_nothing(A);
	assert_true(moved_settle(attached));
	check_area(B, 1);
}

/* B was unmapped before A moved there, and its event is applied last. */
static void test_overtaken(void **state)
{
	struct call unmap = {.unmap = B, .bytes = BYTES}, move = {.from = A, .to = B};
	struct uffd_msg unmapped, moved;

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(B, 2);
	begin(&unmap);
	unmapped = next_event();
	begin(&move);
	moved = next_event();
	apply(&moved);
	check_area(B, 1);
	apply(&unmapped);
	end(&unmap);
	end(&move);
	check_area(B, 1);
	check_nothing(A);
	assert_true(moved_settle(attached));
	check_area(B, 1);
	assert_int_equal(attached_swapped_pages(attached), PAGES - 1);
}

/* The second happens after the first, and is told of before. */
static void tell_turned(struct call *first, struct call *second)
{
	struct uffd_msg one, two, left = {0};

	begin(first);
	one = next_event();
	begin(second);
	two = next_event();
	/* What the first has left may be told of before. */
	if (two.event == UFFD_EVENT_UNMAP) {
		left = two;
		two = next_event();
	}
	apply(&two);
	apply(&one);
	if (left.event)
		apply(&left);
	end(first);
	end(second);
}

/* A moved to B, and then C to A. */
static void test_row(void **state)
{
	struct call first = {.from = A, .to = B}, second = {.from = C, .to = A};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(C, 3);
	tell_turned(&first, &second);
	check_area(A, 3);
	check_area(B, 1);
	check_nothing(C);
}

/* A moved to B, and then C to where its second half was, and on behind it. */
static void test_row_partly(void **state)
{
	struct call first = {.from = A, .to = B}, second = {.from = C, .to = A + BYTES / 2};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(C, 3);
	tell_turned(&first, &second);
	check_area(A + BYTES / 2, 3);
	check_area(B, 1);
	check_nothing(C);
	assert_true(moved_settle(attached));
	check_area(A + BYTES / 2, 3);
	check_area(B, 1);
	assert_int_equal(attached_swapped_pages(attached), 2 * (PAGES - 1));
}

/* A had grown before it moved to B, and then C moved to where it had grown. */
static void test_row_grown(void **state)
{
	struct call first = {.from = A, .to = B, .grown = true};
	struct call second = {.from = C, .to = A + BYTES};

	NEEDS_USERFAULT(state);
	map_grown(A, 1);
	map_area(C, 3);
	tell_turned(&first, &second);
	check_area(A + BYTES, 3);
	check_area(B, 1);
	check_nothing(B + BYTES);
	check_nothing(C);
	assert_true(moved_settle(attached));
	check_area(A + BYTES, 3);
}

/* The same, and the page table shows nothing of what was at C. */
static void test_row_unseen(void **state)
{
	struct call first = {.from = A, .to = B, .grown = true};
	struct call second = {.from = C, .to = A + BYTES};

	NEEDS_USERFAULT(state);
	map_grown(A, 1);
	map_unseen(C, 3);
	tell_turned(&first, &second);
	check_area(B, 1);
	check_nothing(B + BYTES);
	assert_true(*slot_at(A + BYTES, 0) == (word_of(3, 1) & ~DESC_MARKED));
}

/* The kernel tells of it all the same. */
static void test_refused(void **state)
{
	struct call unmap = {.unmap = A, .bytes = BYTES + PAGE_BYTES, .refused = true};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	seal_behind(A);
	begin(&unmap);
	read_and_apply();
	end(&unmap);
	check_area(A, 1);
	assert_true(moved_settle(attached));
	check_area(A, 1);
}

/* ... and its thread moves the mapping on before anybody looks. */
static void test_refused_then_moved(void **state)
{
	struct call call = {
		.unmap = B, .bytes = BYTES + PAGE_BYTES, .refused = true, .from = B, .to = C};
	struct uffd_msg unmapped;

	NEEDS_USERFAULT(state);
	map_area(B, 2);
	seal_behind(B);
	begin(&call);
	unmapped = next_event();
	wait_for_event();
	apply(&unmapped);
	check_nothing(B);
	read_and_apply();
	end(&call);
	check_area(C, 2);
	assert_true(moved_settle(attached));
	check_area(C, 2);
}

/* What was refused to be unmapped had grown; only what we know of waits. */
static void test_refused_grown(void **state)
{
	struct call call = {.unmap = E,
			    .bytes = 2 * BYTES + PAGE_BYTES,
			    .refused = true,
			    .from = E,
			    .to = C,
			    .grown = true};
	struct uffd_msg unmapped;

	NEEDS_USERFAULT(state);
	map_grown(E, 2);
	seal_behind(E + BYTES);
	begin(&call);
	unmapped = next_event();
	wait_for_event();
	apply(&unmapped);
	check_nothing(E);
	read_and_apply();
	end(&call);
	check_area(C, 2);
	check_nothing(C + BYTES);
}

/* Nothing shows that it has moved, and nothing else can have. */
static void test_refused_unseen(void **state)
{
	struct call call = {
		.unmap = D, .bytes = BYTES + PAGE_BYTES, .refused = true, .from = D, .to = C};
	struct uffd_msg unmapped;

	NEEDS_USERFAULT(state);
	map_unseen(D, 2);
	seal_behind(D);
	begin(&call);
	unmapped = next_event();
	wait_for_event();
	apply(&unmapped);
	check_nothing(D);
	read_and_apply();
	end(&call);
	assert_true(*slot_at(C, 0) == (word_of(2, 1) & ~DESC_MARKED));
}

/* What was at B is gone, though nothing shows it: A moved there, on, and at last the empty mapping
 * that it had left there. */
static void test_gone_and_left(void **state)
{
	struct call unmap = {.unmap = B, .bytes = BYTES}, other = {.from = E, .to = F};
	struct call moves[] = {
		{.from = A, .to = B}, {.from = B, .to = C, .leaves = true}, {.from = B, .to = D}};
	struct uffd_msg unmapped;

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_unseen(B, 2);
	map_area(E, 5);
	begin(&unmap);
	unmapped = next_event();
	begin(&other);
	wait_for_event();
	apply(&unmapped);
	assert_int_equal(attached->changes.limbo.count, 1);
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		begin(&moves[i]);
		end(&moves[i]);
	}
	end(&unmap);
	end(&other);
	check_area(C, 1);
	check_nothing(D);
	check_area(F, 5);
	assert_true(moved_settle(attached));
	assert_int_equal(attached_swapped_pages(attached), 2 * (PAGES - 1));
}

/* What was at B is gone, and fits what has come there since and moved on: better than its own
 * slots, since a page of that was dropped, and nobody told. */
static void test_gone_fits_better(void **state)
{
	struct call unmap = {.unmap = B, .bytes = BYTES}, other = {.from = E, .to = F};
	struct call there = {.from = A, .to = B}, on = {.from = B, .to = C};
	struct uffd_msg unmapped;

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(B, 2);
	map_area(E, 5);
	assert_int_equal(userfault_unmark(attached->task.userfault, A + 3 * PAGE_BYTES), 0);
	atomic_store(memory_bind(attached->memory, B + 3 * PAGE_BYTES), DESC_ABSENT);
	begin(&unmap);
	unmapped = next_event();
	begin(&other);
	wait_for_event();
	apply(&unmapped);
	assert_int_equal(attached->changes.limbo.count, 1);
	begin(&there);
	end(&there);
	begin(&on);
	end(&on);
	end(&unmap);
	end(&other);
	check_area(C, 1);
	check_nothing(B);
}

/*
 * A came to where B had been, and has moved on to C; D has come to B by then, and looks the same:
 * so A seems to stand there still. What waits for its UNMAP fits where A is as well.
 */
static void test_stands_by_chance(void **state)
{
	struct call unmap = {.unmap = B, .bytes = BYTES}, there = {.from = A, .to = B};
	struct call on = {.from = B, .to = C}, late = {.from = D, .to = B};
	struct uffd_msg unmapped, moved;

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(B, 2);
	map_area(D, 4);
	begin(&unmap);
	unmapped = next_event();
	begin(&there);
	end(&there);
	check_area(B, 1);
	begin(&on);
	moved = next_event();
	begin(&late);
	while (!msync((void *)D, BYTES, MS_ASYNC))
		sched_yield(); /* until it is there */
	apply(&moved);
	check_area(C, 1);
	end(&on);
	end(&late);
	apply(&unmapped);
	end(&unmap);
	check_area(C, 1);
	check_area(B, 4);
	assert_true(moved_settle(attached));
	assert_int_equal(attached_swapped_pages(attached), 2 * (PAGES - 1));
}

/* What is gone waits while anything is in flight, and no longer. */
static void test_gone(void **state)
{
	struct call unmap = {.unmap = A, .bytes = BYTES}, other = {.from = B, .to = C};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	map_area(B, 2);
	begin(&other);
	wait_for_event();
	begin(&unmap);
	for (int i = 0; i < 2; i++)
		read_and_apply();
	end(&unmap);
	end(&other);
	check_nothing(A);
	check_area(C, 2);
	assert_true(moved_settle(attached));
	assert_int_equal(attached->changes.limbo.count, 0);
	assert_int_equal(attached_swapped_pages(attached), PAGES - 1);
}

/* Told before it happens: the marks show afterwards what went. */
static void test_drop(void **state)
{
	struct call drop = {.from = A, .bytes = BYTES, .drop = true};

	NEEDS_USERFAULT(state);
	map_area(A, 1);
	begin(&drop);
	read_and_apply();
	end(&drop);
	assert_int_equal(attached_swapped_pages(attached), PAGES - 1);
	doubts_settle(attached, true);
	assert_non_null(region_find(&attached->regions, A));
	assert_int_equal(attached_swapped_pages(attached), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overtaken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row_partly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row_grown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_row_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_and_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_then_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_grown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_unseen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_fits_better, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stands_by_chance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
