/* SPDX-License-Identifier: MIT */
#include "attach/restart.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "attach/remote.h"
#include "attach/timeouts.h"

#define INSTRUCTION	2      /* bytes of `syscall` */
#define GET_RSEQ	0x420f /* PTRACE_GET_RSEQ_CONFIGURATION, Linux 5.13 */
#define STATUS_BYTES	4096
#define ERESTARTNOHAND	514 /* the kernel's own: again, unless a handler runs */
#define SIGNAL(number)	(1ull << ((number)-1))
#define IGNORED_SIGNALS (SIGNAL(SIGCHLD) | SIGNAL(SIGCONT) | SIGNAL(SIGURG) | SIGNAL(SIGWINCH))
#define RSEQ_CS_AT	8 /* where struct rseq has the address of the running sequence */

struct rseq_configuration {
	uint64_t area;
	uint32_t size, signature, flags, unused;
};

struct rseq_sequence {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

int registers_get(pid_t tid, struct user_regs_struct *registers)
{
	struct iovec io = {registers, sizeof(*registers)};

	return ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &io) ? -errno : 0;
}

int registers_set(pid_t tid, struct user_regs_struct *registers)
{
	struct iovec io = {registers, sizeof(*registers)};

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &io) ? -errno : 0;
}

/* Calls that have done nothing when they return EINTR, and may be made again as they are. */
static bool may_repeat(long number)
{
	static const short calls[] = {
		SYS_epoll_wait,	   SYS_epoll_pwait,    441 /* epoll_pwait2 */,
		SYS_semop,	   SYS_semtimedop,     SYS_rt_sigtimedwait,
		SYS_msgrcv,	   SYS_msgsnd,	       SYS_io_getevents,
		SYS_io_pgetevents, SYS_io_uring_enter, SYS_read,
		SYS_readv,	   SYS_write,	       SYS_writev,
		SYS_recvfrom,	   SYS_recvmsg,	       SYS_recvmmsg,
		SYS_sendto,	   SYS_sendmsg,	       SYS_accept,
		SYS_accept4,
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (calls[i] == number)
			return true;
	}
	return false;
}

static uint64_t signals(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

static bool read_status(pid_t pid, pid_t tid, char status[STATUS_BYTES])
{
	char path[64];
	ssize_t got;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)pid, (int)tid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	got = read(file, status, STATUS_BYTES - 1);
	close(file);
	status[got > 0 ? got : 0] = '\0';
	return got > 0;
}

uint64_t restart_blocked(pid_t pid, pid_t tid)
{
	char status[STATUS_BYTES];

	return read_status(pid, tid, status) ? signals(status, "\nSigBlk:\t") : 0;
}

/* Those that wait for the thread and would do something. A thread that is traced gets the others,
 * too, and only then are they dropped. */
static uint64_t waiting_signals(const char *status)
{
	uint64_t pending = signals(status, "\nSigPnd:\t") | signals(status, "\nShdPnd:\t");

	return pending & ~signals(status, "\nSigIgn:\t") &
	       ~(IGNORED_SIGNALS & ~signals(status, "\nSigCgt:\t"));
}

/* Whether a signal waits for the thread: then EINTR is what it must see. */
static bool signal_waits(pid_t pid, pid_t tid)
{
	char status[STATUS_BYTES];

	return !read_status(pid, tid, status) ||
	       (waiting_signals(status) & ~signals(status, "\nSigBlk:\t"));
}

static bool is_syscall(pid_t tid, uint64_t address)
{
	uint8_t code[INSTRUCTION];

	return !remote_read(tid, address, code, sizeof(code)) && code[0] == 0x0f && code[1] == 0x05;
}

/* Makes the call again, unless its time-out is over meanwhile. */
static void repeat(pid_t pid, pid_t tid, struct user_regs_struct *registers)
{
	if (timeouts_resume(pid, tid, registers))
		return;
	registers->rip -= INSTRUCTION;
	registers->rax = registers->orig_rax;
	registers->orig_rax = (unsigned long)-1;
}

void restart_interrupted(pid_t pid, pid_t tid)
{
	struct user_regs_struct registers;

	if (registers_get(tid, &registers) || (long)registers.orig_rax < 0 ||
	    (long)registers.rax != -EINTR || !may_repeat((int)registers.orig_rax) ||
	    !is_syscall(tid, registers.rip - INSTRUCTION) || signal_waits(pid, tid))
		return;
	repeat(pid, tid, &registers);
	registers_set(tid, &registers);
}

void restart_masked(pid_t pid, pid_t tid, uint64_t within, struct user_regs_struct *registers)
{
	long result = (long)registers->rax, number = (long)registers->orig_rax;
	char status[STATUS_BYTES];

	if (number < 0 ||
	    (result != -ERESTARTNOHAND && !(result == -EINTR && may_repeat((int)number))))
		return;
	if (is_syscall(tid, registers->rip - INSTRUCTION) && read_status(pid, tid, status) &&
	    !(waiting_signals(status) & ~within))
		repeat(pid, tid, registers);
}

void restart_sequence(pid_t tid, struct user_regs_struct *registers)
{
	struct rseq_configuration configuration = {0};
	struct rseq_sequence sequence;
	uint64_t address = 0;

	if (ptrace(GET_RSEQ, tid, (void *)sizeof(configuration), &configuration) < 0 ||
	    !configuration.area)
		return;
	if (remote_read(tid, configuration.area + RSEQ_CS_AT, &address, sizeof(address)) ||
	    !address || remote_read(tid, address, &sequence, sizeof(sequence)))
		return;
	if (registers->rip - sequence.start < sequence.length)
		registers->rip = sequence.abort;
}
