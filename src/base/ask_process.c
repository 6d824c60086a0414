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

/* Exec has that lock for less than 1 ms as a rule. */
#define PATIENCE_NS 100000000ull

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

static long read_start(struct question *question)
{
	int file = (int)open_file(question);
	ssize_t got = file < 0 ? file : read(file, question->bytes, question->size);

	got = got < 0 && file >= 0 ? -errno : got;
	if (file >= 0)
		close(file);
	return got;
}

ssize_t ask_read(pid_t pid, const char *name, enum ask_about about, void *bytes, size_t size)
{
	struct question *question = of_process(pid, size, read_start);
	long got;

	if (!question)
		return -ENOMEM;
	question->name = name;
	question->about = about;
	got = ask(&question, PATIENCE_NS);
	if (got > 0)
		memcpy(bytes, question->bytes, (size_t)got);
	ask_end(question);
	return got;
}

static long compare_one(struct question *question, pid_t pid)
{
	question->at = pid;
	return syscall(SYS_kcmp, pid, pid, KCMP_VM, 0, 0);
}

/*
 * The kernel takes both locks, and has one while it waits for the other: then the process of the
 * first could not call exec itself. So each is asked alone before: what remains is the moment
 * between.
 */
static long compare(struct question *question)
{
	if (compare_one(question, question->pid) || compare_one(question, question->other))
		return -1;
	question->at = 0;
	return syscall(SYS_kcmp, question->pid, question->other, KCMP_VM, 0, 0);
}

bool ask_same_memory(pid_t one, pid_t other)
{
	struct question *question;
	long result;

	if (one <= 0 || other <= 0 || !may_look_at(one) || !may_look_at(other))
		return false;
	question = of_process(one, 0, compare);
	if (!question)
		return false;
	question->other = other;
	result = ask(&question, PATIENCE_NS);
	ask_end(question);
	return result == 0;
}
