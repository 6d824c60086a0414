/* SPDX-License-Identifier: MIT */
/*
 * Description: a root program gives up its user, and then runs code of its own in the thread that
 * vswap put into it: its memory is shared, so it can. That code must not be able to do what the
 * program no longer can: read or make root's files, look at any file, signal root's processes,
 * connect as root, get at root's shared memory.
 */
#include "hazard.h"
#include <grp.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PAGES  4096
#define NOBODY 65534
#define JUMP   12 /* bytes of it */

enum { USER, READ, MAKE, LIST, SIGNAL, CONNECT, MEMORY, TRACE, ATTEMPTS };
static const char *const names[] = {
	"is the program's user or root",
	"opened root's file",
	"made a file",
	"opened a file that all may read",
	"may signal root's process",
	"connected to root's abstract socket as somebody known",
	"got at root's shared memory",
	"looked into root's process",
};

static struct {
	char secret[64], fresh[80], memory[64];
	struct sockaddr_un name;
	socklen_t name_length;
	pid_t victim;
	int segment;
	volatile long result[ATTEMPTS];
	volatile bool done;
} plan;

/* No libc: the thread has no control block of its own. */
static inline __attribute__((always_inline)) long call(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

__attribute__((noreturn, no_stack_protector)) static void hijacked(void)
{
	long file;

	__asm__ volatile("and $-16, %rsp");
	plan.result[USER] = call(SYS_getuid, 0, 0, 0);
	plan.result[READ] = call(SYS_open, (long)plan.secret, O_RDONLY, 0);
	plan.result[MAKE] = call(SYS_open, (long)plan.fresh, O_CREAT | O_WRONLY, 0600);
	plan.result[LIST] = call(SYS_open, (long)"/etc/passwd", O_RDONLY, 0);
	plan.result[SIGNAL] = call(SYS_kill, plan.victim, 0, 0);
	file = call(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	plan.result[CONNECT] = call(SYS_connect, file, (long)&plan.name, plan.name_length);
	plan.result[MEMORY] = call(SYS_shmat, plan.segment, 0, SHM_RDONLY);
	plan.result[TRACE] = call(SYS_open, (long)plan.memory, O_RDONLY, 0);
	plan.done = true;
	for (;;)
		call(SYS_pause, 0, 0, 0);
}

/* The thread's code and the words that it may sleep on: a file of which it has two mappings. */
static bool find_agent(uintptr_t code[2], uintptr_t words[2])
{
	char line[512], access[8];
	unsigned long start, end;
	FILE *maps = fopen("/proc/self/maps", "re");

	code[0] = words[0] = 0;
	while (maps && fgets(line, sizeof line, maps)) {
		if (!strstr(line, "vswap-agent") ||
		    sscanf(line, "%lx-%lx %7s", &start, &end, access) != 3)
			continue;
		if (access[2] == 'x') {
			code[0] = start;
			code[1] = end;
		} else {
			words[0] = start;
			words[1] = end;
		}
	}
	if (maps)
		fclose(maps);
	return code[0] && words[0];
}

static void hijack(const uintptr_t code[2], const uintptr_t words[2])
{
	uint8_t *at = mmap((void *)code[0], code[1] - code[0], PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	uint8_t *jump = (uint8_t *)code[1] - JUMP;
	void (*target)(void) = hijacked;

	expect(at != MAP_FAILED, "mmap over the agent's code: %m");
	memset(at, 0x90, code[1] - code[0] - JUMP);
	memcpy(jump, (uint8_t[]){0x48, 0xb8}, 2); /* mov target, %rax; jmp *%rax */
	memcpy(jump + 2, &target, sizeof target);
	memcpy(jump + 10, (uint8_t[]){0xff, 0xe0}, 2);
	for (int round = 0; round < 500 && !plan.done; round++) {
		for (uintptr_t word = words[0]; word < words[1]; word += 4)
			syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
		pause_ms(10);
	}
	expect(plan.done, "the agent does not run the program's code");
}

static void make_victims(void)
{
	int file, listener = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t self = getpid();

	snprintf(plan.secret, sizeof plan.secret, "/tmp/agent_rights-%d", (int)self);
	snprintf(plan.fresh, sizeof plan.fresh, "%s-made", plan.secret);
	file = open(plan.secret, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	expect(file >= 0, "%s: %m", plan.secret);
	close(file);
	plan.name.sun_family = AF_UNIX;
	plan.name_length =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    (size_t)snprintf(plan.name.sun_path + 1, 32, "agent-%d", (int)self));
	expect(!bind(listener, (void *)&plan.name, plan.name_length) && !listen(listener, 1),
	       "listen: %m");
	plan.segment = shmget(IPC_PRIVATE, PAGE, 0600);
	plan.victim = fork();
	if (!plan.victim) {
		struct ucred peer = {.uid = NOBODY};
		socklen_t length = sizeof peer;

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		file = accept(listener, NULL, NULL);
		getsockopt(file, SOL_SOCKET, SO_PEERCRED, &peer, &length);
		_exit(peer.uid == NOBODY || peer.uid == 0);
	}
	close(listener);
	snprintf(plan.memory, sizeof plan.memory, "/proc/%d/environ", (int)plan.victim);
}

static void clean_up(const char *secret, int segment)
{
	unlink(secret);
	shmctl(segment, IPC_RMID, NULL);
}

/* In a process of its own: what made the victims removes them. */
static void give_up_and_hijack(void)
{
	uintptr_t code[2], words[2];
	char *at = anonymous(PAGES);

	fill(at, PAGES, 4);
	evict_most(at, PAGES);
	if (!find_agent(code, words))
		skip("no agent");
	expect(!setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
		       !setresuid(NOBODY, NOBODY, NOBODY),
	       "setresuid: %m");
	hijack(code, words);
	plan.result[USER] = plan.result[USER] == NOBODY || plan.result[USER] == 0 ? 0 : -EPERM;
	for (int i = 0; i < ATTEMPTS; i++)
		if (i != CONNECT)
			expect(plan.result[i] < 0, "the agent %s (%ld)", names[i], plan.result[i]);
	_exit(plan.result[CONNECT] < 0 ? 0 : 2);
}

int main(void)
{
	int status, answer = 0;
	pid_t pid;

	hazard_start();
	if (getuid() != 0)
		skip("not root");
	make_victims();
	pid = fork();
	if (!pid)
		give_up_and_hijack();
	expect(waitpid(pid, &status, 0) == pid, "waitpid: %m");
	clean_up(plan.secret, plan.segment);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		expect(waitpid(plan.victim, &answer, 0) == plan.victim && !answer, "the agent %s",
		       names[CONNECT]);
	else
		kill(plan.victim, SIGKILL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return 77;
	expect(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2),
	       "it ended with status %x", status);
	return 0;
}
