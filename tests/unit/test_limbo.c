/* SPDX-License-Identifier: MIT */
/*
 * Description: what waits in limbo keeps its slots apart from all others', however many wait; where
 * there is no place the process is killed, and nothing is lost in silence; before bytes are brought
 * back, what nobody will come for is dropped.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pager/program/bring_back.h"
#include "pager/attached/state.h"

#define BASE	 0x7f0000000000ull
#define ITEMS	 200u /* more than there ever were places for */
#define PAGES	 3u
#define BYTES	 (PAGES * (uint64_t)PAGE_BYTES)
#define CLUSTERS (ITEMS * 2 + 8)

static struct pager *pager;
static struct attached *attached;
static unsigned int said;

static void no_drop(void *argument, desc_t word)
{
}

static void say(void *argument, const char *line)
{
	said++;
}

static int setup(void **state)
{
	pager = calloc(1, sizeof(*pager));
	attached = calloc(1, sizeof(*attached));
	assert_non_null(pager);
	assert_non_null(attached);
	pager->config.say = say;
	attached->pager = pager;
	attached->task.pidfd = attached->task.userfault = -1;
	assert_int_equal(space_open(&attached->space, CLUSTERS, no_drop, NULL), 0);
	assert_int_equal(memory_open(&attached->memory, attached->space), 0);
	lock_write(&attached->lock);
	said = 0;
	return 0;
}

static int teardown(void **state)
{
	memory_close(attached->memory);
	space_close(attached->space);
	region_free(&attached->regions);
	limbo_free(&attached->changes.limbo);
	if (attached->task.userfault >= 0)
		close(attached->task.userfault);
	free(attached);
	free(pager);
	return 0;
}

static desc_t word_of(unsigned int item, unsigned int page)
{
	desc_t word;

	assert_true(desc_make_same(1 + item * PAGES + page, &word));
	return word;
}

/* A mapping with swapped pages at those addresses, which are the same for all. */
static void map(unsigned int item)
{
	assert_int_equal(region_add(&attached->regions, BASE, BASE + BYTES), 0);
	for (unsigned int page = 0; page < PAGES; page++)
		atomic_store(memory_bind(attached->memory, BASE + page * (uint64_t)PAGE_BYTES),
			     word_of(item, page));
}

static void check_item(unsigned int item)
{
	uint64_t at = attached->changes.limbo.items[item].at;
	const struct region *region = region_find(&attached->regions, at);

	assert_non_null(region);
	assert_true(region->start == at && region->end == at + BYTES);
	for (unsigned int page = 0; page < PAGES; page++)
		assert_true(*memory_look(attached->memory, at + page * (uint64_t)PAGE_BYTES) ==
			    word_of(item, page));
}

static void test_many(void **state)
{
	for (unsigned int item = 0; item < ITEMS; item++) {
		map(item);
		limbo_put(attached, BASE, BASE + BYTES, LIMBO_COVERED);
	}
	assert_false(attached->task.dead);
	assert_int_equal(attached->changes.limbo.count, ITEMS);
	for (unsigned int item = 0; item < ITEMS; item++)
		check_item(item);
	limbo_drop(attached, attached->changes.limbo.count);
	assert_int_equal(attached_swapped_pages(attached), 0);
	assert_int_equal(attached->regions.count, 0);
}

/* All addresses that limbo has are taken. */
static void test_no_place(void **state)
{
	assert_int_equal(region_add(&attached->regions, 0x100000000000, 0x600000000000), 0);
	map(0);
	limbo_put(attached, BASE, BASE + BYTES, LIMBO_COVERED);
	assert_true(attached->task.dead);
	assert_int_equal(said, 1);
	assert_int_equal(attached->changes.limbo.count, 0);
	assert_int_equal(attached_swapped_pages(attached), PAGES);
}

static void test_bring_back(void **state)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct bring_back work = {.hasty = true};

	attached->task.userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (attached->task.userfault < 0 || ioctl(attached->task.userfault, UFFDIO_API, &api))
		skip();
	map(0);
	limbo_put(attached, BASE, BASE + BYTES, LIMBO_COVERED);
	unlock_write(&attached->lock);
	assert_int_equal(bring_back_pages(attached, &work), 0);
	lock_write(&attached->lock);
	assert_int_equal(attached->changes.limbo.count, 0);
	assert_int_equal(attached_swapped_pages(attached), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bring_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
