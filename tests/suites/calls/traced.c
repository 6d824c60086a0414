/* SPDX-License-Identifier: MIT */
/* Description: one process of the job looks into another, whose memory has left, and writes to it.
 */
#include "calls.h"
#include <elf.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#define PAGES 8

struct prey {
	pid_t pid;
	char *at; /* PAGES, seed 1 */
	atomic_int *order;
};

/* The child makes its pages leave, says so, and waits. */
static struct prey start(void)
{
	struct prey prey = {.at = area(PAGES)};

	prey.order = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	prey.pid = fork();
	if (prey.pid) {
		while (!*prey.order)
			pause_ms(5);
		return prey;
	}
	fill(prey.at, PAGES, 1);
	leave(prey.at, PAGES);
	*prey.order = 1;
	while (*prey.order == 1)
		pause_ms(5);
	show_pages(prey.at, PAGES, *prey.order == 2 ? 1 : 2);
	_exit(0);
}

static void end(struct prey *prey, int seed)
{
	*prey->order = 1 + seed;
	wait_good(prey->pid, "the prey");
}

static void vectors(void)
{
	struct prey prey = start();
	char *at = area(1 + PAGES);
	struct iovec *mine = (struct iovec *)at, *its = mine + 1;

	*mine = (struct iovec){at + PAGE, PAGES * PAGE};
	*its = (struct iovec){prey.at, PAGES * PAGE};
	leave(at, 1 + PAGES);
	show(process_vm_readv(prey.pid, mine, 1, its, 1, 0));
	show_pages(at + PAGE, PAGES, 1);
	fill(at + PAGE, PAGES, 2);
	leave(at, 1 + PAGES);
	show(process_vm_writev(prey.pid, mine, 1, its, 1, 0));
	end(&prey, 2);
}

static void words(void)
{
	struct prey prey = start();
	char *at = area(1);
	struct iovec *v = (struct iovec *)at;
	uint64_t right = 0;
	int status;

	show(ptrace(PTRACE_SEIZE, prey.pid, NULL, NULL));
	show(ptrace(PTRACE_INTERRUPT, prey.pid, NULL, NULL));
	show(waitpid(prey.pid, &status, 0) == prey.pid);
	*v = (struct iovec){at + 512, sizeof(struct user_regs_struct)};
	leave(at, 1);
	show(ptrace(PTRACE_GETREGSET, prey.pid, NT_PRSTATUS, v));
	show(v->iov_len);
	for (size_t i = 0; i < PAGES; i++) {
		errno = 0;
		right += (uint64_t)ptrace(PTRACE_PEEKDATA, prey.pid, prey.at + i * PAGE, NULL) ==
				 page_word(1, i, 0) &&
			 !errno;
	}
	show(right);
	show(ptrace(PTRACE_POKEDATA, prey.pid, prey.at + 8, page_word(1, 0, 1)));
	show(ptrace(PTRACE_DETACH, prey.pid, NULL, NULL));
	end(&prey, 1);
}

static void memory_file(void)
{
	struct prey prey = start();
	char *at = area(PAGES), path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", prey.pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	show(fd >= 0);
	leave(at, PAGES);
	show(pread(fd, at, PAGES * PAGE, (off_t)(uintptr_t)prey.at));
	show_pages(at, PAGES, 1);
	close(fd);
	end(&prey, 1);
}

int main(void)
{
	hazard_start();
	vectors();
	words();
	memory_file();
	return 0;
}
