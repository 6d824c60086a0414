/* SPDX-License-Identifier: MIT */
#include "attach/timeouts.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <time.h>
#include <unistd.h>
#include "attach/remote.h"
#include "attach/restart.h"
#include "base/array.h"
#include "base/ask_process.h"
#include "base/clock.h"
#include "base/page.h"
#include "base/proc.h"

#define MARK_SHIFT 32
#define MARK_MOST  0x7fffffffu	/* orig_rax stays positive */
#define PRESENT	   (1ull << 63) /* in /proc/PID/pagemap */
#define SECOND	   1000000000ull
#define SLACK	   50000000u		 /* so much, or ... */
#define SLACK_PART 5u			 /* ... this part, it may come late without being ended */
#define TOUCHES	   16			 /* at a time */
#define LONGEST	   (1000000ull * SECOND) /* such a wait may as well begin anew */

struct waiting {
	pid_t pid, tid;
	uint32_t mark;
	uint64_t length, due; /* ns, the latter as CLOCK_MONOTONIC */
	uint64_t look;	      /* when it should have ended: now or soon after that */
	long switches;	      /* how often the thread had slept when it called again */
};

/* All calls that were made again and may not have ended; `lock` protects all of it. */
static struct {
	pthread_mutex_t lock;
	uint32_t marks;
	struct waiting *items;
	size_t count, capacity;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Reads it only if that cannot fault: what the program put there must not hold up the owner. */
static bool read_time(pid_t pid, uint64_t address, struct timespec *time)
{
	uint64_t entry = 0;
	ssize_t got;
	int file;

	if (address % PAGE_BYTES > PAGE_BYTES - sizeof(*time))
		return false;
	file = ask_open(pid, "pagemap", O_RDONLY);
	if (file < 0)
		return false;
	got = pread(file, &entry, sizeof(entry), (off_t)(address / PAGE_BYTES * sizeof(entry)));
	close(file);
	return got == (ssize_t)sizeof(entry) && entry & PRESENT &&
	       !remote_read(pid, address, time, sizeof(*time));
}

static uint64_t length_in_memory(pid_t pid, uint64_t address)
{
	struct timespec time;

	if (!address || !read_time(pid, address, &time) || time.tv_sec < 0 ||
	    (uint64_t)time.tv_sec >= LONGEST / SECOND)
		return LONGEST;
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* Of a call's time-out, ns; LONGEST: none, or not known. */
static uint64_t length_of(pid_t tid, const struct user_regs_struct *registers)
{
	int milliseconds = (int)registers->r10;

	switch ((int)registers->orig_rax) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return milliseconds < 0 ? LONGEST : (uint64_t)milliseconds * 1000000u;
	case SYS_epoll_pwait2:
	case SYS_semtimedop:
		return length_in_memory(tid, registers->r10);
	case SYS_rt_sigtimedwait:
		return length_in_memory(tid, registers->rdx);
	case SYS_io_getevents:
	case SYS_io_pgetevents:
		return length_in_memory(tid, registers->r8);
	default:
		return LONGEST;
	}
}

static long switches_of(pid_t pid, pid_t tid)
{
	return proc_status_number(pid, tid, "voluntary_ctxt_switches");
}

static long result_of(int number)
{
	return number == SYS_semtimedop || number == SYS_rt_sigtimedwait ? -EAGAIN : 0;
}

static const struct waiting *earliest(void)
{
	const struct waiting *first = table.items;

	for (size_t i = 1; i < table.count; i++) {
		if (table.items[i].look < first->look)
			first = &table.items[i];
	}
	return table.count ? first : NULL;
}

static struct waiting *find(pid_t tid, uint32_t mark)
{
	for (size_t i = 0; i < table.count; i++) {
		if (table.items[i].tid == tid && table.items[i].mark == mark)
			return &table.items[i];
	}
	return NULL;
}

static void drop(struct waiting *waiting)
{
	if (waiting)
		*waiting = table.items[--table.count];
}

/* It sleeps in the call that was made again, or has slept in no other. */
static bool may_wait(const struct waiting *waiting)
{
	long switches = switches_of(waiting->pid, waiting->tid);

	return switches && switches <= waiting->switches + 1;
}

/* Takes one whose call should have ended; false: there is none. */
static bool take_late(struct waiting *late)
{
	const struct waiting *first;
	bool is_late;

	pthread_mutex_lock(&table.lock);
	first = earliest();
	is_late = first && first->look <= monotonic_ns();
	if (is_late)
		*late = *first;
	pthread_mutex_unlock(&table.lock);
	return is_late;
}

static void forget(const struct waiting *late)
{
	pthread_mutex_lock(&table.lock);
	drop(find(late->tid, late->mark));
	pthread_mutex_unlock(&table.lock);
}

int timeouts_end(int most, void (*touch)(pid_t pid, pid_t tid))
{
	const struct waiting *first;
	struct waiting late;
	uint64_t left = 0;

	for (int i = 0; i < TOUCHES && take_late(&late); i++) {
		if (may_wait(&late))
			touch(late.pid, late.tid);
		forget(&late);
	}
	pthread_mutex_lock(&table.lock);
	first = earliest();
	if (first && first->look > monotonic_ns())
		left = (first->look - monotonic_ns()) / 1000;
	pthread_mutex_unlock(&table.lock);
	return first && left < (uint64_t)most ? (int)left : most;
}

/* From now on the kernel lets it wait for its whole time again. */
static void wait_again(struct waiting *waiting)
{
	uint64_t slack = waiting->length / SLACK_PART, end = monotonic_ns() + waiting->length;

	if (slack < SLACK)
		slack = SLACK;
	waiting->look = end <= waiting->due + slack ? end : waiting->due;
	waiting->switches = switches_of(waiting->pid, waiting->tid);
}

/* A call that is seen for the first time. */
static void begin(pid_t pid, pid_t tid, struct user_regs_struct *registers)
{
	uint64_t length = length_of(tid, registers);

	if (length >= LONGEST || array_grow((void **)&table.items, &table.capacity, table.count + 1,
					    sizeof(*table.items)))
		return;
	table.marks = table.marks % MARK_MOST + 1;
	table.items[table.count] = (struct waiting){
		.pid = pid,
		.tid = tid,
		.mark = table.marks,
		.length = length,
		.due = monotonic_ns() + length,
	};
	wait_again(&table.items[table.count++]);
	registers->orig_rax = (uint32_t)registers->orig_rax | (uint64_t)table.marks << MARK_SHIFT;
}

bool timeouts_resume(pid_t pid, pid_t tid, struct user_regs_struct *registers)
{
	struct waiting *waiting;
	bool over;

	pthread_mutex_lock(&table.lock);
	waiting = find(tid, (uint32_t)(registers->orig_rax >> MARK_SHIFT));
	over = waiting && waiting->due <= monotonic_ns();
	if (over) {
		registers->rax = (unsigned long)result_of((int)registers->orig_rax);
		registers->orig_rax = (unsigned long)-1;
		drop(waiting);
	} else if (waiting) {
		wait_again(waiting);
	} else {
		begin(pid, tid, registers);
	}
	pthread_mutex_unlock(&table.lock);
	return over;
}
