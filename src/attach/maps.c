/* SPDX-License-Identifier: MIT */
#include "attach/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/array.h"
#include "base/ask_process.h"
#include "base/kernel.h"
#include "base/page.h"

#define PAGEMAP_PAGES  512u
#define PAGEMAP_REGION 64u

static FILE *open_proc(pid_t pid, const char *name)
{
	int file = ask_open(pid, name, O_RDONLY);
	FILE *opened = file < 0 ? NULL : fdopen(file, "r");

	if (file < 0)
		errno = -file;
	else if (!opened)
		close(file);
	return opened;
}

/* Right after the last read. The kernel says ESRCH when the process ends meanwhile. */
static int read_error(FILE *file)
{
	if (!ferror(file))
		return 0;
	return errno == ESRCH ? -ESRCH : -EIO;
}

static int append(struct maps *maps, const struct mapping *mapping)
{
	int error = array_grow((void **)&maps->items, &maps->capacity, maps->count + 1,
			       sizeof(*maps->items));

	if (!error)
		maps->items[maps->count++] = *mapping;
	return error;
}

/* What it is from its mode ("rw-p") and its name, if it has no file. */
static void classify(struct mapping *mapping, const char *mode, const char *name)
{
	bool ours;

	mapping->stack = !strncmp(name, "[stack]", 7);
	/* A name in brackets that we do not know is the kernel's own ([vdso], [uprobes], ...). */
	ours = mode[3] == 'p' && (!*name || mapping->stack || !strncmp(name, "[heap]", 6) ||
				  !strncmp(name, "[anon:", 6));
	mapping->pageable = ours && mode[0] == 'r' && mode[1] == 'w';
	mapping->code = mapping->pageable && mode[2] == 'x';
	mapping->joins = ours && !mapping->pageable;
}

/* A line of maps: "start-end rwxp offset major:minor inode   name". */
static bool parse_line(const char *line, struct mapping *mapping)
{
	unsigned long start, end, offset, inode;
	unsigned int major, minor;
	char mode[5];
	const char *name;
	int used = 0;

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n", &start, &end, mode, &offset, &major, &minor,
		   &inode, &used) < 7)
		return false;
	name = line + used;
	name += strspn(name, " \n");
	mapping->start = start;
	mapping->end = end;
	/* A file is what no program's memory is called. */
	classify(mapping, mode, major || minor || inode ? "/" : name);
	return true;
}

/* Of the protected mappings, leaves `joins` to those that stand in a row with a pageable one. */
static void find_joins(struct maps *maps)
{
	size_t first = 0, end;

	for (; first < maps->count; first = end) {
		struct mapping *items = maps->items;
		bool pageable = false;

		for (end = first; end < maps->count; end++) {
			if (!items[end].pageable && !items[end].joins)
				break;
			if (end > first && items[end].start != items[end - 1].end)
				break;
			pageable |= items[end].pageable;
		}
		for (size_t i = first; i < end && !pageable; i++)
			items[i].joins = false;
		if (end == first)
			end++;
	}
}

int maps_read(pid_t pid, struct maps *maps)
{
	FILE *file = open_proc(pid, "maps");
	struct mapping mapping;
	char *line = NULL;
	size_t size = 0;
	int error = 0;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	maps->count = 0;
	maps->code_bytes = 0;
	while (!error && getline(&line, &size, file) > 0) {
		if (!parse_line(line, &mapping))
			continue;
		error = append(maps, &mapping);
		if (mapping.code)
			maps->code_bytes += mapping.end - mapping.start;
	}
	if (!error)
		error = read_error(file);
	/* A live process has mappings; none means that it has gone. */
	if (!error && !maps->count)
		error = -ESRCH;
	find_joins(maps);
	free(line);
	fclose(file);
	return error;
}

int maps_open(pid_t pid)
{
	return ask_open(pid, "maps", O_RDONLY);
}

int maps_query(int maps, uint64_t address, struct mapping *mapping)
{
	char name[128] = "";
	struct procmap_query query = {
		.size = sizeof(query),
		.query_addr = address,
		.vma_name_size = sizeof(name),
		.vma_name_addr = (uintptr_t)name,
	};
	char mode[] = "---p";

	if (ioctl(maps, PROCMAP_QUERY, &query) < 0)
		return errno == ENAMETOOLONG ? -ENOENT : -errno;
	mapping->start = query.vma_start;
	mapping->end = query.vma_end;
	if (query.vma_flags & PROCMAP_QUERY_VMA_READABLE)
		mode[0] = 'r';
	if (query.vma_flags & PROCMAP_QUERY_VMA_WRITABLE)
		mode[1] = 'w';
	if (query.vma_flags & PROCMAP_QUERY_VMA_EXECUTABLE)
		mode[2] = 'x';
	if (query.vma_flags & PROCMAP_QUERY_VMA_SHARED)
		mode[3] = 's';
	classify(mapping, mode, query.dev_major || query.dev_minor || query.inode ? "/" : name);
	return 0;
}

int maps_query_next(int maps, uint64_t address, uint64_t *start)
{
	struct procmap_query query = {
		.size = sizeof(query),
		.query_addr = address,
		.query_flags = PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
	};

	if (ioctl(maps, PROCMAP_QUERY, &query) < 0)
		return -errno;
	*start = query.vma_start > address ? query.vma_start : address;
	return 0;
}

void maps_free(struct maps *maps)
{
	free(maps->items);
	memset(maps, 0, sizeof(*maps));
}

static bool has_flag(const char *flags, const char *flag)
{
	const char *found = strstr(flags, flag);

	return found && found[-1] == ' ' && (found[2] == ' ' || found[2] == '\n' || !found[2]);
}

/*
 * Locked, or registered with a userfaultfd, or the device's, or a shadow stack;
 * MADV_DONTFORK marks memory that devices write to, and our own staging areas.
 */
static bool must_stay(const char *flags)
{
	static const char *const stay[] = {"lo", "um", "uw", "ui", "io", "pf", "mm", "ss", "dc"};

	for (size_t i = 0; i < sizeof(stay) / sizeof(*stay); i++) {
		if (has_flag(flags, stay[i]))
			return true;
	}
	return false;
}

static void leave_alone(struct mapping *mapping)
{
	mapping->pageable = mapping->joins = false;
}

int maps_check_flags(pid_t pid, struct maps *maps, maps_run_fn wipe, void *argument)
{
	FILE *file = open_proc(pid, "smaps");
	struct mapping *at = NULL;
	struct mapping seen = {0};
	char *line = NULL;
	size_t size = 0, next = 0;
	int error;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	maps->registered = false;
	while (getline(&line, &size, file) > 0) {
		if (!strncmp(line, "VmFlags:", 8)) {
			maps->registered |= has_flag(line + 8, "um");
			if (at && must_stay(line + 8))
				leave_alone(at);
			if (wipe && has_flag(line + 8, "wf"))
				wipe(argument, seen.start, seen.end);
			at = NULL;
		} else if (parse_line(line, &seen)) {
			while (next < maps->count && maps->items[next].start < seen.start)
				leave_alone(&maps->items[next++]); /* gone or split since */
			at = NULL;
			if (next < maps->count && maps->items[next].start == seen.start) {
				at = &maps->items[next++];
				if (at->end != seen.end || at->pageable != seen.pageable)
					leave_alone(at);
			}
		}
	}
	error = read_error(file);
	while (next < maps->count)
		leave_alone(&maps->items[next++]);
	free(line);
	fclose(file);
	return error;
}

int maps_each_registered(pid_t pid, maps_run_fn run, void *argument)
{
	FILE *file = open_proc(pid, "smaps");
	struct mapping seen = {0};
	bool any = false;
	char *line = NULL;
	size_t size = 0;
	int error;

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &size, file) > 0) {
		if (strncmp(line, "VmFlags:", 8))
			any |= parse_line(line, &seen);
		else if (has_flag(line + 8, "um"))
			run(argument, seen.start, seen.end);
	}
	error = read_error(file);
	free(line);
	fclose(file);
	/* As in maps_read. */
	return error || any ? error : -ESRCH;
}

struct overlap {
	uint64_t start, end;
	bool found;
};

static void find_overlap(void *argument, uint64_t start, uint64_t end)
{
	struct overlap *overlap = argument;

	overlap->found |= start < overlap->end && end > overlap->start;
}

bool maps_any_registered(pid_t pid, uint64_t start, uint64_t end)
{
	struct overlap overlap = {.start = start, .end = end};

	return !maps_each_registered(pid, find_overlap, &overlap) && overlap.found;
}

/* Calls `run` for each part of [start, end) that is as the scan asks. */
static int scan_runs(int pagemap, uint64_t start, uint64_t end, struct pm_scan_arg *scan,
		     maps_run_fn run, void *argument)
{
	struct page_region regions[PAGEMAP_REGION];

	scan->size = sizeof(*scan);
	scan->end = end;
	scan->vec = (uintptr_t)regions;
	scan->vec_len = PAGEMAP_REGION;
	while (start < end) {
		int count;

		scan->start = start;
		count = ioctl(pagemap, PAGEMAP_SCAN, scan);
		if (count < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (int i = 0; i < count; i++)
			run(argument, regions[i].start, regions[i].end);
		if (scan->walk_end <= start)
			return -EIO;
		start = scan->walk_end;
	}
	return 0;
}

int maps_present(int pagemap, uint64_t start, uint64_t end, maps_run_fn run, void *argument)
{
	struct pm_scan_arg scan = {
		.category_mask = PAGE_IS_FILE | PAGE_IS_WRITTEN,
		.category_inverted = PAGE_IS_FILE,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT,
	};

	return scan_runs(pagemap, start, end, &scan, run, argument);
}

int maps_each_marked(int pagemap, uint64_t start, uint64_t end, maps_run_fn run, void *argument)
{
	struct pm_scan_arg scan = {
		.category_mask = PAGE_IS_SWAPPED | PAGE_IS_WRITTEN,
		.category_inverted = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_SWAPPED,
	};

	return scan_runs(pagemap, start, end, &scan, run, argument);
}

int maps_marking(int pagemap, uint64_t start, uint64_t end, maps_run_fn run, void *argument)
{
	struct pm_scan_arg scan = {
		.category_mask = PAGE_IS_WPALLOWED,
		.return_mask = PAGE_IS_WPALLOWED,
	};

	return scan_runs(pagemap, start, end, &scan, run, argument);
}

bool maps_written(int pagemap, uint64_t start, unsigned int pages)
{
	uint64_t end = start + pages * PAGE_BYTES;
	struct page_region region = {0};
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = start,
		.end = end,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_mask = PAGE_IS_PRESENT | PAGE_IS_PFNZERO | PAGE_IS_FILE,
		.category_inverted = PAGE_IS_PFNZERO | PAGE_IS_FILE,
		.return_mask = PAGE_IS_PRESENT,
	};

	return ioctl(pagemap, PAGEMAP_SCAN, &scan) == 1 && region.start == start &&
	       region.end == end;
}

/* The first part of the pages that is as the scan asks: 1, 0 if none is, or -errno. */
static int scan_first(int pagemap, uint64_t start, unsigned int pages, struct pm_scan_arg *scan,
		      struct page_region *region)
{
	int found;

	scan->size = sizeof(*scan);
	scan->start = start;
	scan->end = start + pages * PAGE_BYTES;
	scan->vec = (uintptr_t)region;
	scan->vec_len = 1;
	do
		found = ioctl(pagemap, PAGEMAP_SCAN, scan);
	while (found < 0 && errno == EINTR);
	return found < 0 ? -errno : found;
}

int maps_empty(int pagemap, uint64_t start, unsigned int pages)
{
	struct pm_scan_arg scan = {
		/* Not a mark (marks.h): a COPY replaces it. */
		.category_mask = PAGE_IS_WRITTEN,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT,
	};
	struct page_region region = {0};
	int found = scan_first(pagemap, start, pages, &scan, &region);

	if (found < 0)
		return found;
	return found ? (int)((region.start - start) / PAGE_BYTES) : (int)pages;
}

int maps_marked(int pagemap, uint64_t start, unsigned int pages)
{
	struct page_region region = {0};
	struct pm_scan_arg scan = {
		.category_mask = PAGE_IS_WPALLOWED,
		.return_mask = PAGE_IS_WPALLOWED | PAGE_IS_SWAPPED | PAGE_IS_WRITTEN,
	};
	int found = scan_first(pagemap, start, pages, &scan, &region);

	if (found < 0)
		return found;
	if (!found || region.start != start)
		return -ENXIO;
	if ((region.categories & (PAGE_IS_SWAPPED | PAGE_IS_WRITTEN)) != PAGE_IS_SWAPPED)
		return 0;
	return (int)((region.end - start) / PAGE_BYTES);
}

int maps_present_pages(int pagemap, uint64_t start, unsigned int pages, bool *present)
{
	uint64_t entries[PAGEMAP_PAGES];
	ssize_t got;

	if (!pages || pages > PAGEMAP_PAGES)
		return -EINVAL;
	got = pread(pagemap, entries, pages * sizeof(*entries),
		    (off_t)(start / PAGE_BYTES * sizeof(*entries)));
	if (got < 0)
		return -errno;
	/* Bit 63: present; 62: in the kernel's own swap, which is as good, and 57: but for a mark
	 * (marks.h); 61: a page of a file or shared memory. */
	for (unsigned int i = 0; i < pages; i++)
		present[i] = (size_t)got >= (i + 1) * sizeof(*entries) &&
			     (entries[i] >> 63 || (entries[i] >> 62 && !(entries[i] >> 57 & 1))) &&
			     !(entries[i] >> 61 & 1);
	return got ? 0 : -ESRCH;
}

int maps_size(int statm, struct process_size *size)
{
	unsigned long total, resident, shared;
	char text[128];
	ssize_t got = pread(statm, text, sizeof(text) - 1, 0);

	if (got < 0)
		return -errno;
	text[got] = '\0';
	if (sscanf(text, "%lu %lu %lu", &total, &resident, &shared) != 3)
		return -EIO;
	if (!total)
		return -ESRCH;
	size->total = (uint64_t)total * PAGE_BYTES;
	size->resident = (uint64_t)resident * PAGE_BYTES;
	size->anonymous = resident > shared ? (uint64_t)(resident - shared) * PAGE_BYTES : 0;
	return 0;
}

int maps_shared(pid_t pid, uint64_t *bytes)
{
	unsigned long long part = 0, whole = 0;
	char line[256];
	FILE *file = open_proc(pid, "smaps_rollup");

	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "Pss_Anon: %llu", &part);
		sscanf(line, "Anonymous: %llu", &whole);
	}
	fclose(file);
	*bytes = whole > part ? (uint64_t)(whole - part) << 10 : 0;
	return 0;
}
