/* SPDX-License-Identifier: MIT */
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
#include "pager/changes/who.h"

#include "moved_fixture.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define FEATURES                                                                           \
	(UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP | \
	 UFFD_FEATURE_WP_ASYNC)

/* Longer than any event takes. */
#define WAIT_MS 20000

static struct pager pager;
struct attached *attached;

static void no_drop(void *argument, desc_t word)
{
}

int setup(void **state)
{
	struct uffdio_api api = {.api = UFFD_API, .features = FEATURES};
	int userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	attached = calloc(1, sizeof(*attached));
	assert_non_null(attached);
	pager.evict.marks = true;
	attached->pager = &pager;
	attached->task.pid = getpid();
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

int teardown(void **state)
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

slot_t *slot_at(uint64_t place, unsigned int page)
{
	return memory_look(attached->memory, place + page * (uint64_t)PAGE_BYTES);
}

desc_t word_of(unsigned int area, unsigned int page)
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

void map_area(uint64_t place, unsigned int area)
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
void map_unseen(uint64_t place, unsigned int area)
{
	map(place, BYTES);
	assert_int_equal(userfault_register(attached->task.userfault, place, BYTES, true), 0);
	assert_int_equal(region_add(&attached->regions, place, place + BYTES), 0);
	for (unsigned int page = 0; page < PAGES; page++)
		atomic_store(memory_bind(attached->memory, place + page * (uint64_t)PAGE_BYTES),
			     word_of(area, page + 1) & ~DESC_MARKED);
}

/* An area that has grown: the second half was never touched, and we know nothing of it. */
void map_grown(uint64_t place, unsigned int area)
{
	map_area(place, area);
	map(place + BYTES, BYTES);
	assert_int_equal(userfault_register(attached->task.userfault, place, 2 * BYTES, true), 0);
}

void check_area(uint64_t place, unsigned int area)
{
	uint64_t from, to;

	assert_false(region_gap(&attached->regions, place, place + BYTES, &from, &to));
	for (unsigned int page = 0; page < PAGES; page++)
		assert_true(*slot_at(place, page) == word_of(area, page));
}

void check_nothing(uint64_t place)
{
	assert_false(region_any(&attached->regions, place, place + BYTES));
	for (unsigned int page = 0; page < PAGES; page++)
		assert_true(!slot_at(place, page) || *slot_at(place, page) == DESC_ABSENT);
}

/* ---- calls, each by a thread ---- */

static void *make(void *argument)
{
	struct call *call = argument;
	uint64_t bytes = call->grown ? 2 * BYTES : BYTES;
	int how = MREMAP_MAYMOVE | MREMAP_FIXED | (call->leaves ? MREMAP_DONTUNMAP : 0);

	if (call->unmap && munmap((void *)call->unmap, call->bytes) != (call->refused ? -1 : 0))
		abort();
	if (call->drop && madvise((void *)call->from, call->bytes, MADV_DONTNEED))
		abort();
	if (call->to && mremap((void *)call->from, bytes, call->grows ? 2 * bytes : bytes, how,
			       call->to) != (void *)call->to)
		abort();
	return NULL;
}

/* When its event is there to be read, what it does is done (but for a drop). */
void begin(struct call *call)
{
	assert_int_equal(pthread_create(&call->thread, NULL, make, call), 0);
}

struct uffd_msg next_event(void)
{
	struct pollfd wait = {.fd = attached->task.userfault, .events = POLLIN};
	struct uffd_msg message;

	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	who_watch(attached);
	assert_int_equal(read(wait.fd, &message, sizeof(message)), sizeof(message));
	return message;
}

void wait_for_event(void)
{
	struct pollfd wait = {.fd = attached->task.userfault, .events = POLLIN};

	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
}

void apply(const struct uffd_msg *message)
{
	event_apply(attached, message);
}

void apply_by(const struct uffd_msg *message, pid_t thread, uint64_t since)
{
	const struct remap remap = {
		.from = message->arg.remap.from,
		.to = message->arg.remap.to,
		.length = message->arg.remap.len,
		.mover = {thread, since},
	};

	assert_int_equal(message->event, UFFD_EVENT_REMAP);
	moved_apply(attached, &remap);
}

void read_and_apply(void)
{
	struct uffd_msg message = next_event();

	apply(&message);
}

/* mremap sends one more, for what it left. */
void end(struct call *call)
{
	struct pollfd wait = {.fd = attached->task.userfault, .events = POLLIN};

	while (pthread_tryjoin_np(call->thread, NULL))
		if (poll(&wait, 1, 1) == 1)
			read_and_apply();
}

/* A page that cannot be unmapped, right behind an area. */
void seal_behind(uint64_t place)
{
	char *sealed = map(place + BYTES, PAGE_BYTES);

	if (syscall(SYS_mseal, sealed, PAGE_BYTES, 0))
		skip();
}
