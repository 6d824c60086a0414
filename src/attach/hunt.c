/* SPDX-License-Identifier: MIT */
/*
 * The proof: in smaps a mapping that is registered for missing pages has the flag "um", and "uw" if
 * it is registered for write-protection. One page of each process that has the former somewhere
 * is registered for the latter through each of our userfaultfds: if "uw" comes to stand there, one
 * of ours serves it. This changes no byte of anybody, and nothing at all in a process that is not
 * ours.
 *
 * The page must be one for which nobody else asks for it meanwhile. Where all that is "um" is "uw",
 * too, it is a file's, which newer kernels register for write-protection alone.
 *
 * A process in exec can hold up whoever looks at it for good. So a copy of the caller's process
 * looks, and is killed when it does not get on, and another one goes on behind that process: it has
 * a new memory.
 */
#include "attach/hunt.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/kernel.h"
#include "base/page.h"
#include "base/proc.h"

/* Most that are looked at in one go. */
#define CANDIDATES 65536u
/* So many different pages are remembered as done: relatives have the same. */
#define RECENT 16u
/* A copy that stands still at so many looks, ms apart, is given up. */
#define STUCK_LOOKS 20u
#define LOOK_MS	    10
/* The process that held it up is passed over for so long. */
#define PASSED	  64u
#define PASSED_NS 3000000000ull
/* More than what matters of any line. */
#define TEXT 16384

struct mapping {
	uint64_t start, end;
	bool missing, protected; /* registered for it */
	bool file;		 /* a file's, or the kernel's, and a userfaultfd may have it */
};

/* It has memory that is registered with some userfaultfd; a proof is tried with `mapping`. */
struct candidate {
	pid_t pid;
	struct mapping mapping;
};

/* Shared with the copy that looks. */
struct hunt {
	int proc;
	bool done;		/* a step, to the end */
	_Atomic uint32_t steps; /* that it gets on */
	pid_t at;		/* processes up to this one were looked at, ... */
	pid_t looks;		/* at this one now; 0: none */
	size_t next;		/* ... or candidates before this one */
	int killed;
	size_t count;
	struct candidate candidates[CANDIDATES];
};

/* ---- files, without stdio ---- */

struct lines {
	int file;
	size_t at, end;
	char text[TEXT];
};

/* The next line, or as much of it as fits. NULL: the end. */
static char *next_line(struct lines *lines)
{
	for (;;) {
		char *line = lines->text + lines->at;
		char *stop = memchr(line, '\n', lines->end - lines->at);
		ssize_t got;

		if (stop) {
			*stop = '\0';
			lines->at = (size_t)(stop - lines->text) + 1;
			return line;
		}
		if (lines->at == 0 && lines->end == TEXT) {
			lines->text[TEXT - 1] = '\0';
			lines->at = lines->end = 0;
			return line;
		}
		memmove(lines->text, line, lines->end - lines->at);
		lines->end -= lines->at;
		lines->at = 0;
		got = read(lines->file, lines->text + lines->end, TEXT - lines->end);
		if (got <= 0)
			return NULL;
		lines->end += (size_t)got;
	}
}

static int open_number(int proc, pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	return openat(proc, path, O_RDONLY | O_CLOEXEC);
}

/* ---- mappings ---- */

/* The line of a mapping, after its addresses, names an inode, or it is the kernel's code. */
static bool names_file(const char *at)
{
	/* protection, offset, device */
	for (int fields = 0; at && fields < 3; fields++)
		at = strchr(at + 1, ' ');
	return at && (strtoull(at, NULL, 10) || strstr(at, "[vdso]"));
}

static bool may_be_registered(const char *flags)
{
	return strstr(flags, " mw") && !strstr(flags, " io") && !strstr(flags, " pf") &&
	       !strstr(flags, " ht");
}

static bool next_mapping(struct lines *lines, struct mapping *mapping)
{
	char *line, *at;

	while ((line = next_line(lines))) {
		if (isdigit((unsigned char)*line) || islower((unsigned char)*line)) {
			mapping->start = strtoull(line, &at, 16);
			mapping->end = *at == '-' ? strtoull(at + 1, &at, 16) : 0;
			mapping->file = names_file(at);
		} else if (!strncmp(line, "VmFlags:", 8)) {
			mapping->missing = strstr(line, " um");
			mapping->protected = strstr(line, " uw");
			mapping->file &= may_be_registered(line);
			return true;
		}
	}
	return false;
}

/* What is asked of a process's mappings. */
struct look {
	_Atomic uint32_t *steps;
	int tasks;		  /* /proc/PID/task */
	const struct mapping *at; /* NULL: the first that a proof can be tried with */
	struct mapping found;
	struct mapping file; /* the first of a file that a proof can be tried with */
	bool seen_any;	     /* some thread still has the memory */
	bool seen_missing;
};

static bool is_wanted(const struct look *look, const struct mapping *mapping)
{
	if (!look->at)
		return mapping->missing && !mapping->protected;
	return mapping->protected && mapping->start <= look->at->start &&
	       look->at->start < mapping->end;
}

/* A thread's mappings, which are the process's, as long as it lives. True: no other need be
 * asked. */
static bool look_by_thread(void *argument, int tid)
{
	struct look *look = argument;
	struct lines lines = {.file = open_number(look->tasks, tid, "smaps")};
	struct mapping mapping = {0};

	while (lines.file >= 0 && next_mapping(&lines, &mapping)) {
		look->seen_any = true;
		atomic_fetch_add(look->steps, 1);
		look->seen_missing |= mapping.missing;
		if (is_wanted(look, &mapping)) {
			look->found = mapping;
			break;
		}
		if (mapping.file && !mapping.protected && !look->file.end)
			look->file = mapping;
	}
	if (lines.file >= 0)
		close(lines.file);
	return look->seen_any;
}

/* The first thread may have ended before the others. */
static bool has_mapping(struct hunt *hunt, pid_t pid, const struct mapping *at,
			struct mapping *found)
{
	struct look look = {
		.steps = &hunt->steps,
		.tasks = open_number(hunt->proc, pid, "task"),
		.at = at,
	};

	if (look.tasks < 0)
		return false;
	proc_each_number(look.tasks, look_by_thread, &look);
	close(look.tasks);
	if (!at && !look.found.end && look.seen_missing)
		look.found = look.file;
	*found = look.found;
	return look.found.end != 0;
}

/* ---- the proof ---- */

/* Those that held up a copy; of the thread that hunts. */
static struct {
	pid_t pid;
	uint64_t until_ns;
} passed[PASSED];
static unsigned int passed_next;

static void pass(pid_t pid)
{
	passed[passed_next].pid = pid;
	passed[passed_next].until_ns = monotonic_ns() + PASSED_NS;
	passed_next = (passed_next + 1) % PASSED;
}

static bool is_passed(pid_t pid)
{
	for (unsigned int i = 0; i < PASSED; i++)
		if (passed[i].pid == pid && monotonic_ns() < passed[i].until_ns)
			return true;
	return false;
}

/* Another user's process may hold up whoever looks, too: this needs the same right, and no lock. */
static bool may_be_looked_at(int proc, pid_t pid)
{
	char path[32], target[1];

	snprintf(path, sizeof(path), "%d/exe", (int)pid);
	return readlinkat(proc, path, target, sizeof(target)) >= 0 || errno != EACCES;
}

static bool add_candidate(void *argument, int pid)
{
	struct hunt *hunt = argument;
	struct candidate *candidate = &hunt->candidates[hunt->count];

	if (pid <= hunt->at)
		return false;
	if (hunt->count == CANDIDATES)
		return true;
	hunt->at = pid;
	if (is_passed(pid) || !may_be_looked_at(hunt->proc, pid))
		return false;
	hunt->looks = candidate->pid = pid;
	hunt->count += has_mapping(hunt, pid, NULL, &candidate->mapping);
	hunt->looks = 0;
	return false;
}

static void find_candidates(struct hunt *hunt)
{
	int folder = openat(hunt->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return;
	proc_each_number(folder, add_candidate, hunt);
	close(folder);
}

/* 0 or errno. What is not anonymous has no missing pages of ours, so that alone is left out there.
 */
static int protect(int userfault, uint64_t start, uint64_t end)
{
	struct uffdio_register range = {
		.range = {.start = start, .len = end - start},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};

	if (!ioctl(userfault, UFFDIO_REGISTER, &range))
		return 0;
	if (errno != EINVAL)
		return errno;
	range.mode = UFFDIO_REGISTER_MODE_WP;
	return ioctl(userfault, UFFDIO_REGISTER, &range) ? errno : 0;
}

/* The page alone, so that the rest is there for other proofs; where a mapping cannot be divided
 * any more, all of it. */
static void mark(int userfault, const struct mapping *mapping)
{
	if (protect(userfault, mapping->start, mapping->start + PAGE_BYTES) == ENOMEM)
		protect(userfault, mapping->start, mapping->end);
}

static bool is_marked(const struct hunt *hunt, size_t index)
{
	size_t first = index > RECENT ? index - RECENT : 0;
	uint64_t page = hunt->candidates[index].mapping.start;

	for (size_t i = first; i < index; i++)
		if (hunt->candidates[i].mapping.start == page)
			return true;
	return false;
}

static int kill_marked(struct hunt *hunt, const struct candidate *candidate)
{
	/* Opened first: should the number be another's by then, nobody is hit. */
	int pidfd = (int)syscall(SYS_pidfd_open, candidate->pid, 0), killed = 0;
	struct mapping mapping;

	if (pidfd < 0)
		return 0;
	if (has_mapping(hunt, candidate->pid, &candidate->mapping, &mapping))
		killed = !syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close(pidfd);
	return killed;
}

static void kill_all_marked(struct hunt *hunt)
{
	while (hunt->next < hunt->count) {
		const struct candidate *candidate = &hunt->candidates[hunt->next++];

		hunt->looks = candidate->pid;
		hunt->killed += kill_marked(hunt, candidate);
		hunt->looks = 0;
	}
}

/* ---- the copy ---- */

static bool has_ended(pid_t copy)
{
	return waitpid(copy, NULL, __WALL | WNOHANG) != 0;
}

/* At most one look long. */
static void wait_a_while(int pidfd)
{
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	poll(&end, pidfd >= 0, LOOK_MS);
}

static void wait_for(struct hunt *hunt, pid_t copy)
{
	int pidfd = (int)syscall(SYS_pidfd_open, copy, 0);
	uint32_t seen = atomic_load(&hunt->steps);
	unsigned int looks = 0;

	while (!has_ended(copy)) {
		wait_a_while(pidfd);
		if (proc_state(copy) == 'R' || seen != atomic_load(&hunt->steps))
			looks = 0;
		seen = atomic_load(&hunt->steps);
		if (++looks < STUCK_LOOKS)
			continue;
		kill(copy, SIGKILL);
		if (looks == STUCK_LOOKS && hunt->looks)
			pass(hunt->looks);
	}
	if (pidfd >= 0)
		close(pidfd);
}

/* Where no copy can be made the caller looks. */
static void by_copies(struct hunt *hunt, void (*work)(struct hunt *hunt))
{
	hunt->done = false;
	while (!hunt->done) {
		pid_t maker = getpid(), copy = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);

		if (copy > 0) {
			wait_for(hunt, copy);
			continue;
		}
		if (!copy && (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != maker))
			syscall(SYS_exit_group, 1);
		work(hunt);
		hunt->done = true;
		if (!copy)
			syscall(SYS_exit_group, 0);
	}
}

int hunt(int proc, const int *userfaults, size_t count)
{
	struct hunt *hunt = mmap(NULL, sizeof(*hunt), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int killed;

	if (hunt == MAP_FAILED)
		return -ENOMEM;
	hunt->proc = proc;
	by_copies(hunt, find_candidates);
	for (size_t i = 0; i < hunt->count; i++) {
		if (is_marked(hunt, i))
			continue;
		for (size_t j = 0; j < count; j++)
			mark(userfaults[j], &hunt->candidates[i].mapping);
	}
	by_copies(hunt, kill_all_marked);
	killed = hunt->killed;
	munmap(hunt, sizeof(*hunt));
	return killed;
}

void hunt_release(int userfault)
{
	struct pollfd wait = {.fd = userfault, .events = POLLIN};
	struct uffd_msg message;

	fcntl(userfault, F_SETFL, O_NONBLOCK);
	while (poll(&wait, 1, 0) > 0 && wait.revents == POLLIN &&
	       read(userfault, &message, sizeof(message)) == (ssize_t)sizeof(message)) {
		struct uffdio_poison poison = {
			.range = {message.arg.pagefault.address & ~(PAGE_BYTES - 1), PAGE_BYTES}};

		if (message.event == UFFD_EVENT_PAGEFAULT)
			ioctl(userfault, UFFDIO_POISON, &poison);
	}
}
