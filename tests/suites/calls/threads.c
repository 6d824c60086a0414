/* SPDX-License-Identifier: MIT */
/* Description: clone3, tids, robust lists, rseq, scheduling; what the kernel reads and writes has
 * left. */
#include "calls.h"
#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <sched.h>
#include <stddef.h>

static char *at; /* four pages */

static void cold(void)
{
	leave(at, 4);
}

/* Where the kernel writes: at clone, and at the child's end. */
static void children(void)
{
	struct clone_args *arguments = (struct clone_args *)at;
	int *pidfd = (int *)(at + PAGE), *tid = (int *)(at + 2 * PAGE);
	siginfo_t *info = (siginfo_t *)(at + 3 * PAGE);
	pid_t *list = (pid_t *)(at + 2048), pid;

	*list = 0;
	*arguments = (struct clone_args){.flags = CLONE_PIDFD | CLONE_PARENT_SETTID |
						  CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
					 .pidfd = (uintptr_t)pidfd,
					 .parent_tid = (uintptr_t)tid,
					 .child_tid = (uintptr_t)(tid + 1),
					 .exit_signal = SIGCHLD};
	cold();
	pid = syscall(SYS_clone3, arguments, sizeof(*arguments));
	if (!pid)
		_exit(tid[1] == getpid() ? 5 : 6);
	show(pid > 0);
	show(*tid == pid);
	cold();
	show(waitid(P_PIDFD, *pidfd, info, WEXITED));
	show(info->si_status);
	show(info->si_code == CLD_EXITED);
	close(*pidfd);
}

/* A thread that ends has its word cleared, wherever that is. */
static void *clear_word(void *argument)
{
	int *word = (int *)(at + PAGE);

	*word = 1;
	show(syscall(SYS_set_tid_address, word) == syscall(SYS_gettid));
	press();
	syscall(SYS_exit, 0);
	return argument;
}

static void tid_address(void)
{
	int *word = (int *)(at + PAGE);
	pthread_attr_t detached;
	pthread_t thread;
	double end;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	*word = 1;
	expect(!pthread_create(&thread, &detached, clear_word, NULL), "pthread_create");
	for (end = seconds_now() + 20; *(volatile int *)word && seconds_now() < end;)
		pause_ms(2);
	show(*word);
}

struct list {
	struct robust_list_head head;
	struct robust_list node;
	int word;
};

static void *die_with_list(void *argument)
{
	struct list *list = (struct list *)(at + PAGE);

	list->head.list.next = &list->node;
	list->head.futex_offset = (char *)&list->word - (char *)&list->node;
	list->head.list_op_pending = NULL;
	list->node.next = &list->head.list;
	list->word = syscall(SYS_gettid);
	show(syscall(SYS_set_robust_list, &list->head, sizeof(list->head)));
	for (int i = 0; i < 3; i++)
		press(); /* the list is where nobody expects it */
	syscall(SYS_exit, 0);
	return argument;
}

static void robust(void)
{
	struct list *list = (struct list *)(at + PAGE);
	struct robust_list_head **head = (struct robust_list_head **)at;
	size_t *length = (size_t *)(at + 64);
	pthread_attr_t detached;
	pthread_t thread;
	double end;

	cold();
	show(syscall(SYS_get_robust_list, 0, head, length));
	show(*length);
	list->word = 1;
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	expect(!pthread_create(&thread, &detached, die_with_list, NULL), "pthread_create");
	for (end = seconds_now() + 40; seconds_now() < end; pause_ms(2))
		if (*(volatile int *)&list->word & FUTEX_OWNER_DIED)
			break;
	show(!!(list->word & FUTEX_OWNER_DIED));
}

static void scheduling(void)
{
	cpu_set_t *set = (cpu_set_t *)at;
	struct sched_param *parameter = (struct sched_param *)(at + PAGE);
	unsigned int *cpu = (unsigned int *)(at + 2 * PAGE);

	cold();
	show(sched_getaffinity(0, sizeof(*set), set));
	cold();
	show(sched_setaffinity(0, sizeof(*set), set));
	cold();
	show(sched_getparam(0, parameter));
	cold();
	show(syscall(SYS_sched_getattr, 0, at + PAGE, 48, 0));
	cold();
	show(syscall(SYS_sched_setattr, 0, at + PAGE, 0));
	cold();
	show(syscall(SYS_getcpu, cpu, cpu + 64, NULL));
	cold();
	show(syscall(SYS_arch_prctl, ARCH_GET_FS, at + 512));
	show(*(uint64_t *)(at + 512) == (uint64_t)pthread_self());
	show(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	show(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	cold();
	show(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
}

/* A sequence area of its own, which the kernel writes to whenever it schedules the thread. */
static void *sequences(void *argument)
{
	uint32_t *area_at = (uint32_t *)(at + PAGE);

	memset(area_at, 0, 64);
	area_at[1] = (uint32_t)-1;
	cold();
	show(syscall(SYS_rseq, area_at, 32, 0, 0x53053053));
	for (int i = 0; i < 4; i++) {
		leave(at + 2 * PAGE, 1);
		sched_yield();
	}
	show(area_at[1] < 1024);
	show(syscall(SYS_rseq, area_at, 32, 1, 0x53053053));
	return argument;
}

/* glibc has one for each thread: given up first, where it is known. */
static void *own_sequences(void *argument)
{
	extern const ptrdiff_t __rseq_offset __attribute__((weak));
	char *theirs = (char *)__builtin_thread_pointer() + __rseq_offset;

	if (syscall(SYS_rseq, theirs, 32, 1, 0x53053053))
		return argument;
	return sequences(argument);
}

int main(void)
{
	pthread_t thread;

	hazard_start();
	at = area(4);
	children();
	tid_address();
	robust();
	scheduling();
	expect(!pthread_create(&thread, NULL, own_sequences, NULL), "pthread_create");
	pthread_join(thread, NULL);
	return 0;
}
