// SPDX-License-Identifier: MIT
#include "lib/backends.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/message.h"
#include "lib/private.h"
#include "lib/room.h"
#include "space/map.h"

/* One that is to go is waited for so long while nothing moves. */
#define PATIENCE_NS 10000000000ull
#define BUSY_US	    1000

int lib_fail(char *message, size_t bytes, int error, const char *text, ...)
{
	va_list arguments;

	if (!message || !bytes)
		return error;
	va_start(arguments, text);
	vsnprintf(message, bytes, text, arguments);
	va_end(arguments);
	return error;
}

struct backend_statistics backends_statistics(struct backend *backend)
{
	struct backend_statistics statistics;

	backend->operations->statistics(backend, &statistics);
	return statistics;
}

uint64_t backends_used_bytes(struct vswap *vswap)
{
	uint64_t used = 0;

	pthread_mutex_lock(&vswap->backends_lock);
	for (unsigned int i = 0; i < vswap->backend_count; i++)
		if (vswap->backends[i])
			used += backends_statistics(vswap->backends[i]).used_bytes;
	pthread_mutex_unlock(&vswap->backends_lock);
	return used;
}

/* Its place; -ENOENT. */
static int place_of(const struct vswap *vswap, const char *name)
{
	for (unsigned int i = 0; i < vswap->backend_count; i++)
		if (vswap->backends[i] && !strcmp(vswap->backends[i]->name, name))
			return (int)i;
	return -ENOENT;
}

/* ---- coming ---- */

/* For a segment that is sealed. */
static int make_copy(struct vswap *vswap)
{
	if (!vswap->copy)
		vswap->copy = map_sparse(SEGMENT_BYTES);
	return vswap->copy ? 0 : -ENOMEM;
}

static int check_name(const struct vswap *vswap, const char *name, char *message, size_t bytes)
{
	if (place_of(vswap, name) >= 0)
		return lib_fail(message, bytes, -EEXIST,
				"the space has a backend '%s'; give this one another name: "
				"name=NAME",
				name);
	if (vswap->backend_count == BACKEND_MOST)
		return lib_fail(message, bytes, -ENOSPC,
				"a space may have %u backends in its life, and this one has had "
				"them",
				BACKEND_MOST);
	return 0;
}

int backends_open(struct vswap *vswap, const char *text, char *message, size_t bytes)
{
	char why[MESSAGE_BYTES];
	struct backend *backend;
	struct backend_spec spec;
	int error = backend_parse_spec(text, &spec, why);

	if (error)
		return lib_fail(message, bytes, error, "%s", why);
	/* While the space is opened two may be called alike. */
	error = vswap->store ? check_name(vswap, spec.name, message, bytes) : 0;
	if (error)
		return error;
	error = backend_open(&spec, &backend, why);
	if (error)
		return lib_fail(message, bytes, error, "%s", why);
	error = backend->seals ? make_copy(vswap) : 0;
	if (!error && vswap->store)
		error = store_open_up(vswap->store, backend->seals);
	if (error) {
		backend_close(backend);
		return lib_fail(message, bytes, error, "backend %s cannot be used: %s", spec.name,
				strerror(-error));
	}
	pthread_mutex_lock(&vswap->backends_lock);
	vswap->backends[vswap->backend_count++] = backend;
	pthread_mutex_unlock(&vswap->backends_lock);
	return 0;
}

int vswap_backend_add(struct vswap *vswap, const char *text, char *message, size_t bytes)
{
	int error;

	pthread_mutex_lock(&vswap->lock);
	error = backends_open(vswap, text, message, bytes);
	pthread_mutex_unlock(&vswap->lock);
	return error;
}

/* ---- going ---- */

/* What became of a step. 0: go on. `lock` held. */
static int judge(struct vswap *vswap, int result, uint64_t *since)
{
	uint64_t now = monotonic_ns();

	switch (result) {
	case 0:
		*since = now;
		return 0;
	case -ENOSPC:
		return now - *since < PATIENCE_NS && room_make(vswap) ? 0 : -ENOSPC;
	case -ENOENT:
		return now - *since < PATIENCE_NS ? 0 : -ETIMEDOUT;
	default:
		return result;
	}
}

/* Whoever puts a page comes in between two steps. */
static int empty(struct vswap *vswap, struct backend *backend)
{
	uint64_t since = monotonic_ns();
	int error = 0, step;

	while (!error && backends_statistics(backend).used_bytes) {
		pthread_mutex_lock(&vswap->lock);
		step = store_drain_one(vswap->store, backend, false);
		error = judge(vswap, step, &since);
		pthread_mutex_unlock(&vswap->lock);
		if (step == -ENOENT)
			usleep(BUSY_US);
	}
	return error;
}

static int say_why(int error, const char *name, char *message, size_t bytes)
{
	const char *why = error == -ENOSPC ? "there is no room for its pages elsewhere: raise the "
					     "limit of RAM, or add another backend"
			  : error == -ETIMEDOUT ? "its pages are in use all the time"
						: "not all of it can be read";

	return lib_fail(message, bytes, error, "backend '%s' stays: %s", name, why);
}

/* It takes nothing more. Its place; -errno. */
static int begin(struct vswap *vswap, const char *name, char *message, size_t bytes)
{
	int place;

	pthread_mutex_lock(&vswap->lock);
	place = place_of(vswap, name);
	if (place < 0)
		lib_fail(message, bytes, place, "the space has no backend '%s'", name);
	else if (vswap->leaving >> place & 1)
		place = lib_fail(message, bytes, -EBUSY, "backend '%s' is being removed", name);
	else
		vswap->leaving |= 1u << place;
	pthread_mutex_unlock(&vswap->lock);
	return place;
}

static void end(struct vswap *vswap, int place, bool is_gone)
{
	struct backend *backend = vswap->backends[place];

	pthread_mutex_lock(&vswap->lock);
	if (is_gone) {
		pthread_mutex_lock(&vswap->backends_lock);
		vswap->backends[place] = NULL;
		pthread_mutex_unlock(&vswap->backends_lock);
		store_forget_backend(vswap->store, backend);
	}
	vswap->leaving &= ~(1u << place);
	pthread_mutex_unlock(&vswap->lock);
	if (is_gone)
		backend_close(backend);
}

int vswap_backend_remove(struct vswap *vswap, const char *name, char *message, size_t bytes)
{
	int place = begin(vswap, name, message, bytes), error;

	if (place < 0)
		return place;
	error = empty(vswap, vswap->backends[place]);
	end(vswap, place, !error);
	return error ? say_why(error, name, message, bytes) : 0;
}
