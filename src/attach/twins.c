/* SPDX-License-Identifier: MIT */
#include "attach/twins.h"

#include <stdbool.h>
#include <unistd.h>
#include "attach/trace.h"
#include "base/ask_process.h"
#include "base/proc.h"

#define PATIENCE_MS 50

struct search {
	pid_t of;
	pid_t *twins;
	size_t count, most;
};

static bool is_known(const struct search *search, pid_t pid)
{
	bool known = pid == search->of;

	for (size_t i = 0; i < search->count && !known; i++)
		known = search->twins[i] == pid;
	return known;
}

/* True: there is no room for more. */
static bool note(void *argument, pid_t pid)
{
	struct search *search = argument;

	if (search->count < search->most && pid > 0 && !is_known(search, pid) &&
	    ask_same_memory(search->of, pid))
		search->twins[search->count++] = pid;
	return search->count == search->most;
}

/* Its parent. */
static pid_t look_around(struct search *search, pid_t pid)
{
	pid_t parent = proc_parent(pid);

	note(search, parent);
	proc_each_child(pid, note, search);
	if (parent)
		proc_each_child(parent, note, search);
	return parent;
}

size_t twins_of(pid_t pid, pid_t *twins, size_t most)
{
	struct search search = {.of = pid, .twins = twins, .most = most};

	if (look_around(&search, pid) != getpid())
		proc_each_child(getpid(), note, &search);
	for (size_t i = 0; i < search.count; i++)
		look_around(&search, twins[i]);
	return search.count;
}

struct stop {
	pid_t of, skip;
	pid_t tried[TWINS_MOST];
	size_t count;
	bool is_done;
	int (*work)(void *argument);
	void *argument;
};

/* One that was not tried yet: those that run may make more. 0: there is none. */
static pid_t next_twin(struct stop *stop)
{
	pid_t twins[TWINS_MOST];
	size_t count = stop->count < TWINS_MOST ? twins_of(stop->of, twins, TWINS_MOST) : 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = 0;

		while (at < stop->count && stop->tried[at] != twins[i])
			at++;
		if (at == stop->count)
			return stop->tried[stop->count++] = twins[i];
	}
	return 0;
}

/* One within the other; in the innermost all stand still. */
static int stop_next(struct trace *trace, void *argument)
{
	struct stop *stop = argument;
	int error = 0;
	pid_t twin;

	(void)trace;
	while (!stop->is_done && (twin = next_twin(stop)))
		error = trace_within(twin, stop->skip, PATIENCE_MS, stop_next, stop);
	if (stop->is_done)
		return error;
	stop->is_done = true;
	return stop->work(stop->argument);
}

int twins_stop(pid_t pid, pid_t skip, int (*work)(void *argument), void *argument)
{
	struct stop stop = {.of = pid, .skip = skip, .work = work, .argument = argument};

	return stop_next(NULL, &stop);
}
