/* SPDX-License-Identifier: MIT */
#include "pager/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "attach/allowed.h"
#include "attach/marks.h"
#include "base/clock.h"
#include "base/proc.h"
#include "pager/attached/fill.h"
#include "pager/attached/kick.h"
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/backends.h"
#include "pager/job/budget.h"
#include "pager/job/groups.h"
#include "pager/job/tree.h"
#include "pager/left.h"
#include "pager/program/bring_back.h"
#include "pager/program/release.h"
#include "pager/threads.h"

/* Between looks whether a debugger has left. */
#define DEBUGGER_LOOK_US 100000
#define LEAST_LIMIT	 (16u << 20)
#define CLUSTERS	 (1u << 26) /* 4 TiB of pages */
#define SEGMENTS	 (1u << 20) /* 1 TiB of stored bytes */
#define RAM_HIGHEST	 (1ull << 40)

uint64_t pager_least_limit(void)
{
	return LEAST_LIMIT;
}

static int open_backends(struct pager *pager, char message[MESSAGE_BYTES])
{
	const struct pager_config *config = &pager->config;

	for (unsigned int i = 0; i < config->backend_count; i++) {
		const struct backend_spec *spec = &config->backends[i];
		int error;

		if (!strcmp(spec->kind, "ram")) {
			if (spec->size && spec->size < pager->budget.ram_highest)
				pager->budget.ram_highest = spec->size;
			continue;
		}
		if (pager->backends.count == BACKEND_MOST)
			return explain(message, -EINVAL, "at most %d backends", BACKEND_MOST);
		error = backend_open(spec, &pager->backends.items[pager->backends.count], message);
		if (error)
			return error;
		pager->backends.count++;
		pager->backends.in_use++;
		if (message[0])
			pager_say(pager, "%s", message);
	}
	return 0;
}

static int open_store(struct pager *pager)
{
	struct store_config config = {
		.ram_bytes = pager->config.limit_bytes / 2,
		.ram_bytes_highest = pager->budget.ram_highest,
		.segments = SEGMENTS,
		.in_place = !pager->backends.count,
	};
	struct tier_config tier = {
		.backends = pager->backends.items,
		.backend_count = pager->backends.count,
		.say = pager->config.say,
		.say_argument = pager->config.say_argument,
	};
	int error;

	for (unsigned int i = 0; i < pager->backends.count; i++)
		config.seals |= pager->backends.items[i]->seals;
	error = store_open(&pager->store, &config, CLUSTERS);
	if (error)
		return error;
	pager->space = store_space(pager->store);
	tier.store = pager->store;
	error = store_writer_open(pager->store, &pager->evict.writer);
	if (!error)
		error = tier_open(&pager->tier, &tier);
	return error;
}

static void init_locks(struct pager *pager)
{
	pthread_rwlockattr_t attributes;

	pthread_mutex_init(&pager->listing.lock, NULL);
	pthread_cond_init(&pager->listing.evicting_changed, NULL);
	/* Servers come and go all the time: who waits for a moment without them must get it. */
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&pager->listing.serving, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

int pager_open(struct pager **out, const struct pager_config *config, char message[MESSAGE_BYTES])
{
	struct pager *pager = calloc(1, sizeof(*pager));
	int error = -ENOMEM;

	message[0] = 0;
	if (!pager)
		goto failed;
	pager->config = *config;
	pager->budget.limit_bytes = config->limit_bytes;
	pager->budget.ram_highest = RAM_HIGHEST;
	pager->budget.brake_ns = BRAKE_NS;
	pager->figures.exit_status = pager->evict.loadavg = -1;
	pager->figures.opened_ns = monotonic_ns();
	pager->evict.marks = marks_possible();
	init_locks(pager);
	pager->budget.own_statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	pager->evict.loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	pager->job.buffers = fill_buffers_new();
	pager->evict.buffers = fill_buffers_new();
	if (pager->budget.own_statm < 0)
		error = -errno;
	if (pager->budget.own_statm < 0 || !pager->job.buffers || !pager->evict.buffers)
		goto failed;
	error = keepers_start(&pager->job.keepers);
	if (!error)
		error = left_open(pager);
	if (!error)
		error = open_backends(pager, message);
	if (!error)
		error = open_store(pager);
	if (error)
		goto failed;
	budget_refresh(pager);
	tree_ignore_own(pager);
	*out = pager;
	return 0;
failed:
	if (!message[0])
		explain(message, 0, "cannot set up the swap space: %s%s", strerror(-error),
			pager_limit_hint(error));
	if (pager)
		pager_close(pager);
	return error;
}

void pager_close(struct pager *pager)
{
	threads_stop(pager);
	for (size_t i = 0; i < pager->listing.count; i++) {
		pager_kill(pager->listing.items[i]); /* without us it would read zeros */
		attached_free(pager->listing.items[i]);
	}
	free(pager->listing.items);
	free(pager->doomed.files);
	tree_close(pager);
	left_close(pager);
	groups_free(&pager->job.groups);
	backends_end(pager);
	if (pager->tier)
		tier_close(pager->tier);
	if (pager->evict.writer)
		store_writer_close(pager->evict.writer);
	if (pager->store)
		store_close(pager->store);
	for (unsigned int i = 0; i < pager->backends.count; i++)
		if (pager->backends.items[i])
			backend_close(pager->backends.items[i]);
	keepers_stop(pager->job.keepers);
	fill_buffers_free(pager->job.buffers);
	fill_buffers_free(pager->evict.buffers);
	maps_free(&pager->job.maps);
	if (pager->budget.own_statm >= 0)
		close(pager->budget.own_statm);
	if (pager->evict.loadavg >= 0)
		close(pager->evict.loadavg);
	free(pager);
}

int pager_adopt(struct pager *pager, pid_t pid, char message[MESSAGE_BYTES])
{
	int error = attach_allowed(pid, message);

	if (error)
		return error;
	pager->job.tree.alone = pager->config.no_children;
	error = tree_open(pager, pid, groups_inherited);
	return error ? explain(message, error, "cannot watch process %d: %s", pid, strerror(-error))
		     : 0;
}

void pager_keeper_polls(const struct pager *pager, struct pollfd polls[PAGER_KEEPERS])
{
	_Static_assert(PAGER_KEEPERS == KEEPERS, "a poll for each keeper");
	keepers_polls(pager->job.keepers, polls);
}

bool pager_has_processes(struct pager *pager)
{
	return pager->job.tree.count || pager->listing.count;
}

void pager_adjust_limit(struct pager *pager, uint64_t bytes)
{
	pager->budget.limit_bytes = bytes;
	pager->budget.no_room = false;
	budget_refresh(pager);
	evictor_kick(pager);
}

void pager_set_strict(struct pager *pager, bool strict)
{
	pager->budget.strict = strict;
}

/* Pages may leave again. */
static void resume(struct pager *pager)
{
	struct attached *attached;

	pager->budget.paused = false;
	for (size_t i = 0; (attached = attached_at(pager, i)); i++)
		attached->evict.paused = attached->evict.refused != NULL;
}

int pager_set_limit(struct pager *pager, uint64_t bytes, char message[MESSAGE_BYTES])
{
	if (bytes < LEAST_LIMIT)
		return explain(message, -EINVAL, "the budget must be at least %u MiB",
			       LEAST_LIMIT >> 20);
	resume(pager);
	pager_adjust_limit(pager, bytes);
	return 0;
}

/* Progress over all processes. */
struct thaw {
	pager_progress_fn progress;
	void *argument;
	uint64_t total, others; /* pages: in all at the start, and left in those to come */
};

static void thaw_progress(void *argument, uint64_t left)
{
	const struct thaw *thaw = argument;

	left += thaw->others;
	thaw->progress(thaw->argument, (thaw->total > left ? thaw->total - left : 0) << PAGE_SHIFT,
		       thaw->total << PAGE_SHIFT);
}

static uint64_t count_swapped(struct attached *attached)
{
	uint64_t pages;

	lock_read(&attached->lock);
	pages = attached_swapped_pages(attached);
	unlock_read(&attached->lock);
	return pages;
}

static int bring_back_one(struct attached *attached, bool lose, struct thaw *thaw,
			  char message[MESSAGE_BYTES])
{
	struct bring_back work = {
		.progress = thaw->progress ? thaw_progress : NULL, .argument = thaw, .lose = lose};
	int error = bring_back_pages(attached, &work);

	/* One that ends meanwhile is no failure. */
	if (!error || error == -ESRCH)
		return 0;
	bring_back_explain(attached, &work, error, message);
	return error;
}

/* The first that cannot be brought back whole tells in `message`. */
static int bring_back_all(struct pager *pager, bool lose, pager_progress_fn progress,
			  void *argument, char message[MESSAGE_BYTES])
{
	struct thaw thaw = {progress, argument, 0, 0};
	struct attached *attached;
	int result = 0;

	pager->budget.paused = true;
	tree_refresh(pager, true);
	groups_look(pager);
	servers_kick(pager);
	for (size_t i = 0; (attached = attached_at(pager, i)); i++)
		thaw.total += count_swapped(attached);
	thaw.others = thaw.total;
	for (size_t i = 0; !result && (attached = attached_at(pager, i)); i++) {
		uint64_t pages = count_swapped(attached);

		thaw.others -= pages < thaw.others ? pages : thaw.others;
		result = bring_back_one(attached, lose, &thaw, message);
	}
	if (progress && !result)
		progress(argument, thaw.total << PAGE_SHIFT, thaw.total << PAGE_SHIFT);
	return result;
}

int pager_thaw(struct pager *pager, pager_progress_fn progress, void *argument,
	       char message[MESSAGE_BYTES])
{
	return bring_back_all(pager, false, progress, argument, message);
}

/* Children that are forked meanwhile come to the list, too; those whose process is not known come
 * last: it may be found until then. */
static struct attached *next_to_release(struct pager *pager)
{
	struct attached *attached, *unknown = NULL;

	tree_refresh(pager, true);
	groups_look(pager);
	for (size_t i = 0; (attached = attached_at(pager, i)); i++) {
		if (attached->watch.process)
			return attached;
		unknown = attached;
	}
	return unknown;
}

/* A process that a debugger is at can be let go when that has ended. False: there is none. */
static bool wait_for_debugger(struct pager *pager, pid_t pid, pager_progress_fn progress,
			      void *argument)
{
	long debugger = proc_status_number(pid, pid, "TracerPid");
	char name[32];

	if (!debugger)
		return false;
	proc_command((pid_t)debugger, name, sizeof(name));
	pager_say(pager,
		  "process %d is under a debugger (%s, process %ld): it is let go when that "
		  "ends",
		  (int)pid, name, debugger);
	while (proc_status_number(pid, pid, "TracerPid") == debugger) {
		usleep(DEBUGGER_LOOK_US);
		pager_meanwhile(pager);
		if (progress)
			progress(argument, 0, 0);
	}
	return true;
}

int pager_detach(struct pager *pager, bool lose, pager_progress_fn progress, void *argument,
		 char message[MESSAGE_BYTES])
{
	struct attached *attached;
	int error = bring_back_all(pager, lose, progress, argument, message);

	while (!error && (attached = next_to_release(pager))) {
		pid_t pid = attached->task.pid;

		/* Who waits for us hears that we are at work. */
		if (progress)
			progress(argument, 0, 0);
		/* It is freed when it was let go. */
		error = attached->watch.process ? release(attached, lose, message)
						: release_abandoned(attached, lose, message);
		if (error == -EPERM && wait_for_debugger(pager, pid, progress, argument))
			error = 0;
	}
	if (error)
		resume(pager);
	else
		threads_stop(pager);
	return error;
}
