/* SPDX-License-Identifier: MIT */
/* Backends as users change them while programs run. */
#include "pager/backends.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "pager/attached/say.h"
#include "pager/attached/kick.h"
#include "pager/attached/state.h"
#include "pager/faults/fetch.h"
#include "tier/drain.h"

#define MIB	    (1ull << 20)
#define PATIENCE_NS 10000000000ull

/* Its place in the table; -ENOENT. */
static int place_of(const struct pager *pager, const char *name)
{
	for (unsigned int i = 0; i < pager->backends.count; i++)
		if (pager->backends.items[i] && !strcmp(pager->backends.items[i]->name, name))
			return (int)i;
	return -ENOENT;
}

/* The same, with a message. */
static int find(struct pager *pager, const char *name, char message[MESSAGE_BYTES])
{
	int place = place_of(pager, name);

	if (place >= 0)
		return place;
	if (!strcmp(name, "ram"))
		return explain(message, -ENOENT,
			       "RAM is where all pages go first: it stays, and has no priority");
	return explain(message, -ENOENT,
		       "the job has no backend '%.60s'; `vswap backend list %d' shows those it has",
		       name, pager->job.tree.root);
}

static int check_spec(const struct pager *pager, const char *text, struct backend_spec *spec,
		      char message[MESSAGE_BYTES])
{
	int error = backend_parse_spec(text, spec, message);

	if (error)
		return error;
	if (!strcmp(spec->kind, "ram"))
		return explain(message, -EINVAL,
			       "RAM is there already: vswap limit changes how much of it is used");
	if (place_of(pager, spec->name) >= 0)
		return explain(
			message, -EEXIST,
			"the job has a backend '%.60s'; give this one another name: name=NAME",
			spec->name);
	if (pager->backends.count == BACKEND_MOST)
		return explain(message, -ENOSPC,
			       "a job may have %u backends in its life, and this one has had them",
			       BACKEND_MOST);
	return 0;
}

/* The store first, then who reads, then who writes. */
static int take_in(struct pager *pager, struct backend *backend)
{
	int error = store_open_up(pager->store, backend->seals);

	if (!error)
		error = fetch_add_device(pager, backend);
	if (!error)
		error = tier_add_backend(pager->tier, backend);
	if (error)
		return error;
	pager->backends.items[pager->backends.count++] = backend;
	pager->backends.in_use++;
	return 0;
}

int pager_backend_add(struct pager *pager, const char *text, char *name, size_t name_bytes,
		      char message[MESSAGE_BYTES])
{
	struct backend *backend;
	struct backend_spec spec;
	int error = check_spec(pager, text, &spec, message);

	if (!error)
		error = backend_open(&spec, &backend, message);
	if (error)
		return error;
	error = take_in(pager, backend);
	if (error) {
		backend_close(backend);
		return explain(message, error, "backend %s cannot be used: %s%s", spec.name,
			       strerror(-error), pager_limit_hint(error));
	}
	snprintf(name, name_bytes, "%s", backend->name);
	/* There was no room, perhaps. */
	pager->budget.no_room = false;
	evictor_kick(pager);
	return 0;
}

int pager_backend_set(struct pager *pager, const char *name, int priority,
		      char message[MESSAGE_BYTES])
{
	int index = find(pager, name, message);

	if (index < 0)
		return index;
	pager->backends.items[index]->priority = priority;
	tier_set_priority(pager->tier, pager->backends.items[index], priority);
	return 0;
}

static struct backend_statistics statistics_of(struct backend *backend)
{
	struct backend_statistics statistics;

	backend->operations->statistics(backend, &statistics);
	return statistics;
}

/* Bytes that what is on `backend` may take elsewhere. */
static uint64_t room_elsewhere(struct pager *pager, const struct backend *backend)
{
	uint64_t used = store_ram_bytes(pager->store), most = pager->budget.segments_most;
	uint64_t room = used < most ? most - used : 0;

	for (unsigned int i = 0; i < pager->backends.count; i++) {
		struct backend *other = pager->backends.items[i];
		struct backend_statistics statistics;

		if (!other || other == backend || other->operations->health(other) != BACKEND_OK)
			continue;
		statistics = statistics_of(other);
		room += statistics.capacity_bytes - statistics.used_bytes;
	}
	return room;
}

static int check_room(struct pager *pager, struct backend *backend, char message[MESSAGE_BYTES])
{
	uint64_t used = statistics_of(backend).used_bytes, room = room_elsewhere(pager, backend);

	if (used <= room)
		return 0;
	return explain(
		message, -ENOSPC,
		"backend %s holds %llu MiB, and there is room for %llu MiB elsewhere: nothing "
		"was moved; raise the budget (vswap limit), add a backend (vswap backend add), or "
		"end something",
		backend->name, (unsigned long long)(used / MIB), (unsigned long long)(room / MIB));
}

static int explain_end(const struct backend *backend, const struct drain_status *status,
		       char message[MESSAGE_BYTES])
{
	if (status->error == -EIO)
		return explain(message, -EIO,
			       "backend %s stays: %u segments of 1 MiB cannot be read, the others "
			       "have moved; mend the device and try again, or give their pages up: "
			       "vswap backend remove --lose-unreadable %s",
			       backend->name, status->unreadable, backend->name);
	if (status->error == -ETIMEDOUT)
		return explain(message, -ETIMEDOUT,
			       "backend %s stays: writing to some device does not end; look at it "
			       "(dmesg) and try again",
			       backend->name);
	return explain(
		message, status->error,
		"backend %s stays: there is no room elsewhere for the last %llu MiB; raise "
		"the budget (vswap limit), add a backend (vswap backend add), or end something",
		backend->name, (unsigned long long)(status->left_bytes / MIB));
}

/* The removal is over, and this one stays, and is used. */
static void stay(struct pager *pager)
{
	tier_retire(pager->tier, pager->backends.leaving, false);
	pager->backends.leaving = NULL;
	pager->backends.in_use++;
}

static void end_drain(struct pager *pager)
{
	drain_free(pager->backends.drain);
	pager->backends.drain = NULL;
}

/* One that was called off may wait for its device still. */
static int end_last(struct pager *pager, char message[MESSAGE_BYTES])
{
	struct drain_status status;

	if (!pager->backends.drain)
		return 0;
	drain_look(pager->backends.drain, &status);
	if (pager->backends.leaving || !status.ended)
		return explain(message, -EBUSY,
			       "another backend is being removed, or its device does not answer; "
			       "try again later");
	end_drain(pager);
	return 0;
}

int pager_backend_remove(struct pager *pager, const char *name, bool lose,
			 char message[MESSAGE_BYTES])
{
	struct drain_config config = {.store = pager->store,
				      .tier = pager->tier,
				      .lose = lose,
				      .patience_ns = PATIENCE_NS};
	int index = find(pager, name, message), error;

	if (index < 0)
		return index;
	config.backend = pager->backends.items[index];
	error = end_last(pager, message);
	if (!error)
		error = check_room(pager, config.backend, message);
	if (error)
		return error;
	error = drain_start(&pager->backends.drain, &config);
	if (error)
		return explain(message, error, "the removal cannot begin: %s", strerror(-error));
	pager->backends.leaving = config.backend;
	pager->backends.in_use--;
	pager->backends.leaving_bytes = 0;
	pager->backends.began_ns = monotonic_ns();
	return 0;
}

/* It is empty, and nothing is written to it. */
static void forget(struct pager *pager)
{
	struct backend *backend = pager->backends.leaving;

	store_forget_backend(pager->store, backend);
	for (unsigned int i = 0; i < pager->backends.count; i++)
		if (pager->backends.items[i] == backend)
			pager->backends.items[i] = NULL;
	pager->backends.leaving = NULL;
	backend_close(backend);
}

int pager_backend_removal(struct pager *pager, struct pager_removal *removal,
			  char message[MESSAGE_BYTES])
{
	struct pager_backends *backends = &pager->backends;
	struct drain_status status;
	int error;

	drain_look(backends->drain, &status);
	if (status.left_bytes > backends->leaving_bytes)
		backends->leaving_bytes = status.left_bytes;
	removal->total_bytes = backends->leaving_bytes;
	removal->done_bytes = removal->total_bytes - status.left_bytes;
	removal->seconds = (double)(monotonic_ns() - backends->began_ns) / 1e9;
	if (!status.ended)
		return -EINPROGRESS;
	end_drain(pager);
	if (!status.error) {
		forget(pager);
		return 0;
	}
	error = explain_end(backends->leaving, &status, message);
	stay(pager);
	return error;
}

void pager_backend_keep(struct pager *pager)
{
	drain_cancel(pager->backends.drain);
	stay(pager);
}

void backends_end(struct pager *pager)
{
	if (!pager->backends.drain)
		return;
	drain_cancel(pager->backends.drain);
	end_drain(pager);
}
