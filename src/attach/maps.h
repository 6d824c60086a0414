/* SPDX-License-Identifier: MIT */
/* The mappings of a process, as far as paging cares. */
#ifndef ATTACH_MAPS_H
#define ATTACH_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
	uint64_t start, end; /* bytes, page-aligned */
	bool pageable; /* whole anonymous private, rw- or rwx, not special ([vdso] ...), no file */
	bool code;     /* pageable, and executable: rwx */
	bool joins; /* the same, but not to be written (r--, ---, r-x): mprotect could make it one
		       with a pageable one that it touches, or that touches one that does, ... */
	bool stack; /* the main thread's [stack] */
};

struct maps {
	struct mapping *items;
	size_t count, capacity;
	uint64_t code_bytes; /* of mappings that are pageable and executable */
	bool registered;     /* maps_check_flags: some mapping is, with a userfaultfd */
};

/* Reads /proc/PID/maps. Reuses `maps`; 0 or -errno. */
int maps_read(pid_t pid, struct maps *maps);
void maps_free(struct maps *maps);

/*
 * How one address is mapped now, by a descriptor of /proc/PID/maps; `joins` says nothing of
 * neighbours here. -ENOENT: not at all, or as a file with a very long name; -ENOTTY: the kernel
 * cannot tell (before Linux 6.11).
 */
int maps_open(pid_t pid);
int maps_query(int maps, uint64_t address, struct mapping *mapping);
/* Where the first mapping at or above the address is met: at the address itself if it is mapped.
 * -ENOENT: nowhere. */
int maps_query_next(int maps, uint64_t address, uint64_t *start);

/* A part of the addresses. */
typedef void (*maps_run_fn)(void *argument, uint64_t start, uint64_t end);

/*
 * More of what only /proc/PID/smaps says (VmFlags): for each mapping that is
 * pageable or joins so far, clears that when locked (lo), foreign-registered (um, uw), wipe-on-fork
 * is told apart by `wipe` (may be NULL; called for each such range). Slower: at attach and for new
 * mappings only.
 */
int maps_check_flags(pid_t pid, struct maps *maps, maps_run_fn wipe, void *argument);

/* Calls `run` for each mapping that is registered with a userfaultfd for missing pages. Reads
 * smaps: slow. 0 or -errno. maps_any_registered: whether some of the range is. */
int maps_each_registered(pid_t pid, maps_run_fn run, void *argument);
bool maps_any_registered(pid_t pid, uint64_t start, uint64_t end);

/* Which pages of [start, end) are present (or in the kernel's own swap; not those with a mark):
 * calls `run` for every run of present pages (PAGEMAP_SCAN; private anonymous, not file pages).
 * 0 or -errno. */
int maps_present(int pagemap, uint64_t start, uint64_t end, maps_run_fn run, void *argument);

/* The same for the pages that have a mark (marks.h). */
int maps_each_marked(int pagemap, uint64_t start, uint64_t end, maps_run_fn run, void *argument);

/* The same for the parts of [start, end) that are registered so that pages can have marks,
 * whatever stands there. */
int maps_marking(int pagemap, uint64_t start, uint64_t end, maps_run_fn run, void *argument);

/* True if the process has written to all of these pages: each is present, and none is the kernel's
 * zero page. */
bool maps_written(int pagemap, uint64_t start, unsigned int pages);

/* Of `pages` pages, how many from `start` on have nothing in their page table entries, not even a
 * guard, or a mark at most (marks.h), so that a COPY loses nothing; how many have a mark. 0..pages,
 * or -errno. -ENXIO: the first cannot have one, as nobody registered it for that. */
int maps_empty(int pagemap, uint64_t start, unsigned int pages);
int maps_marked(int pagemap, uint64_t start, unsigned int pages);

/* present[i] for `pages` 1..512 pages from start, by reading pagemap. 0 or -errno. */
int maps_present_pages(int pagemap, uint64_t start, unsigned int pages, bool *present);

/* Resident and total size in bytes from an open /proc/PID/statm: anon = resident - shared. */
struct process_size {
	uint64_t total, resident, anonymous;
};
int maps_size(int statm, struct process_size *size);

/* What of a process's anonymous bytes is to be counted with others that have the same pages by
 * fork: a page that n of them have is counted by each as 1/n. Walks its page tables: slow. */
int maps_shared(pid_t pid, uint64_t *bytes);

#endif
