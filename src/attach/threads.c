/* SPDX-License-Identifier: MIT */
/*
 * The scan runs before every batch, so its usual case (no thread came or went, no
 * robust lock is held) is a directory read and one process_vm_readv for all heads.
 */
#include "attach/threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "attach/remote.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/page.h"
#include "base/proc.h"

#define NEAR_START    1024u /* a head this near its page's start may have its tid word before it */
#define LOCKS_WALKED  64u
#define READ_HEADS    256u
#define YOUNG_SECONDS 10  /* by then a thread has set its robust list, if it ever does */
#define ASK_AGAIN     64u /* scans between questions to old threads: a tid may be another's now */

struct kept_thread {
	uint64_t head; /* 0: none (yet) */
	time_t born;   /* seconds; when first seen */
};

/* The kernel's struct robust_list_head. */
struct robust_head {
	uint64_t next, futex_offset, pending;
};

static int grow_threads(struct kept_pages *kept, size_t need)
{
	size_t capacity = kept->thread_capacity;
	int error = array_grow((void **)&kept->threads, &capacity, need, sizeof(*kept->threads));

	capacity = kept->thread_capacity;
	error = error ?: array_grow((void **)&kept->seen, &capacity, need, sizeof(*kept->seen));
	capacity = kept->thread_capacity;
	error = error
			?: array_grow((void **)&kept->records, &capacity, need,
				      sizeof(*kept->records));
	if (!error)
		kept->thread_capacity = capacity;
	return error;
}

/* Insertion sorts: the kernel lists threads in the order of birth, which is almost sorted. */
static void sort_tids(pid_t *tids, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		pid_t tid = tids[i];
		size_t at = i;

		for (; at && tids[at - 1] > tid; at--)
			tids[at] = tids[at - 1];
		tids[at] = tid;
	}
}

static int compare_addresses(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int open_directory(pid_t pid, struct kept_pages *kept)
{
	char path[48];
	int directory;

	if (kept->directory)
		return lseek(kept->directory - 1, 0, SEEK_SET) < 0 ? -errno : 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	kept->directory = directory + 1;
	return 0;
}

/* Fills kept->seen, sorted; the number of threads or -errno. */
static ssize_t read_tids(pid_t pid, struct kept_pages *kept)
{
	char buffer[8192] __attribute__((aligned(8)));
	size_t count = 0;
	long got;
	int error = open_directory(pid, kept);

	if (error)
		return error;
	while ((got = syscall(SYS_getdents64, kept->directory - 1, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (const void *)(buffer + at);

			at += entry->d_reclen;
			if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
				continue;
			if (count == kept->thread_capacity) {
				error = grow_threads(kept, count + 1);
				if (error)
					return error;
			}
			kept->seen[count++] = atoi(entry->d_name);
		}
	}
	if (got < 0 && errno != ENOENT)
		return -errno;
	if (!count)
		return -ESRCH;
	sort_tids(kept->seen, count);
	return (ssize_t)count;
}

static uint64_t ask_head(pid_t tid)
{
	uint64_t head = 0;
	size_t length = 0;

	if (syscall(SYS_get_robust_list, tid, &head, &length))
		return 0;
	return head;
}

/* Heads whose threads are missing from `seen` go to gone[]. */
static int note_gone(struct kept_pages *kept, size_t count)
{
	size_t at = 0;

	kept->gone_count = 0;
	for (size_t i = 0; i < kept->thread_count; i++) {
		while (at < count && kept->seen[at] < kept->threads[i])
			at++;
		if ((at < count && kept->seen[at] == kept->threads[i]) || !kept->records[i].head)
			continue;
		if (array_grow((void **)&kept->gone, &kept->gone_capacity, kept->gone_count + 1,
			       sizeof(*kept->gone)))
			return -ENOMEM;
		kept->gone[kept->gone_count++] = kept->records[i].head;
	}
	return 0;
}

/*
 * Makes threads[] and records[] those of seen[]. In place: first the threads that are
 * gone are squeezed out, then the new ones are put in from the end.
 */
static void merge(struct kept_pages *kept, size_t count)
{
	size_t left = 0, at = 0;
	time_t now = (time_t)(coarse_ns() / SECOND_NS);

	for (size_t i = 0; i < kept->thread_count; i++) {
		while (at < count && kept->seen[at] < kept->threads[i])
			at++;
		if (at == count || kept->seen[at] != kept->threads[i])
			continue;
		kept->threads[left] = kept->threads[i];
		kept->records[left++] = kept->records[i];
	}
	for (size_t i = count; i-- > 0;) {
		if (left && kept->threads[left - 1] == kept->seen[i]) {
			left--;
			kept->threads[i] = kept->threads[left];
			kept->records[i] = kept->records[left];
		} else {
			kept->threads[i] = kept->seen[i];
			kept->records[i] = (struct kept_thread){.head = 0, .born = now};
		}
	}
	kept->thread_count = count;
}

/* Asks the threads that may have set their list since; true if any has. */
static bool ask_heads(struct kept_pages *kept)
{
	bool changed = false, ask_old = !(kept->scans % ASK_AGAIN);
	time_t now = (time_t)(coarse_ns() / SECOND_NS);

	for (size_t i = 0; i < kept->thread_count; i++) {
		struct kept_thread *record = &kept->records[i];

		uint64_t head;

		if (!ask_old && (record->head || now - record->born > YOUNG_SECONDS))
			continue;
		head = ask_head(kept->threads[i]);
		changed |= head != record->head;
		record->head = head;
	}
	return changed;
}

static int keep(struct kept_pages *kept, uint64_t address)
{
	uint64_t page = address & PAGE_MASK;

	if (kept->count && kept->pages[kept->count - 1] == page)
		return 0;
	if (array_grow((void **)&kept->pages, &kept->capacity, kept->count + 1,
		       sizeof(*kept->pages)))
		return -ENOMEM;
	kept->pages[kept->count++] = page;
	return 0;
}

static int keep_head(struct kept_pages *kept, uint64_t head)
{
	int error = keep(kept, head);

	if (!error && (head & ~PAGE_MASK) < NEAR_START)
		error = keep(kept, head - NEAR_START);
	if (!error && (head & ~PAGE_MASK) > PAGE_BYTES - sizeof(struct robust_head))
		error = keep(kept, head + sizeof(struct robust_head));
	return error;
}

/* Keeps the pages of the locks behind a head. The program may change the list meanwhile. */
static int keep_locks(pid_t tid, struct kept_pages *kept, uint64_t head,
		      const struct robust_head *list)
{
	uint64_t entry = list->next & ~1ull, next = 0;
	int error = 0;

	if (list->pending)
		error = keep(kept, (list->pending & ~1ull) + list->futex_offset);
	for (unsigned int i = 0; !error && i < LOCKS_WALKED && entry && entry != head; i++) {
		struct iovec to = {&next, sizeof(next)};
		struct iovec from = {(void *)(uintptr_t)entry, sizeof(next)};

		error = keep(kept, entry);
		if (!error)
			error = keep(kept, entry + list->futex_offset);
		kept->locks++;
		if (remote_readv(tid, &to, &from, 1) != (ssize_t)sizeof(next))
			break;
		entry = next & ~1ull;
	}
	return error;
}

/* Reads the heads of threads [first, first + count): lists[i].futex_offset 0 if there is none. */
static void read_heads(const struct kept_pages *kept, size_t first, size_t count,
		       struct robust_head *lists)
{
	struct iovec to[READ_HEADS], from[READ_HEADS];
	size_t parts = 0;
	pid_t tid = kept->threads[first];

	memset(lists, 0, count * sizeof(*lists));
	for (size_t i = 0; i < count; i++) {
		if (!kept->records[first + i].head)
			continue;
		/* The memory is that of every thread; ask by one that surely has it still. */
		tid = kept->threads[first + i];
		to[parts] = (struct iovec){&lists[i], sizeof(*lists)};
		from[parts++] = (struct iovec){(void *)(uintptr_t)kept->records[first + i].head,
					       sizeof(*lists)};
	}
	if (parts &&
	    remote_readv(tid, to, from, (unsigned int)parts) == (ssize_t)(parts * sizeof(*lists)))
		return;
	/* A stack was unmapped since: one by one. */
	for (size_t i = 0; i < parts; i++) {
		if (remote_readv(tid, &to[i], &from[i], 1) != (ssize_t)sizeof(*lists))
			memset(to[i].iov_base, 0, sizeof(*lists));
	}
}

static bool holds_lock(const struct robust_head *list, uint64_t head)
{
	return list->pending || (list->next && (list->next & ~1ull) != head);
}

/* Starts pages[] again. Sorted at the end. */
static int rebuild(struct kept_pages *kept)
{
	int error = 0;

	kept->count = 0;
	for (size_t i = 0; !error && i < kept->thread_count; i++) {
		if (kept->records[i].head)
			error = keep_head(kept, kept->records[i].head);
	}
	for (size_t i = 0; !error && i < kept->gone_count; i++)
		error = keep_head(kept, kept->gone[i]);
	return error;
}

static void sort_pages(struct kept_pages *kept)
{
	size_t unique = 0;

	qsort(kept->pages, kept->count, sizeof(*kept->pages), compare_addresses);
	for (size_t i = 0; i < kept->count; i++) {
		if (!unique || kept->pages[unique - 1] != kept->pages[i])
			kept->pages[unique++] = kept->pages[i];
	}
	kept->count = unique;
}

/* Adds the pages of locks that are held now; `fresh` says that pages[] was just rebuilt. */
static int scan_locks(struct kept_pages *kept, bool *fresh)
{
	struct robust_head lists[READ_HEADS];
	int error = 0;

	for (size_t first = 0; !error && first < kept->thread_count; first += READ_HEADS) {
		size_t count = kept->thread_count - first;

		if (count > READ_HEADS)
			count = READ_HEADS;
		read_heads(kept, first, count, lists);
		for (size_t i = 0; !error && i < count; i++) {
			uint64_t head = kept->records[first + i].head;

			if (!holds_lock(&lists[i], head))
				continue;
			if (!*fresh)
				error = rebuild(kept);
			*fresh = true;
			error = error
					?: keep_locks(kept->threads[first + i], kept, head,
						      &lists[i]);
		}
	}
	return error;
}

/* Fields 48 to 51 of stat: where arguments and environment begin and end. */
static void find_arguments(pid_t pid, struct kept_pages *kept)
{
	unsigned long field[4] = {0};
	char text[PROC_STAT];
	const char *at = proc_field(proc_stat(pid, 0, text), 48);

	if (!at || sscanf(at, "%lu %lu %lu %lu", &field[0], &field[1], &field[2], &field[3]) != 4)
		return;
	if (field[0] && field[3] >= field[0]) {
		kept->arguments_start = field[0] & PAGE_MASK;
		kept->arguments_end = (field[3] + PAGE_BYTES - 1) & PAGE_MASK;
	}
}

int kept_pages_scan(pid_t pid, struct kept_pages *kept)
{
	size_t locks = kept->locks, gone = kept->gone_count;
	ssize_t count = read_tids(pid, kept);
	bool changed, fresh;
	int error;

	if (count < 0)
		return (int)count;
	if (!kept->arguments_end)
		find_arguments(pid, kept);
	changed = (size_t)count != kept->thread_count ||
		  memcmp(kept->seen, kept->threads, (size_t)count * sizeof(pid_t));
	error = note_gone(kept, (size_t)count);
	if (error)
		return error;
	kept->changes += changed;
	if (changed)
		merge(kept, (size_t)count);
	kept->scans++;
	changed |= ask_heads(kept);
	changed |= gone || locks; /* what was kept for them goes now */
	kept->locks = 0;
	if (changed)
		error = rebuild(kept);
	fresh = changed;
	error = error ?: scan_locks(kept, &fresh);
	if (fresh)
		sort_pages(kept);
	return error;
}

bool kept_pages_has(const struct kept_pages *kept, uint64_t address)
{
	uint64_t page = address & PAGE_MASK;
	size_t low = 0, high = kept->count;

	if (page >= kept->arguments_start && page < kept->arguments_end)
		return true;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (kept->pages[middle] == page)
			return true;
		if (kept->pages[middle] < page)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

void kept_pages_free(struct kept_pages *kept)
{
	if (kept->directory)
		close(kept->directory - 1);
	free(kept->pages);
	free(kept->threads);
	free(kept->records);
	free(kept->seen);
	free(kept->gone);
	memset(kept, 0, sizeof(*kept));
}

int thread_cpu(int stat_fd)
{
	char text[PROC_STAT];
	const char *cpu = proc_field(proc_stat_of(stat_fd, text), 39);

	return cpu ? atoi(cpu) : -1;
}
