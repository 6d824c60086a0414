/* SPDX-License-Identifier: MIT */
#include "control/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/say.h"
#include "base/size.h"

#define BAR_CELLS    32
#define REDRAW_NS    100000000ull
#define CLEAR_TO_END "\r\033[K"

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
	char bar[BAR_CELLS + 1], done_text[SIZE_TEXT], total_text[SIZE_TEXT], line[160];
	uint64_t now = monotonic_ns();
	double part;
	int cells;

	/* It only goes on: there is nothing to measure. */
	if (!total)
		return;
	part = (double)done / (double)total;
	if (progress->shown && now - progress->last_ns < REDRAW_NS)
		return;
	if (!progress->shown && !isatty(STDERR_FILENO))
		return;
	if (part > 1)
		part = 1;
	cells = (int)(part * BAR_CELLS);
	memset(bar, ' ', BAR_CELLS);
	memset(bar, '#', (size_t)cells);
	bar[BAR_CELLS] = '\0';
	snprintf(line, sizeof(line), CLEAR_TO_END "%s [%s] %3.0f %%  %s of %s", progress->what, bar,
		 part * 100, size_format(done, done_text), size_format(total, total_text));
	say_text(line);
	progress->shown = true;
	progress->last_ns = now;
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		say_text(CLEAR_TO_END);
	progress->shown = false;
}
