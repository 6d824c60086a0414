/* SPDX-License-Identifier: MIT */
/* What people see of a report: the table, the list and the closing paragraph. */
#include "control/show.h"

#include <errno.h>
#include <string.h>
#include "base/page.h"
#include "base/size.h"
#include "control/report.h"

/* What could not leave is worth a line from this part of the budget on. */
#define FIXED_SHARE 16
/* Of a column of names, characters; wider where one of them is. */
#define NAME_WIDTH 20

/* How many times smaller the stored pages became; 0: nothing stored. */
static double ratio_of(const struct report *report)
{
	if (!report->bytes.stored_compressed)
		return 0;
	return (double)report->bytes.stored_raw / (double)report->bytes.stored_compressed;
}

static const char *nanoseconds(uint64_t ns, char text[SIZE_TEXT])
{
	if (ns < 10000)
		snprintf(text, SIZE_TEXT, "%llu ns", (unsigned long long)ns);
	else if (ns < 10000000)
		snprintf(text, SIZE_TEXT, "%.0f us", (double)ns / 1e3);
	else if (ns < 1000000000)
		snprintf(text, SIZE_TEXT, "%.0f ms", (double)ns / 1e6);
	else
		snprintf(text, SIZE_TEXT, "%.2f s", (double)ns / 1e9);
	return text;
}

static void row_size(FILE *to, const char *name, uint64_t bytes, const char *note)
{
	char text[SIZE_TEXT];

	fprintf(to, "  %-12s %10s  %s\n", name, size_format(bytes, text), note);
}

static void row_count(FILE *to, const char *name, uint64_t count, const char *note)
{
	fprintf(to, "  %-12s %10llu  %s\n", name, (unsigned long long)count, note);
}

static void show_backends(const struct report *report, FILE *to)
{
	char capacity[SIZE_TEXT], used[SIZE_TEXT], read[SIZE_TEXT], written[SIZE_TEXT];
	int width = NAME_WIDTH;

	if (!report->backend_count)
		return;
	for (unsigned int i = 0; i < report->backend_count; i++) {
		int length = (int)strlen(report->backends[i].name);

		width = length > width ? length : width;
	}
	fprintf(to, "backends\n  %-*s %-6s %4s %10s %10s %10s %10s %6s  %s\n", width, "name",
		"kind", "prio", "capacity", "used", "read", "written", "errors", "state");
	for (unsigned int i = 0; i < report->backend_count; i++) {
		const struct report_backend *backend = &report->backends[i];

		fprintf(to, "  %-*s %-6s %4d %10s %10s %10s %10s %6llu  %s\n", width, backend->name,
			backend->kind, backend->priority,
			backend->capacity_bytes ? size_format(backend->capacity_bytes, capacity)
						: "-",
			size_format(backend->used_bytes, used),
			size_format(backend->read_bytes, read),
			size_format(backend->written_bytes, written),
			(unsigned long long)backend->errors, backend->state);
	}
}

static void show_groups(const struct report *report, FILE *to)
{
	char limit[SIZE_TEXT], resident[SIZE_TEXT], swapped[SIZE_TEXT];

	if (!report->group_count)
		return;
	fprintf(to, "groups\n  %-23s %6s %10s %10s %10s %10s %9s  %s\n", "name", "weight", "limit",
		"resident", "swapped", "faults", "processes", "tiers");
	for (unsigned int i = 0; i < report->group_count; i++) {
		const struct report_group *group = &report->groups[i];

		fprintf(to, "  %-23s %6d %10s %10s %10s %10llu %9d  %s\n", group->name,
			group->weight,
			group->limit_bytes ? size_format(group->limit_bytes, limit) : "-",
			size_format(group->resident_bytes, resident),
			size_format(group->swapped_bytes, swapped),
			(unsigned long long)group->faults, group->processes, group->tiers);
	}
	if (report->group_total > report->group_count)
		fprintf(to, "  and %u others\n", report->group_total - report->group_count);
}

static void show_processes(const struct report *report, FILE *to)
{
	char resident[SIZE_TEXT], shared[SIZE_TEXT], swapped[SIZE_TEXT];

	if (!report->process_count)
		return;
	fprintf(to, "processes\n  %7s %-15s %10s %10s %10s %10s %9s  %s%s\n", "pid", "command",
		"resident", "swapped", "shared", "faults", "a second", "state",
		report->group_count ? "       group" : "");
	for (unsigned int i = 0; i < report->process_count; i++) {
		const struct report_process *process = &report->processes[i];

		fprintf(to, "  %7d %-15s %10s %10s %10s %10llu %9.0f  %-*s%s\n", (int)process->pid,
			process->command, size_format(process->resident_bytes, resident),
			size_format(process->swapped_bytes, swapped),
			size_format(process->shared_bytes, shared),
			(unsigned long long)process->faults, process->faults_per_second,
			process->group[0] ? 12 : 0, process->state, process->group);
	}
	if (report->process_total > report->process_count)
		fprintf(to, "  and %u smaller ones\n",
			report->process_total - report->process_count);
}

static void show_left(const struct report *report, FILE *to)
{
	if (!report->left_total)
		return;
	fprintf(to, "not paged\n");
	for (unsigned int i = 0; i < report->left_count; i++)
		fprintf(to, "  %7d %-15s %s\n", (int)report->left[i].pid, report->left[i].command,
			report->left[i].reason);
	if (report->left_total > report->left_count)
		fprintf(to, "  and %u others\n", report->left_total - report->left_count);
}

static const char *state_of(const struct report *report)
{
	uint64_t used = report->resident_bytes + report->pool_bytes + report->metadata_bytes;

	if (report->attached)
		return "attached";
	return used <= report->limit_bytes ? "watched, below its budget so far"
					   : "watched, above its budget";
}

/* And what sets it. */
static void show_budget(const struct report *report, FILE *to)
{
	char limit[SIZE_TEXT], note[sizeof(report->cgroup) + 64] = "";

	if (report->cgroup[0])
		snprintf(note, sizeof(note), "follows the limit of %s of cgroup %s",
			 size_format(report->cgroup_limit_bytes, limit), report->cgroup);
	row_size(to, "budget", report->limit_bytes, note);
}

int report_table(const struct report *report, FILE *to)
{
	char p50[SIZE_TEXT], p99[SIZE_TEXT], total[SIZE_TEXT], note[96];

	fprintf(to, "%d %s: %s, %.0f s\n", (int)report->pid, report->command, state_of(report),
		report->seconds);
	fprintf(to, "memory\n");
	show_budget(report, to);
	row_size(to, "peak", report->peak_bytes, "highest use counted against the budget");
	row_size(to, "wanted", report->wanted_bytes, "what it would have had resident");
	row_size(to, "resident", report->resident_bytes, "the program's pages in RAM");
	row_size(to, "fixed", report->fixed_bytes, "of those, cannot leave now");
	row_size(to, "pool", report->pool_bytes, "compressed pages in RAM");
	row_size(to, "headers", report->header_bytes, "object headers, part of the pool");
	row_size(to, "metadata", report->metadata_bytes, "descriptors and tables");
	fprintf(to, "slots\n");
	row_count(to, "tracked", report->slots.tracked, "pages with a descriptor");
	snprintf(note, sizeof(note), "swapped out now; at most %llu",
		 (unsigned long long)report->slots.peak);
	row_count(to, "allocated", report->slots.allocated, note);
	row_count(to, "zero", report->slots.zero, "all zeros");
	row_count(to, "same", report->slots.same, "one repeated word");
	if (ratio_of(report) > 0)
		snprintf(note, sizeof(note), "compressed %.2f to 1", ratio_of(report));
	else
		note[0] = '\0';
	row_count(to, "stored", report->slots.stored, note);
	fprintf(to, "traffic\n");
	row_size(to, "out", report->bytes.swapped_out, "");
	row_size(to, "in", report->bytes.swapped_in, "");
	snprintf(note, sizeof(note), "median %s, 99 %% below %s, all %s",
		 nanoseconds(report->faults.p50_ns, p50), nanoseconds(report->faults.p99_ns, p99),
		 nanoseconds(report->faults.total_ns, total));
	row_count(to, "faults", report->faults.count, report->faults.count ? note : "");
	fprintf(to, "  %-12s %10.2f  seconds of the owner\n", "CPU", report->cpu_seconds);
	show_groups(report, to);
	show_processes(report, to);
	show_left(report, to);
	show_backends(report, to);
	return ferror(to) ? -EIO : 0;
}

int report_backends(const struct report *report, FILE *to)
{
	show_backends(report, to);
	return fflush(to) || ferror(to) ? -EIO : 0;
}

int report_list(const struct report *reports, unsigned int count, FILE *to)
{
	char limit[SIZE_TEXT], resident[SIZE_TEXT], pool[SIZE_TEXT], out[SIZE_TEXT], ratio[16];

	fprintf(to, "%7s %-16s %10s %10s %10s %10s %6s %10s %9s\n", "PID", "COMMAND", "BUDGET",
		"RESIDENT", "POOL", "SWAPPED", "RATIO", "FAULTS", "CPU");
	for (unsigned int i = 0; i < count; i++) {
		const struct report *report = &reports[i];

		snprintf(ratio, sizeof(ratio), "%.2f", ratio_of(report));
		fprintf(to, "%7d %-16.16s %10s %10s %10s %10s %6s %10llu %8.2fs\n",
			(int)report->pid, report->command, size_format(report->limit_bytes, limit),
			size_format(report->resident_bytes, resident),
			size_format(report->pool_bytes, pool),
			size_format(report->slots.allocated * PAGE_BYTES, out),
			ratio_of(report) > 0 ? ratio : "-",
			(unsigned long long)report->faults.count, report->cpu_seconds);
	}
	return ferror(to) ? -EIO : 0;
}

/* It was not paged at all. */
static void summary_untouched(const struct report *report, FILE *to)
{
	char peak[SIZE_TEXT], limit[SIZE_TEXT];

	size_format(report->limit_bytes, limit);
	if (report->peak_bytes <= report->limit_bytes)
		fprintf(to, "vswap: %s stayed within its budget of %s and was not touched.\n",
			report->command, limit);
	else
		fprintf(to,
			"vswap: %s ran in %s, above its budget of %s: nothing of it was paged.\n",
			report->command, size_format(report->peak_bytes, peak), limit);
}

static void summary_paged(const struct report *report, FILE *to)
{
	char wanted[SIZE_TEXT], peak[SIZE_TEXT], limit[SIZE_TEXT], out[SIZE_TEXT], lost[SIZE_TEXT];
	char ratio[32] = "";

	if (ratio_of(report) > 0)
		snprintf(ratio, sizeof(ratio), ", compressed %.2f to 1", ratio_of(report));
	fprintf(to,
		"vswap: %s wanted %s and ran in %s (budget %s).\n"
		"vswap: %s swapped out%s; %llu faults took %s of %.1f s; vswap used %.1f s of "
		"CPU.\n",
		report->command, size_format(report->wanted_bytes, wanted),
		size_format(report->peak_bytes, peak), size_format(report->limit_bytes, limit),
		size_format(report->bytes.swapped_out, out), ratio,
		(unsigned long long)report->faults.count,
		nanoseconds(report->faults.total_ns, lost), report->seconds, report->cpu_seconds);
}

/* What kept it above its budget. */
static void summary_fixed(const struct report *report, FILE *to)
{
	char fixed[SIZE_TEXT];

	if (report->peak_bytes > report->limit_bytes &&
	    report->fixed_peak_bytes > report->limit_bytes / FIXED_SHARE)
		fprintf(to,
			"vswap: %s of that could not leave: memory that is read-only, executable, "
			"locked or pinned, or of processes that were too small or left alone.\n",
			size_format(report->fixed_peak_bytes, fixed));
	for (unsigned int i = 0; i < report->left_count; i++)
		fprintf(to, "vswap: process %d (%s) was not paged: %s\n", (int)report->left[i].pid,
			report->left[i].command, report->left[i].reason);
	if (report->left_total > report->left_count)
		fprintf(to, "vswap: nor were %u others.\n",
			report->left_total - report->left_count);
}

int report_summary(const struct report *report, FILE *to)
{
	if (report->attached)
		summary_paged(report, to);
	else
		summary_untouched(report, to);
	summary_fixed(report, to);
	return ferror(to) ? -EIO : 0;
}
