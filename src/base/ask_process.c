/* SPDX-License-Identifier: MIT */
#include "base/ask_process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/ask.h"
#include "base/proc.h"

/* Exec has that lock for less than 1 ms as a rule. */
#define PATIENCE_NS 50000000ull
#define LINE_BYTES  256u

static struct question *of_process(pid_t pid, size_t size, long (*call)(struct question *question))
{
	struct question *question = ask_new(size);

	if (question) {
		question->about = ASK_LOCK;
		question->pid = pid;
		question->call = call;
	}
	return question;
}

/*
 * Another user's process is not asked: it would say no, and could take its time with it. This
 * look needs the same right, and no lock.
 */
static bool may_look_at(pid_t pid)
{
	char path[32], target[1];

	if (!geteuid())
		return true;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	return readlink(path, target, sizeof(target)) >= 0 || errno != EACCES;
}

static long open_file(struct question *question)
{
	char path[64];
	int file;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)question->pid, question->name);
	file = open(path, (int)question->value | O_CLOEXEC);
	return file < 0 ? -errno : file;
}

static void close_file(struct question *question, long result)
{
	(void)question;
	if (result >= 0)
		close((int)result);
}

int ask_open(pid_t pid, const char *name, int flags)
{
	struct question *question;
	long got;

	if (!may_look_at(pid))
		return -EACCES;
	question = of_process(pid, 0, open_file);
	if (!question)
		return -ENOMEM;
	question->name = name;
	question->value = (uint64_t)flags;
	question->undo = close_file;
	got = ask(&question, PATIENCE_NS);
	ask_end(question);
	return (int)got;
}

static long read_line(struct question *question)
{
	proc_line(question->pid, question->name, question->bytes, question->size);
	return 0;
}

void ask_line(pid_t tid, const char *name, char *text, size_t size)
{
	struct question *question = of_process(tid, LINE_BYTES, read_line);

	text[0] = '\0';
	if (!question)
		return;
	question->name = name;
	if (!ask(&question, PATIENCE_NS))
		snprintf(text, size, "%s", question->bytes);
	ask_end(question);
}

static long compare(struct question *question)
{
	return syscall(SYS_kcmp, question->pid, question->other ? question->other : question->pid,
		       KCMP_VM, 0, 0);
}

/* 0: the same one; else what kcmp or ask() say. */
static long compare_memory(pid_t one, pid_t other)
{
	struct question *question;
	long result;

	if (!may_look_at(one) || !may_look_at(other))
		return -EPERM;
	question = of_process(one, 0, compare);
	if (!question)
		return -ENOMEM;
	question->other = other == one ? 0 : other;
	result = ask(&question, PATIENCE_NS);
	ask_end(question);
	return result;
}

bool ask_same_memory(pid_t one, pid_t other)
{
	long result = compare_memory(one, other);

	/* Who of them does not answer is known from now on. */
	if (result == -ETIMEDOUT) {
		compare_memory(one, one);
		compare_memory(other, other);
	}
	return result == 0;
}
