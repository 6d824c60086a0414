/* SPDX-License-Identifier: MIT */
/*
 * The storm: random operations on memory whose contents are known. A page's bytes
 * follow from the seed and its model's key and tail, so no second copy is kept; the model stands
 * in pageable memory itself.
 *
 * A worker is a thread that owns regions; nobody else changes them. A forked child
 * goes on as its worker, alone, with the same regions and model.
 */
#ifndef TESTS_STORM_H
#define TESTS_STORM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE		 4096ul
#define MAX_WORKERS	 32
#define MAX_REGIONS	 96
#define MAX_SLOTS	 200 /* workers and living children; a key's first byte */
#define MAX_CHILDREN	 3   /* of one worker at once */
#define MAX_DEPTH	 3
#define HISTORY		 8192
#define HANG_SECONDS	 60
#define MAX_REGION_PAGES 8192ul /* 32 MiB */

/* How a page's mapping stands; FREED: MADV_FREE'd and not written since, so that it may read
 * as zeros or as what it was. */
enum page_flags {
	PAGE_READONLY = 1,
	PAGE_NONE = 2,
	PAGE_WIPE = 4,
	PAGE_DONTFORK = 8,
	PAGE_FREED = 16,
	PAGE_RAW = 32, /* used for something else until the next page_write */
};

/* key 0: zeros. tail, if not 0, gives the last word. */
struct page_model {
	uint64_t key;
	uint32_t tail;
	uint32_t flags;
};

struct region {
	char *base;
	size_t pages;
	struct page_model *model;
	bool single; /* surely one mapping, uniform: mremap may take it */
	bool brk;    /* from sbrk: only its end moves */
};

struct event {
	const char *what;
	char *address;
	size_t pages;
	uint64_t number;
};

struct pending_splice {
	bool used;
	int pipe[2];
	unsigned int count;
	struct page_model before[16], after[16];
};

struct uring; /* uring.c */

struct worker {
	unsigned int id;
	unsigned int slot; /* in the shared state */
	unsigned int depth;
	uint64_t random;
	uint64_t serial;
	size_t mapped, most; /* pages */
	unsigned int region_count;
	struct region regions[MAX_REGIONS];
	unsigned int child_count;
	struct {
		pid_t pid;
		unsigned int slot;
	} children[MAX_CHILDREN];
	struct pending_splice splice;
	struct uring *uring;
	int file;	/* an unlinked file; -1: none yet */
	bool direct;	/* it is O_DIRECT */
	char *altstack; /* SIGNAL_STACK bytes */
	char *seal;	/* a sealed page, or NULL */
	unsigned int seals;
	struct event *history;
	uint64_t event_count;
	pthread_t thread;
};

#define FILE_PAGES   64u
#define SIGNAL_STACK (64 * 1024ul)

/* What all processes of a run share (MAP_SHARED: never swapped by vswap). */
struct slot_state {
	atomic_int pid; /* 0: free */
	atomic_int tid;
	atomic_uint beat;
	_Atomic(const char *) operation;
};

struct shared_state {
	atomic_ulong pages, operations, mismatches, signals;
	atomic_bool stop, failed;
	struct slot_state slots[MAX_SLOTS];
};

struct options {
	uint64_t pages, seed;
	unsigned int seconds, mib, threads;
	bool verbose;
	unsigned int spoil; /* flip a bit at the Nth operation: must be found */
};

extern struct options options;
extern struct shared_state *shared;
extern struct worker *common; /* regions that all workers use, under common_lock */
extern pthread_mutex_t common_lock;
extern bool common_usable; /* false in a child that was forked in the middle of its use */

/* ---- storm.c ---- */
/* Says what is wrong, ends the run with status 1. */
_Noreturn void storm_fail(struct worker *worker, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
uint64_t storm_random(struct worker *worker);
/* 0 .. below - 1 */
static inline uint64_t random_below(struct worker *worker, uint64_t below)
{
	return (storm_random(worker) >> 11) % below;
}
static inline bool one_in(struct worker *worker, uint64_t n)
{
	return random_below(worker, n) == 0;
}
void storm_beat(struct worker *worker);
int storm_take_slot(void); /* -1: none free */
void storm_run_operation(struct worker *worker);
void worker_init(struct worker *worker, unsigned int id, size_t most_pages);

/* ---- model.c ---- */
uint64_t storm_mix(uint64_t value);
void storm_record(struct worker *worker, const char *what, char *address, size_t pages);
/* For whoever reads of a failure: what it did there; what is mapped around. */
void print_history(struct worker *worker, const char *page);
void print_mappings(uintptr_t address);
void page_fill(const struct page_model *model, void *bytes);
bool page_matches(const struct page_model *model, const void *bytes);
void page_write(struct worker *worker, struct region *region, size_t index);
void page_poke(struct region *region, size_t index);
/* Counts, and fails the run when the page is not what the model says. */
void page_check(struct worker *worker, struct region *region, size_t index);
void pages_check(struct worker *worker, struct region *region, size_t first, size_t count);
/* A few of them. */
void pages_check_some(struct worker *worker, struct region *region, size_t first, size_t count);
void pages_write(struct worker *worker, struct region *region, size_t first, size_t count);
/* The pages read as zeros from now on; their mapping's flags stay. */
void pages_forget(struct region *region, size_t first, size_t count);
void pages_flag(struct region *region, size_t first, size_t count, uint32_t set, uint32_t clear);
bool pages_have(const struct region *region, size_t first, size_t count, uint32_t any);
void worker_check_all(struct worker *worker);
/* Fails the run: these bytes are not what they should be. */
_Noreturn void page_mismatch(struct worker *worker, const struct page_model *model,
			     const void *bytes, const char *where);

/* ---- regions (model.c) ---- */
struct page_model *model_new(size_t pages);
void model_free(struct page_model *model, size_t pages);
/* NULL when the table is full. */
struct region *region_add(struct worker *worker, char *base, size_t pages, uint32_t flags);
/* Forgets [first, first + count) of it; the rest stays, as one or two regions. */
bool region_cut(struct worker *worker, struct region *region, size_t first, size_t count);
struct region *region_any(struct worker *worker);
/* A random run of 1..most pages whose pages can be read (and written, if so asked) and which
 * hold what the model says for sure. NULL: none found. */
struct region *run_any(struct worker *worker, size_t most, bool write, size_t *first,
		       size_t *count);

/* ---- mappings.c ---- */
/* The region's model follows it to `base`, with `pages` of it. */
void region_moved(struct worker *worker, struct region *region, char *base, size_t pages);
/* mremap that no signal interrupts. */
void *remap_once(char *base, size_t old_size, size_t new_size, int flags, void *to);
/* The same, tried for some time while it says EFAULT. */
void *remap_patiently(char *base, size_t old_size, size_t new_size, int flags, void *to);

/* ---- operations, one table in operations.c ---- */
void op_write(struct worker *worker);
void op_poke(struct worker *worker);
void op_check(struct worker *worker);
void op_sweep(struct worker *worker);
void op_copy(struct worker *worker);
void op_map(struct worker *worker);
void op_map_fixed(struct worker *worker);
void op_reserve(struct worker *worker);
void op_unmap(struct worker *worker);
void op_remap(struct worker *worker);
void op_remap_part(struct worker *worker);
void op_remap_row(struct worker *worker);
void op_remap_several(struct worker *worker);
void op_refused(struct worker *worker);
void op_shm(struct worker *worker);
void op_userfault(struct worker *worker);
void op_twin(struct worker *worker);
void op_protect(struct worker *worker);
void op_advise(struct worker *worker);
void op_guard(struct worker *worker);
void op_break(struct worker *worker);
void op_lock(struct worker *worker);
void op_common(struct worker *worker);
void op_fork(struct worker *worker);
void op_vfork(struct worker *worker);
void op_spawn(struct worker *worker);
void op_thread(struct worker *worker);
void op_thread_stack(struct worker *worker);
void op_robust(struct worker *worker);
void op_signal(struct worker *worker);
void op_futex(struct worker *worker);
void op_stack(struct worker *worker);
void op_pipe(struct worker *worker);
void op_socket(struct worker *worker);
void op_file(struct worker *worker);
void op_vector(struct worker *worker);
void op_splice(struct worker *worker);
void op_vm_read(struct worker *worker);
void op_random(struct worker *worker);
void op_uring(struct worker *worker);
bool operations_choose(const char *list, char *message, size_t message_size);

/* ---- the rest ---- */
void children_reap(struct worker *worker, bool all);
void refused_init(void);
void signals_init(void);
void signals_stack(struct worker *worker);
/* After a fork, in the child: what belongs to the parent alone. */
void io_child(struct worker *worker);
void uring_child(struct worker *worker);

#endif
