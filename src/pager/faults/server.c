/* SPDX-License-Identifier: MIT */
/* The servers' threads: sleeping, waking, and following the list of address spaces. */
#include "pager/faults/server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include "base/futex.h"
#include "pager/attached/kick.h"
#include "pager/attached/state.h"
#include "pager/faults/follow.h"
#include "pager/faults/messages.h"

#define EVENTS 16
/* How long to wait for messages: when idle; when faults wait; when an event's waiter must run. */
#define IDLE_NS	    100000000
#define ASIDE_NS    500000
#define CHANGING_NS 50000
/* Turns of yielding before that last sleep. */
#define YIELDS 64u

static int listen_to(struct server *server, int fd, struct attached *attached)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = attached};

	return epoll_ctl(server->door->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static bool is_listed(const struct pager *pager, const struct attached *attached)
{
	for (size_t i = 0; i < pager->listing.count; i++)
		if (pager->listing.items[i] == attached)
			return true;
	return false;
}

/* Takes over the list of address spaces when it has changed: `serving` is held. What is no longer
 * listed may have been freed: only compared, never looked into. */
static void refresh(struct server *server)
{
	struct pager *pager = server->pager;
	unsigned int count;

	pthread_mutex_lock(&pager->listing.lock);
	server->generation = pager->listing.generation;
	for (size_t i = 0; i < pager->listing.count; i++) {
		struct attached *attached = pager->listing.items[i];
		uint32_t bit = 1u << server->index;

		if (!(attached->serve.listeners & bit) &&
		    !listen_to(server, attached->task.userfault, attached))
			attached->serve.listeners |= bit;
	}
	count = aside_take(&server->aside);
	for (unsigned int i = 0; i < count; i++) {
		struct fault fault = server->aside.items[i];

		if (is_listed(pager, fault.attached))
			aside_put(&server->aside, &fault);
	}
	pthread_mutex_unlock(&pager->listing.lock);
}

static int wait_for_messages(struct server *server, struct epoll_event *events)
{
	struct timespec timeout = {0, 0};

	if (server->changing) {
		/* Always: endless faults keep the poll from sleeping. */
		sched_yield();
		if (++server->turns >= YIELDS)
			timeout.tv_nsec = CHANGING_NS;
	} else {
		server->turns = 0;
		timeout.tv_nsec = server->aside.count ? ASIDE_NS : IDLE_NS;
	}
	return epoll_pwait2(server->door->epoll, events, EVENTS, &timeout, NULL);
}

static void handle(struct server *server, const struct epoll_event *events, int count)
{
	for (int i = 0; i < count; i++) {
		struct attached *attached = events[i].data.ptr;
		uint64_t kicks;

		if (attached)
			messages_read(server, attached);
		else if (read(server->door->wake, &kicks, sizeof(kicks)) < 0)
			continue;
	}
	if (server->aside.count && monotonic_ns() >= server->retry_ns)
		messages_retry(server);
}

static void let_signal_through(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SERVER_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *server_main(void *argument)
{
	struct server *server = argument;
	struct pager *pager = server->pager;
	struct epoll_event events[EVENTS];

	pthread_setname_np(pthread_self(), "vswap-server");
	let_signal_through();
	while (!pager->threads.stop) {
		int count;

		follow_wait(server);
		count = wait_for_messages(server, events);
		pthread_rwlock_rdlock(&pager->listing.serving);
		if (server->generation != pager->listing.generation)
			refresh(server); /* what `events` names may be gone: look again */
		else
			handle(server, events, count);
		if (pager->serve.short_ns)
			messages_read_short(server);
		pthread_rwlock_unlock(&pager->listing.serving);
		if (!count)
			follow_leave(server, monotonic_ns());
	}
	messages_forget(server);
	return NULL;
}

static void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->followed_stat >= 0)
		close(server->followed_stat);
	if (server->door->epoll >= 0)
		close(server->door->epoll);
	if (server->door->wake >= 0)
		close(server->door->wake);
	fill_buffers_free(server->buffers);
	free(server);
}

static struct server *server_new(struct pager *pager, unsigned int index)
{
	struct server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return NULL;
	server->pager = pager;
	server->index = index;
	server->door = &pager->serve.doors[index];
	server->door->deferred = false;
	server->generation = pager->listing.generation - 1;
	server->followed_stat = -1;
	server->cpu = -1;
	server->buffers = fill_buffers_new();
	server->door->epoll = epoll_create1(EPOLL_CLOEXEC);
	server->door->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->buffers && server->door->epoll >= 0 && server->door->wake >= 0 &&
	    !listen_to(server, server->door->wake, NULL))
		return server;
	error = errno;
	server_free(server);
	errno = error;
	return NULL;
}

static unsigned int how_many(void)
{
	cpu_set_t set;
	unsigned int cpus = 1;

	if (!sched_getaffinity(0, sizeof(set), &set))
		cpus = (unsigned int)CPU_COUNT(&set);
	return cpus < SERVERS ? cpus : SERVERS;
}

int servers_start(struct pager *pager)
{
	unsigned int want = how_many();

	pager->threads.stop = false;
	pager->serve.awake = 1;
	pager->serve.count = 0;
	for (unsigned int i = 0; i < want; i++) {
		struct server *server = server_new(pager, i);
		int error = server ? 0 : -errno;

		pager->serve.where[i].wanted_cpu = -1;
		if (!error)
			error = -pthread_create(&server->thread, NULL, server_main, server);
		if (error) {
			server_free(server);
			servers_stop(pager);
			return error;
		}
		pager->serve.servers[i] = server;
		pager->serve.count = i + 1;
	}
	return 0;
}

void servers_stop(struct pager *pager)
{
	pager->threads.stop = true;
	servers_kick(pager);
	futex_wake(&pager->serve.awake, INT32_MAX);
	for (unsigned int i = 0; i < pager->serve.count; i++) {
		pthread_join(pager->serve.servers[i]->thread, NULL);
		server_free(pager->serve.servers[i]);
	}
	pager->serve.count = 0;
}
