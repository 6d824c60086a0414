/* SPDX-License-Identifier: MIT */
#include "pager/pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include "pager/futex.h"
#include "pager/program.h"
#include "pager/state.h"

#define LEAST_LIMIT (16u << 20)
#define CLUSTERS    (1u << 21) /* 4 TiB of pages */
#define SEGMENTS    (1u << 20) /* 1 TiB of stored bytes */
#define RAM_HIGHEST (1ull << 40)

void pager_say(struct pager *pager, const char *format, ...)
{
	char line[PAGER_MESSAGE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (pager->config.say)
		pager->config.say(pager->config.say_argument, line);
}

void pager_kill(struct attached *attached)
{
	if (attached->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, attached->pidfd, SIGKILL, NULL, 0);
	else if (attached->pid > 0)
		kill(attached->pid, SIGKILL);
	attached->dead = true;
}

void pager_lose(struct attached *attached)
{
	pager_say(attached->pager,
		  "out of memory while following process %d: killed, so that it never reads wrong "
		  "bytes",
		  attached->pid);
	pager_kill(attached);
}

uint64_t pager_least_limit(void)
{
	return LEAST_LIMIT;
}

static int open_backends(struct pager *pager, char message[PAGER_MESSAGE])
{
	const struct pager_config *config = &pager->config;

	for (unsigned int i = 0; i < config->backend_count; i++) {
		const struct backend_spec *spec = &config->backends[i];
		int error;

		if (!strcmp(spec->kind, "ram")) {
			if (spec->size && spec->size < pager->ram_highest)
				pager->ram_highest = spec->size;
			continue;
		}
		if (pager->backend_count == PAGER_BACKENDS) {
			snprintf(message, PAGER_MESSAGE, "at most %d backends", PAGER_BACKENDS);
			return -EINVAL;
		}
		error = backend_open(spec, &pager->backends[pager->backend_count], message,
				     PAGER_MESSAGE);
		if (error)
			return error;
		pager->backend_count++;
		if (message[0])
			pager_say(pager, "%s", message);
	}
	return 0;
}

static int open_store(struct pager *pager)
{
	struct store_config config = {
		.ram_bytes = pager->config.limit_bytes / 2,
		.ram_bytes_highest = pager->ram_highest,
		.segments = SEGMENTS,
	};
	struct tier_config tier = {
		.backends = pager->backends,
		.backend_count = pager->backend_count,
		.say = pager->config.say,
		.say_argument = pager->config.say_argument,
	};
	int error = store_open(&pager->store, &config, CLUSTERS);

	if (error)
		return error;
	pager->space = store_space(pager->store);
	tier.store = pager->store;
	error = store_writer_open(pager->store, &pager->writer);
	if (!error)
		error = tier_open(&pager->tier, &tier);
	return error;
}

int pager_open(struct pager **out, const struct pager_config *config, char message[PAGER_MESSAGE])
{
	struct pager *pager = calloc(1, sizeof(*pager));
	int error = -ENOMEM;

	message[0] = 0;
	if (!pager)
		goto failed;
	pager->config = *config;
	pager->limit_bytes = config->limit_bytes;
	pager->ram_highest = RAM_HIGHEST;
	pager->brake_ns = BRAKE_NS;
	pager->pidfd = pager->statm = -1;
	pager->exit_status = -1;
	pager->opened_ns = monotonic_ns();
	pthread_mutex_init(&pager->attached_lock, NULL);
	pager->wake_server = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pager->own_statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	pager->server_buffers = fault_buffers_new();
	pager->control_buffers = fault_buffers_new();
	pager->evictor_buffers = fault_buffers_new();
	if (pager->wake_server < 0 || pager->own_statm < 0 || !pager->server_buffers ||
	    !pager->control_buffers || !pager->evictor_buffers)
		goto failed;
	error = keeper_start(&pager->keeper);
	if (!error)
		error = open_backends(pager, message);
	if (!error)
		error = open_store(pager);
	if (error)
		goto failed;
	budget_refresh(pager);
	*out = pager;
	return 0;
failed:
	if (!message[0])
		snprintf(message, PAGER_MESSAGE, "cannot set up the swap space: %s",
			 strerror(-error));
	if (pager)
		pager_close(pager);
	return error;
}

void pager_close(struct pager *pager)
{
	program_forget(pager);
	if (pager->server_alone)
		server_stop(pager);
	for (unsigned int i = 0; i < pager->attached_count; i++) {
		pager_kill(pager->attached[i]); /* without us it would read zeros */
		attached_free(pager->attached[i]);
	}
	if (pager->tier)
		tier_close(pager->tier);
	if (pager->writer)
		store_writer_close(pager->writer);
	if (pager->store)
		store_close(pager->store);
	for (unsigned int i = 0; i < pager->backend_count; i++)
		backend_close(pager->backends[i]);
	if (pager->keeper)
		keeper_stop(pager->keeper);
	fault_buffers_free(pager->server_buffers);
	fault_buffers_free(pager->control_buffers);
	fault_buffers_free(pager->evictor_buffers);
	maps_free(&pager->maps);
	free(pager->elders);
	if (pager->wake_server >= 0)
		close(pager->wake_server);
	if (pager->own_statm >= 0)
		close(pager->own_statm);
	if (pager->statm >= 0)
		close(pager->statm);
	if (pager->pidfd >= 0)
		close(pager->pidfd);
	free(pager);
}

static void read_command(struct pager *pager)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pager->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	got = read(fd, pager->command, sizeof(pager->command) - 1);
	close(fd);
	pager->command[got > 0 ? got - 1 : 0] = 0;
}

int pager_adopt(struct pager *pager, pid_t pid, char message[PAGER_MESSAGE])
{
	char path[64];
	int error = attach_allowed(pid, message);

	if (error)
		return error;
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	pager->statm = open(path, O_RDONLY | O_CLOEXEC);
	pager->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pager->statm < 0 || pager->pidfd < 0) {
		error = -errno;
		snprintf(message, PAGER_MESSAGE, "cannot watch process %d: %s", pid,
			 strerror(-error));
		return error;
	}
	pager->pid = pid;
	read_command(pager);
	return 0;
}

void pager_gone(struct pager *pager)
{
	figures_keep_peaks(pager);
	program_forget(pager);
	pager->pid = -1;
}

bool pager_has_children(struct pager *pager)
{
	bool any;

	pthread_mutex_lock(&pager->attached_lock);
	any = pager->attached_count > (pager->program ? 1 : 0);
	pthread_mutex_unlock(&pager->attached_lock);
	return any;
}

int pager_set_limit(struct pager *pager, uint64_t bytes, char message[PAGER_MESSAGE])
{
	if (bytes < LEAST_LIMIT) {
		snprintf(message, PAGER_MESSAGE, "the budget must be at least %u MiB",
			 LEAST_LIMIT >> 20);
		return -EINVAL;
	}
	pager->limit_bytes = bytes;
	pager->paused = false;
	pager->no_room = false;
	budget_refresh(pager);
	evictor_kick(pager);
	return 0;
}

int pager_thaw(struct pager *pager, pager_progress_fn progress, void *argument,
	       char message[PAGER_MESSAGE])
{
	int error = 0;

	pager->paused = true;
	server_kick(pager);
	if (pager->program)
		error = program_bring_back(pager, progress, argument);
	if (error)
		snprintf(message, PAGER_MESSAGE, "process %d has ended", pager->pid);
	return error;
}

int pager_detach(struct pager *pager, pager_progress_fn progress, void *argument,
		 char message[PAGER_MESSAGE])
{
	int error = pager_thaw(pager, progress, argument, message);

	if (error || !pager->program)
		return error;
	return program_release(pager, message);
}
