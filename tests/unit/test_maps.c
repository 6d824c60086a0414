/* SPDX-License-Identifier: MIT */
/* Description: mappings and present pages of this very process are found as they are. */
#include <stdarg.h>
#include <setjmp.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/maps.h"
#include "attach/marks.h"
#include "base/kernel.h"

#define PAGE 4096ul

static const struct mapping *find(const struct maps *maps, const void *address)
{
	for (size_t i = 0; i < maps->count; i++) {
		if (maps->items[i].start <= (uintptr_t)address &&
		    (uintptr_t)address < maps->items[i].end)
			return &maps->items[i];
	}
	return NULL;
}

static char *map(size_t pages, int protection, int flags)
{
	/* Two pages without access around it keep it apart from its neighbours. */
	char *at = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	at = mmap(at + PAGE, pages * PAGE, protection, MAP_FIXED | MAP_ANONYMOUS | flags, -1, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static void map_over(char *page)
{
	assert_ptr_equal(mmap(page, PAGE, PROT_NONE, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, -1, 0),
			 page);
}

static void test_pageable(void **state)
{
	char *plain = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *read_only = map(4, PROT_READ, MAP_PRIVATE);
	char *shared = map(4, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *code = map(4, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE);
	struct maps maps = {0};
	int on_stack = 0;

	assert_int_equal(maps_read(getpid(), &maps), 0);
	assert_true(find(&maps, plain)->pageable);
	assert_int_equal(find(&maps, plain)->start, (uintptr_t)plain);
	assert_int_equal(find(&maps, plain)->end, (uintptr_t)plain + 4 * PAGE);
	assert_false(find(&maps, read_only)->pageable);
	assert_false(find(&maps, shared)->pageable);
	assert_true(find(&maps, code)->pageable && find(&maps, code)->code);
	assert_false(find(&maps, plain)->code);
	assert_true(maps.code_bytes >= 4 * PAGE);
	assert_false(find(&maps, plain - 1)->pageable);
	assert_true(find(&maps, &on_stack)->stack);
	assert_false(find(&maps, plain)->stack);
	assert_false(find(&maps, (void *)(uintptr_t)test_pageable)->pageable);
	/* Used again, it says how things are now. */
	munmap(plain, 4 * PAGE);
	assert_int_equal(maps_read(getpid(), &maps), 0);
	assert_null(find(&maps, plain));
	assert_int_equal(maps_read(0x3fffff00, &maps), -ESRCH);
	maps_free(&maps);
}

/* Protected parts belong to a pageable mapping that they touch, however far; others to nobody. */
static void test_joins(void **state)
{
	char *row = map(6, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *alone = map(2, PROT_READ, MAP_PRIVATE);
	struct maps maps = {0};
	struct mapping now;
	uint64_t next;
	int fd = maps_open(getpid());

	/* A shared page on both sides ends the row. */
	map_over(alone - PAGE);
	map_over(alone + 2 * PAGE);
	assert_int_equal(mprotect(row + 2 * PAGE, 2 * PAGE, PROT_READ), 0);
	assert_int_equal(mprotect(row + 4 * PAGE, 2 * PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(row + 5 * PAGE, PAGE, PROT_READ | PROT_EXEC), 0);
	assert_int_equal(maps_read(getpid(), &maps), 0);
	assert_true(find(&maps, row)->pageable);
	assert_true(find(&maps, row + 2 * PAGE)->joins);
	assert_true(find(&maps, row + 4 * PAGE)->joins);
	assert_false(find(&maps, row + 2 * PAGE)->pageable);
	assert_false(find(&maps, alone)->joins);
	assert_true(find(&maps, row + 5 * PAGE)->joins);
	assert_true(fd >= 0);
	if (maps_query(fd, (uintptr_t)row, &now) != -ENOTTY) {
		assert_true(now.pageable && now.start == (uintptr_t)row);
		assert_int_equal(now.end, (uintptr_t)row + 2 * PAGE);
		assert_int_equal(maps_query(fd, (uintptr_t)row + 3 * PAGE, &now), 0);
		assert_true(now.joins && !now.pageable);
		assert_int_equal(maps_query(fd, (uintptr_t)test_joins, &now), 0);
		assert_false(now.joins || now.pageable);
		assert_int_equal(maps_query(fd, PAGE, &now), -ENOENT);
		assert_int_equal(maps_query_next(fd, (uintptr_t)row + PAGE, &next), 0);
		assert_int_equal(next, (uintptr_t)row + PAGE);
		assert_int_equal(maps_query_next(fd, PAGE, &next), 0);
		assert_int_equal(next, maps.items[0].start);
	}
	close(fd);
	maps_free(&maps);
}

struct wiped {
	uint64_t start, end;
	unsigned int count;
};

static void note_wipe(void *argument, uint64_t start, uint64_t end)
{
	struct wiped *wiped = argument;

	wiped->start = start;
	wiped->end = end;
	wiped->count++;
}

static void test_flags(void **state)
{
	char *plain = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *locked = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *device = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *wipe = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct wiped wiped = {0};
	struct maps maps = {0};

	assert_int_equal(maps_read(getpid(), &maps), 0);
	if (syscall(SYS_mlock, locked, 4 * PAGE)) /* the address sanitizer makes mlock do nothing */
		locked = NULL;			  /* not allowed to */
	assert_int_equal(madvise(device, 4 * PAGE, MADV_DONTFORK), 0);
	assert_int_equal(madvise(wipe, 4 * PAGE, MADV_WIPEONFORK), 0);
	assert_int_equal(maps_check_flags(getpid(), &maps, note_wipe, &wiped), 0);
	assert_true(find(&maps, plain)->pageable);
	if (locked)
		assert_false(find(&maps, locked)->pageable);
	assert_false(find(&maps, device)->pageable);
	assert_true(find(&maps, wipe)->pageable);
	assert_int_equal(wiped.count, 1);
	assert_int_equal(wiped.start, (uintptr_t)wipe);
	assert_int_equal(wiped.end, (uintptr_t)wipe + 4 * PAGE);
	/* A mapping that was split since it was read is not judged by a part of it. */
	assert_int_equal(mprotect(plain + PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(maps_check_flags(getpid(), &maps, NULL, NULL), 0);
	assert_false(find(&maps, plain)->pageable);
	maps_free(&maps);
}

struct seen {
	uint64_t start;
	bool pages[2048];
};

static void note_run(void *argument, uint64_t start, uint64_t end)
{
	struct seen *seen = argument;

	for (; start < end; start += PAGE)
		seen->pages[(start - seen->start) / PAGE] = true;
}

static void test_present(void **state)
{
	static struct seen seen;
	char *memory = map(2048, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool present[512];

	assert_true(pagemap >= 0);
	madvise(memory, 2048 * PAGE, MADV_NOHUGEPAGE);
	for (unsigned int i = 0; i < 2048; i += i % 7 + 1)
		memory[i * PAGE] = 1;
	/* Reading maps the zero page: that is present too. */
	(void)*(volatile char *)(memory + 2047 * PAGE);
	seen.start = (uintptr_t)memory;
	assert_int_equal(maps_present(pagemap, (uintptr_t)memory, (uintptr_t)memory + 2048 * PAGE,
				      note_run, &seen),
			 0);
	for (unsigned int i = 0, next = 0; i < 2047; i++) {
		assert_int_equal(seen.pages[i], i == next);
		if (i == next)
			next += next % 7 + 1;
	}
	assert_true(seen.pages[2047]);
	for (unsigned int at = 0; at < 2048; at += 512) {
		assert_int_equal(
			maps_present_pages(pagemap, (uintptr_t)memory + at * PAGE, 512, present),
			0);
		assert_memory_equal(present, seen.pages + at, sizeof(present));
	}
	assert_int_equal(maps_present_pages(pagemap, (uintptr_t)memory, 513, present), -EINVAL);
	assert_int_equal(maps_present_pages(pagemap, (uintptr_t)memory, 0, present), -EINVAL);
	close(pagemap);
}

/* Two pages that were only read are one page of the kernel's: not every kernel does that. */
static bool are_zero_page(int pagemap, uint64_t start)
{
	uint64_t entries[2];

	assert_int_equal(pread(pagemap, entries, sizeof(entries), (off_t)(start / PAGE * 8)),
			 sizeof(entries));
	return entries[0] == entries[1];
}

/* Read only, written, both, and not at all. */
static void test_written(void **state)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char *memory = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t start = (uintptr_t)memory;

	assert_true(pagemap >= 0);
	madvise((void *)memory, 8 * PAGE, MADV_NOHUGEPAGE);
	for (unsigned int i = 0; i < 4; i++)
		memory[i * PAGE] = 1;
	for (unsigned int i = 4; i < 6; i++)
		assert_int_equal(memory[i * PAGE], 0);
	if (!are_zero_page(pagemap, start + 4 * PAGE))
		skip();
	assert_true(maps_written(pagemap, start, 4));
	assert_true(maps_written(pagemap, start + 3 * PAGE, 1));
	assert_false(maps_written(pagemap, start, 5));
	assert_false(maps_written(pagemap, start + 4 * PAGE, 1));
	assert_false(maps_written(pagemap, start + 6 * PAGE, 1));
	memory[5 * PAGE] = 1;
	assert_false(maps_written(pagemap, start, 6));
	memory[4 * PAGE] = 1;
	assert_true(maps_written(pagemap, start, 6));
	munmap((void *)memory, 8 * PAGE);
	close(pagemap);
}

/* Empty is what a COPY may be put on: also where a mark is, not where a guard is or a page. */
static void test_empty(void **state)
{
	int userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC};
	char *pages = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
	struct uffdio_register range = {
		.range = {.start = (uintptr_t)pages, .len = 4 * PAGE},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect mark = {
		.range = {.start = (uintptr_t)pages + PAGE, .len = PAGE},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int pagemap = open("/proc/self/pagemap", O_RDONLY);

	if (!marks_possible())
		skip();
	assert_int_equal(ioctl(userfault, UFFDIO_API, &api), 0);
	assert_int_equal(ioctl(userfault, UFFDIO_REGISTER, &range), 0);
	assert_int_equal(ioctl(userfault, UFFDIO_WRITEPROTECT, &mark), 0);
	assert_int_equal(maps_marked(pagemap, (uintptr_t)pages + PAGE, 2), 1);
	assert_int_equal(maps_marked(pagemap, (uintptr_t)&pagemap & -PAGE, 1), -ENXIO);
	assert_int_equal(maps_empty(pagemap, (uintptr_t)pages, 4), 4);
	assert_int_equal(maps_empty(pagemap, (uintptr_t)pages + PAGE, 1), 1);
	assert_int_equal(madvise(pages + 2 * PAGE, PAGE, MADV_GUARD_INSTALL), 0);
	assert_int_equal(maps_empty(pagemap, (uintptr_t)pages, 4), 2);
	assert_int_equal(maps_empty(pagemap, (uintptr_t)pages + 2 * PAGE, 1), 0);
	close(userfault);
	pages[3 * PAGE] = 1;
	assert_int_equal(maps_empty(pagemap, (uintptr_t)pages + 3 * PAGE, 1), 0);
	close(pagemap);
}

static void test_size(void **state)
{
	char *memory = map(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	struct process_size before, after;

	assert_true(statm >= 0);
	assert_int_equal(maps_size(statm, &before), 0);
	memset(memory, 1, 4096 * PAGE);
	assert_int_equal(maps_size(statm, &after), 0);
	assert_int_equal(after.total, before.total);
	/* The kernel counts by thread and in steps. */
	assert_true(after.anonymous - before.anonymous > 3500 * PAGE);
	assert_true(after.anonymous - before.anonymous < 4700 * PAGE);
	close(statm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pageable), cmocka_unit_test(test_joins),
		cmocka_unit_test(test_flags),	 cmocka_unit_test(test_present),
		cmocka_unit_test(test_empty),	 cmocka_unit_test(test_size),
		cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
