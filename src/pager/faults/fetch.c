/* SPDX-License-Identifier: MIT */
#include "pager/faults/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "base/thread.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/faults/fetch_devices.h"
#include "pager/faults/starve.h"

/* Threads, and so reads under way: enough to keep a disk busy. */
#define FETCHERS 4u
/* Pages that are wanted at the same time; the first is for the control thread alone. */
#define REQUESTS    64u
#define STACK_BYTES (256u << 10) /* backend.h: reading takes 80 KiB */
/* Nothing can be installed while an event is in flight: again after this. */
#define CHANGING_NS    50000u
#define NO_MEMORY_NS   5000000u
#define RETRY_FIRST_NS 10000000u
#define RETRY_MOST_NS  500000000u

enum request_state {
	REQUEST_FREE,
	REQUEST_WAITS, /* for `due` */
	REQUEST_READS, /* a thread has it, and will tell who waits for the page */
	REQUEST_ENDS,  /* a thread has it, and may have told already */
};

struct fetch_request {
	enum request_state state;
	struct store_fetch fetch;
	uint64_t attached; /* its id: it may be gone when the bytes are here */
	uint64_t address, since;
	uint64_t due;
	uint64_t failing_ns, pause_ns; /* since when reading fails; 0: not. Until the next try */
	int error;		       /* for good: the page cannot be had */
	bool read;		       /* its bytes are here */
	bool distrusted;	       /* the checksum did not match once */
	uint64_t changing_ns;	       /* since when an event is in its way; 0: not */
	bool wanted;		       /* by a fault, or the evictor: it is tried again */
	bool asked;		       /* by the control thread, which is told after one try */
	bool lose;		       /* and which gives it up then */
};

struct fetch_pool {
	struct pager *pager;
	pthread_mutex_t lock; /* all below; innermost, not held while reading or installing */
	pthread_cond_t wanted, answered;
	bool stop;
	struct fetch_request requests[REQUESTS];
	struct fetch_devices devices;
	bool asker_waits; /* the control thread, for this: */
	int asker_result;
	const struct fetch_device *asker_device;
	unsigned int thread_count;
	pthread_t threads[FETCHERS];
	unsigned char *bytes; /* a page for each request, and whoever has that */
};

static unsigned char *page_of(struct fetch_pool *pool, const struct fetch_request *request)
{
	return pool->bytes + (size_t)(request - pool->requests) * PAGE_BYTES;
}

/* NULL: it is in RAM by now. */
static struct fetch_device *device_of(struct fetch_pool *pool, const struct fetch_request *request)
{
	return fetch_device_find(&pool->devices,
				 store_fetch_backend(pool->pager->store, &request->fetch));
}

/* ---- one request ---- */

static void tell_asker(struct fetch_pool *pool, struct fetch_request *request, int result)
{
	if (!request->asked)
		return;
	request->asked = false;
	pool->asker_waits = false;
	pool->asker_result = result;
	pool->asker_device = device_of(pool, request);
	pthread_cond_broadcast(&pool->answered);
}

static void end(struct fetch_pool *pool, struct fetch_request *request)
{
	tell_asker(pool, request, request->error);
	store_fetch_end(pool->pager->store, &request->fetch);
	request->state = REQUEST_FREE;
}

/* A fault that waited for it is done. */
static void count_fault(struct attached *attached, const struct fetch_request *request)
{
	if (!request->since)
		return;
	latency_add(&attached->pager->figures.latency, monotonic_ns() - request->since);
	atomic_fetch_add_explicit(&attached->count.faults, 1, memory_order_relaxed);
	group_count_fault(attached->group);
}

/* What is known of the page reaches the program, if it still wants it. `for_good`: one that could
 * not be read is given up. */
static enum fault_result conclude(struct fetch_pool *pool, struct fetch_request *request,
				  bool for_good)
{
	struct pager *pager = pool->pager;
	enum fault_result result = FAULT_DONE;
	struct attached *attached;

	pthread_rwlock_rdlock(&pager->listing.serving);
	attached = attached_find(pager, request->attached);
	if (attached && !attached->task.dead && attached_lock_private(attached, request->address)) {
		if (request->read)
			result = fill_fetched(attached, request->address, &request->fetch,
					      page_of(pool, request));
		else
			result = fill_lost(attached, request->address, &request->fetch, for_good);
		unlock_read(&attached->lock);
		starve_mark(attached, &request->changing_ns, result == FAULT_CHANGING);
		if (result == FAULT_DONE)
			count_fault(attached, request);
	}
	pthread_rwlock_unlock(&pager->listing.serving);
	return result;
}

static void put_off(struct fetch_request *request, uint64_t ns)
{
	request->due = monotonic_ns() + ns;
	request->state = REQUEST_WAITS;
}

/* Who else wants the page waits on. False: long enough. */
static bool try_again(struct fetch_request *request)
{
	uint64_t now = monotonic_ns();

	if (!request->failing_ns) {
		request->failing_ns = now;
		request->pause_ns = RETRY_FIRST_NS;
	}
	if (now - request->failing_ns >= FETCH_PATIENCE_NS)
		return false;
	put_off(request, request->pause_ns);
	request->pause_ns =
		request->pause_ns < RETRY_MOST_NS / 2 ? request->pause_ns * 2 : RETRY_MOST_NS;
	return true;
}

/* True: the page cannot be had. Else it is tried again, or nobody wants it. */
static bool has_failed(struct fetch_pool *pool, struct fetch_request *request,
		       struct fetch_device *device, int error)
{
	if (error == -EILSEQ && !request->distrusted) {
		request->distrusted = true;
		put_off(request, 0);
		return false;
	}
	if (error == -EILSEQ) {
		fetch_device_tell_bad(&pool->devices, device);
		return true;
	}
	if (request->lose)
		return true;
	tell_asker(pool, request, error);
	if (!request->wanted) {
		end(pool, request);
		return false;
	}
	fetch_device_tell_failing(&pool->devices, device, error);
	if (try_again(request))
		return false;
	fetch_device_tell_lost(&pool->devices, device, error);
	return true;
}

/* Lock held, but not while it reads. False: it is put off, or has ended. */
static bool read_bytes(struct fetch_pool *pool, struct fetch_request *request)
{
	struct store *store = pool->pager->store;
	struct fetch_device *device = device_of(pool, request);
	int error;

	if (device)
		device->busy++;
	pthread_mutex_unlock(&pool->lock);
	if (request->distrusted)
		store_fetch_distrust(store, &request->fetch);
	error = store_fetch_read(store, &request->fetch, page_of(pool, request));
	pthread_mutex_lock(&pool->lock);
	if (device)
		device->busy--;
	if (error && !has_failed(pool, request, device, error))
		return false;
	request->read = !error;
	request->error = error;
	return true;
}

/* Lock held, but not while it works. */
static void work(struct fetch_pool *pool, struct fetch_request *request)
{
	enum fault_result result;
	bool for_good;

	request->state = REQUEST_READS;
	if (!request->read && !request->error && !read_bytes(pool, request))
		return;
	request->state = REQUEST_ENDS;
	for_good = request->lose || request->error == -EILSEQ;
	pthread_mutex_unlock(&pool->lock);
	result = conclude(pool, request, for_good);
	pthread_mutex_lock(&pool->lock);
	if (result == FAULT_DONE)
		end(pool, request);
	else
		put_off(request, result == FAULT_BRAKED ? NO_MEMORY_NS : CHANGING_NS);
}

/* ---- the threads ---- */

/* The one that is due for longest; else NULL, and when the next one is due (0: none waits). */
static struct fetch_request *next(struct fetch_pool *pool, uint64_t now, uint64_t *due)
{
	struct fetch_request *chosen = NULL;

	*due = 0;
	for (unsigned int i = 0; i < REQUESTS; i++) {
		struct fetch_request *request = &pool->requests[i];

		if (request->state != REQUEST_WAITS ||
		    (!request->read &&
		     fetch_device_is_at_share(&pool->devices, device_of(pool, request), FETCHERS)))
			continue;
		if (!*due || request->due < *due)
			*due = request->due;
		if (request->due <= now && (!chosen || request->due < chosen->due))
			chosen = request;
	}
	return chosen;
}

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, uint64_t ns)
{
	const struct timespec end = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	if (ns)
		pthread_cond_timedwait(condition, lock, &end);
	else
		pthread_cond_wait(condition, lock);
}

static void *fetch_main(void *argument)
{
	struct fetch_pool *pool = argument;
	struct fetch_request *request;
	uint64_t due;

	pthread_setname_np(pthread_self(), "vswap-fetch");
	pthread_mutex_lock(&pool->lock);
	while (!pool->stop) {
		request = next(pool, monotonic_ns(), &due);
		if (request)
			work(pool, request);
		else
			wait_until(&pool->wanted, &pool->lock, due);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static int threads_start(struct fetch_pool *pool)
{
	/* Without a device there are only checksums that do not match. */
	unsigned int most = pool->devices.count ? FETCHERS : 1;
	int error = 0;

	while (pool->thread_count < most && !error) {
		error = thread_start(&pool->threads[pool->thread_count], STACK_BYTES, fetch_main,
				     pool);
		pool->thread_count += !error;
	}
	return error;
}

int fetch_add_device(struct pager *pager, const struct backend *backend)
{
	struct fetch_pool *pool = pager->serve.fetch;

	if (!pool)
		return 0; /* fetch_open finds it */
	pthread_mutex_lock(&pool->lock);
	fetch_device_add(&pool->devices, backend);
	pthread_mutex_unlock(&pool->lock);
	return threads_start(pool);
}

int fetch_open(struct pager *pager)
{
	struct fetch_pool *pool = calloc(1, sizeof(*pool));
	pthread_condattr_t monotonic;
	int error;

	if (!pool)
		return -ENOMEM;
	/* Takes memory as requests need it. */
	pool->bytes = mmap(NULL, (size_t)REQUESTS * PAGE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool->bytes == MAP_FAILED) {
		free(pool);
		return -ENOMEM;
	}
	pool->pager = pager;
	fetch_devices_open(&pool->devices, pager);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->wanted, &monotonic);
	pthread_cond_init(&pool->answered, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pager->serve.fetch = pool;
	error = threads_start(pool);
	if (error)
		fetch_close(pager);
	return error;
}

bool fetch_any(struct pager *pager)
{
	struct fetch_pool *pool = pager->serve.fetch;
	bool any = false;

	pthread_mutex_lock(&pool->lock);
	for (unsigned int i = 0; i < REQUESTS; i++)
		any |= pool->requests[i].state != REQUEST_FREE;
	pthread_mutex_unlock(&pool->lock);
	return any;
}

void fetch_close(struct pager *pager)
{
	struct fetch_pool *pool = pager->serve.fetch;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->wanted);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned int i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	for (unsigned int i = 0; i < REQUESTS; i++)
		if (pool->requests[i].state != REQUEST_FREE)
			store_fetch_end(pager->store, &pool->requests[i].fetch);
	pthread_cond_destroy(&pool->wanted);
	pthread_cond_destroy(&pool->answered);
	pthread_mutex_destroy(&pool->lock);
	munmap(pool->bytes, (size_t)REQUESTS * PAGE_BYTES);
	free(pool);
	pager->serve.fetch = NULL;
}

/* ---- what others call ---- */

/* The request for the same page, else NULL and one that is free, if there is one. */
static struct fetch_request *find(struct fetch_pool *pool, const struct attached *attached,
				  const struct fetch_request *wish, struct fetch_request **unused)
{
	*unused = NULL;
	for (unsigned int i = 0; i < REQUESTS; i++) {
		struct fetch_request *request = &pool->requests[i];

		if (request->state == REQUEST_FREE && (i || wish->asked))
			*unused = request;
		else if (request->state != REQUEST_FREE && request->address == wish->address &&
			 request->attached == attached->task.id)
			return request;
	}
	return NULL;
}

/* Lock held. One that is wanted already is what both wait for. */
static bool join(struct fetch_request *known, const struct fetch_request *wish)
{
	if (known->state == REQUEST_ENDS || (wish->asked && (known->read || known->error)))
		return false;
	known->wanted |= wish->wanted;
	if (!known->since)
		known->since = wish->since;
	if (wish->asked && known->state == REQUEST_WAITS)
		known->due = wish->due;
	known->asked |= wish->asked;
	known->lose |= wish->lose;
	return true;
}

/* Lock held. FAULT_DONE: somebody else's request does it. */
static enum fault_result enter(struct fetch_pool *pool, const struct attached *attached,
			       const struct fetch_request *wish)
{
	struct fetch_request *known, *unused;

	known = find(pool, attached, wish, &unused);
	if (known ? !join(known, wish) : !unused)
		return FAULT_LEAVING;
	if (!known)
		*unused = *wish;
	pool->asker_waits |= wish->asked;
	pthread_cond_signal(&pool->wanted);
	return known ? FAULT_DONE : FAULT_FETCHED;
}

static enum fault_result ask(struct attached *attached, struct fetch_request *wish, slot_t *slot,
			     desc_t word)
{
	struct fetch_pool *pool = attached->pager->serve.fetch;
	struct store *store = attached->pager->store;
	enum fault_result result;
	bool begun;

	if (!pool || !slot_trylock(slot, word))
		return FAULT_CHANGING;
	begun = store_fetch_begin(store, word, &wish->fetch);
	slot_unlock(slot, word);
	if (!begun)
		return FAULT_CHANGING;
	wish->state = REQUEST_WAITS;
	wish->attached = attached->task.id;
	wish->due = monotonic_ns();
	pthread_mutex_lock(&pool->lock);
	result = enter(pool, attached, wish);
	pthread_mutex_unlock(&pool->lock);
	if (result != FAULT_FETCHED)
		store_fetch_end(store, &wish->fetch);
	return result == FAULT_DONE ? FAULT_FETCHED : result;
}

enum fault_result fetch_ask(struct attached *attached, uint64_t address, slot_t *slot, desc_t word,
			    uint64_t since)
{
	struct fetch_request wish = {.address = address, .since = since, .wanted = true};

	assert_reading(&attached->lock);
	return ask(attached, &wish, slot, word);
}

enum fault_result fetch_ask_once(struct attached *attached, uint64_t address, slot_t *slot,
				 desc_t word, bool lose)
{
	struct fetch_request wish = {.address = address, .asked = true, .lose = lose};

	assert_reading(&attached->lock);
	return ask(attached, &wish, slot, word);
}

int fetch_wait(struct pager *pager, uint64_t timeout_ns, const char **device)
{
	struct fetch_pool *pool = pager->serve.fetch;
	uint64_t end_ns = monotonic_ns() + timeout_ns, next_ns;
	int result;

	pthread_mutex_lock(&pool->lock);
	while (pool->asker_waits && monotonic_ns() < end_ns) {
		next_ns = monotonic_ns() + PAGER_MEANWHILE_NS;
		wait_until(&pool->answered, &pool->lock, next_ns < end_ns ? next_ns : end_ns);
		if (monotonic_ns() < next_ns)
			continue;
		pthread_mutex_unlock(&pool->lock);
		pager_meanwhile(pager);
		pthread_mutex_lock(&pool->lock);
	}
	result = pool->asker_waits ? -ETIMEDOUT : pool->asker_result;
	for (unsigned int i = 0; pool->asker_waits && i < REQUESTS; i++) {
		if (pool->requests[i].asked)
			pool->asker_device = device_of(pool, &pool->requests[i]);
		pool->requests[i].asked = pool->requests[i].lose = false;
	}
	pool->asker_waits = false;
	if (result)
		*device = fetch_device_name(pool->asker_device);
	pthread_mutex_unlock(&pool->lock);
	return result;
}
