/* SPDX-License-Identifier: MIT */
#include "base/say.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/proc.h"

#define BUFFER_BYTES 16384u
#define LINE_BYTES   1024u
#define STACK_BYTES  (64u << 10)

/* `used` bytes from `start` on, in a circle; those that are being written are among them. */
static struct {
	pthread_mutex_t lock; /* of all; held for copies only */
	pthread_cond_t filled, emptied;
	bool runs;
	char bytes[BUFFER_BYTES];
	unsigned int start, used;
	unsigned long lost; /* lines left out since there was room last */
} buffer = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* Not sooner than it is taken, or can never be. */
static void write_out(const char *text, size_t length)
{
	struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};

	while (length) {
		ssize_t written = write(STDERR_FILENO, text, length);

		if (written < 0 && errno == EAGAIN)
			poll(&room, 1, -1);
		else if (written < 0 && errno != EINTR)
			return;
		if (written < 0)
			continue;
		text += written;
		length -= (size_t)written;
	}
}

/* Lock held. False: no room. */
static bool append(const char *text, size_t length)
{
	if (length > BUFFER_BYTES - buffer.used)
		return false;
	for (size_t i = 0; i < length; i++)
		buffer.bytes[(buffer.start + buffer.used + i) % BUFFER_BYTES] = text[i];
	buffer.used += (unsigned int)length;
	pthread_cond_signal(&buffer.filled);
	return true;
}

/* Lock held. Says how many lines are missing here once there is room to say it. */
static void tell_lost(void)
{
	char line[80];
	int length = snprintf(line, sizeof(line), "vswap: %lu lines left out: nobody read them\n",
			      buffer.lost);

	if (buffer.lost && append(line, (size_t)length))
		buffer.lost = 0;
}

/* Lock held, but not while it writes. */
static void write_some(void)
{
	char part[LINE_BYTES];
	unsigned int length = buffer.used < sizeof(part) ? buffer.used : sizeof(part);

	for (unsigned int i = 0; i < length; i++)
		part[i] = buffer.bytes[(buffer.start + i) % BUFFER_BYTES];
	pthread_mutex_unlock(&buffer.lock);
	write_out(part, length);
	pthread_mutex_lock(&buffer.lock);
	buffer.start = (buffer.start + length) % BUFFER_BYTES;
	buffer.used -= length;
	tell_lost();
	if (!buffer.used)
		pthread_cond_broadcast(&buffer.emptied);
}

static void *run(void *argument)
{
	pthread_setname_np(pthread_self(), "vswap-say");
	pthread_mutex_lock(&buffer.lock);
	for (;;) {
		while (!buffer.used)
			pthread_cond_wait(&buffer.filled, &buffer.lock);
		write_some();
	}
	return argument;
}

void say_start(void)
{
	pthread_condattr_t monotonic;
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;

	if (buffer.runs)
		return;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&buffer.emptied, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	/* It may be asleep in a write for ever: nobody waits for its end. */
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	buffer.runs = !pthread_create(&thread, &attributes, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
}

void say_text(const char *text)
{
	size_t length = strlen(text);

	if (!buffer.runs) {
		write_out(text, length);
		return;
	}
	pthread_mutex_lock(&buffer.lock);
	if (buffer.lost || !append(text, length))
		buffer.lost++;
	pthread_mutex_unlock(&buffer.lock);
}

/* Names in it are the program's: of processes, of groups, of files. */
void say_line(const char *line)
{
	char text[LINE_BYTES];

	snprintf(text, sizeof(text) - 1, "vswap: %s", line);
	proc_clean(text);
	strcat(text, "\n");
	say_text(text);
}

void say_flush(int timeout_ms)
{
	struct timespec end;

	if (!buffer.runs)
		return;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout_ms / 1000;
	end.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&buffer.lock);
	while (buffer.used &&
	       pthread_cond_timedwait(&buffer.emptied, &buffer.lock, &end) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&buffer.lock);
}
