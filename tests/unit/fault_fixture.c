// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/kernel.h"
#include "fault_fixture.h"
#include "pager/attached/userfault.h"

#define BASE	 0x10000u /* number of the first page: what sanitizers leave free */
#define FEATURES (UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_POISON | UFFD_FEATURE_WP_ASYNC)
#define HANG_S	 20

struct toucher toucher;
struct pager *pager;
struct attached *attached;
struct fill_buffers *buffers;

static unsigned char staged[2 * PAGE_BYTES];
static struct store_fetch fetching;
static unsigned int fetching_page;
static int userfault;
static bool permitted;
static _Thread_local sigjmp_buf *back;
static _Thread_local volatile sig_atomic_t caught;

uint64_t address_of(unsigned int page)
{
	return (uint64_t)(BASE + page) << PAGE_SHIFT;
}

void *at(unsigned int page)
{
	return (void *)(uintptr_t)address_of(page);
}

static void attached_open(struct fixture *f)
{
	pager = calloc(1, sizeof(*pager));
	attached = calloc(1, sizeof(*attached));
	buffers = fill_buffers_new();
	assert_true(pager && attached && buffers);
	pager->store = f->store;
	pager->space = attached->space = f->space;
	pager->budget.target_pages = pager->budget.brake_pages = INT64_MAX;
	attached->pager = pager;
	attached->memory = f->memory;
	attached->task.has_agent = true;
	attached->task.userfault = userfault;
	attached->target.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	attached->batch.bytes = staged;
	assert_int_equal(region_add(&attached->regions, address_of(0), address_of(GROWN)), 0);
}

int begin(void **state)
{
	struct uffdio_api api = {.api = UFFD_API, .features = FEATURES};

	alarm(HANG_S);
	assert_int_equal(setup(state), 0);
	userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	attached_open(*state);
	assert_ptr_equal(mmap(at(0), PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 at(0));
	permitted = userfault >= 0 && !ioctl(userfault, UFFDIO_API, &api) &&
		    !userfault_register(userfault, address_of(0), PAGES * PAGE_BYTES, true);
	return 0;
}

static void fetch_end(void)
{
	if (fetching.word)
		store_fetch_end(pager->store, &fetching);
	fetching.word = 0;
}

int end(void **state)
{
	fetch_end();
	close(userfault); /* whoever sleeps goes on */
	if (toucher.runs)
		join();
	munmap(at(0), PAGES * PAGE_BYTES);
	close(attached->target.pagemap);
	region_free(&attached->regions);
	fill_buffers_free(buffers);
	free(attached);
	free(pager);
	alarm(0);
	return teardown(state);
}

struct fixture *fixture_of(void **state)
{
	if (!permitted)
		skip();
	return *state;
}

slot_t *slot_of(unsigned int page)
{
	return memory_bind(attached->memory, address_of(page));
}

void check(unsigned int page, bool there, desc_t word)
{
	unsigned char resident;

	assert_int_equal(mincore(at(page), PAGE_BYTES, &resident), 0);
	assert_int_equal(resident & 1, there);
	assert_int_equal(*slot_of(page), word);
}

desc_t store_page(struct fixture *f, unsigned int page, uint64_t number)
{
	put(f, BASE + page, number);
	return *slot_of(page);
}

void put_page(unsigned int page, uint64_t number)
{
	unsigned char bytes[PAGE_BYTES];

	pattern_fill(number, bytes);
	assert_int_equal(userfault_copy(userfault, address_of(page), bytes, 1, true), 1);
}

void expect_run(unsigned int page, uint32_t pages)
{
	attached->streams[0] = (struct streams){0};
	stream_done(&attached->streams[0], 0, address_of(page), pages / 2);
}

static void on_signal(int signal)
{
	if (!back)
		abort();
	caught = signal;
	siglongjmp(*back, 1);
}

static void *touch_main(void *argument)
{
	sigjmp_buf here;

	back = &here;
	if (!sigsetjmp(here, 1)) {
		if (toucher.write)
			*(volatile unsigned char *)at(toucher.page) = 0;
		memcpy(toucher.bytes, at(toucher.page), PAGE_BYTES);
	}
	toucher.signal = caught;
	return NULL;
}

static void start_touch(unsigned int page, bool write)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	toucher.page = page;
	toucher.write = write;
	assert_int_equal(pthread_create(&toucher.thread, NULL, touch_main, NULL), 0);
	toucher.runs = true;
}

void start(unsigned int page)
{
	start_touch(page, false);
}

int join(void)
{
	toucher.runs = false;
	pthread_join(toucher.thread, NULL);
	return toucher.signal;
}

void check_read(uint64_t number)
{
	assert_int_equal(join(), 0);
	assert_true(pattern_matches(number, toucher.bytes));
}

static struct uffd_msg next_message(void)
{
	struct pollfd wait = {.fd = userfault, .events = POLLIN};
	struct uffd_msg message;

	assert_int_equal(poll(&wait, 1, -1), 1);
	assert_int_equal(read(userfault, &message, sizeof(message)), sizeof(message));
	return message;
}

int next_event(void)
{
	return next_message().event;
}

struct fault fault_at(unsigned int page, bool write)
{
	return (struct fault){
		.attached = attached,
		.streams = &attached->streams[0],
		.address = address_of(page),
		.write = write,
	};
}

struct fault next_fault(void)
{
	struct uffd_msg message = next_message();

	assert_int_equal(message.event, UFFD_EVENT_PAGEFAULT);
	assert_int_equal(message.arg.pagefault.address & PAGE_MASK, address_of(toucher.page));
	return fault_at(toucher.page, message.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE);
}

struct fault touch(unsigned int page, bool write)
{
	start_touch(page, write);
	return next_fault();
}

enum fault_result serve(struct fault fault)
{
	enum fault_result result;

	lock_write(&attached->lock);
	assert_true(attached_own_slot(attached, fault.address));
	lock_downgrade(&attached->lock);
	buffers->quiet = true;
	buffers->installed = 1;
	result = fault_serve(&fault, buffers);
	buffers->quiet = false;
	unlock_read(&attached->lock);
	return result;
}

enum fault_result serve_growth(unsigned int page)
{
	struct fault fault = fault_at(page, false);
	enum fault_result result;

	lock_write(&attached->lock);
	result = fault_serve_growth(&fault, buffers);
	unlock_write(&attached->lock);
	return result;
}

void check_served(struct fault fault, unsigned int pages, uint64_t number)
{
	assert_int_equal(serve(fault), FAULT_DONE);
	assert_int_equal(buffers->installed, pages);
	check(toucher.page, true, CAME_IN);
	userfault_wake(userfault, fault.address, buffers->installed);
	check_read(number);
}

void fetch(unsigned int page)
{
	slot_t *slot = slot_of(page);
	desc_t word = slot_lock(slot);

	fetch_end();
	assert_true(store_fetch_begin(pager->store, word, &fetching));
	fetching_page = page;
	slot_unlock(slot, word);
}

enum fault_result fetched(void)
{
	unsigned char bytes[PAGE_BYTES];
	enum fault_result result;

	assert_int_equal(store_fetch_read(pager->store, &fetching, bytes), 0);
	lock_read(&attached->lock);
	result = fill_fetched(attached, address_of(fetching_page), &fetching, bytes);
	unlock_read(&attached->lock);
	return result;
}

enum fault_result lost(bool for_good)
{
	enum fault_result result;

	lock_read(&attached->lock);
	result = fill_lost(attached, address_of(fetching_page), &fetching, for_good);
	unlock_read(&attached->lock);
	return result;
}
