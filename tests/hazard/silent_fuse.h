/* SPDX-License-Identifier: MIT */
/* A FUSE file system with a file that is never read, and never closed: it does not answer. While a
 * process waits for it in exec, others are paged as ever. */
#ifndef TESTS_SILENT_FUSE_H
#define TESTS_SILENT_FUSE_H

#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include "hazard.h"

#define FOLDER	  "/mnt"
#define FILE_NODE 2

static inline void answer(int device, const struct fuse_in_header *to, int error, const void *body,
			  size_t bytes)
{
	char text[256];
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + bytes),
		.error = error,
		.unique = to->unique,
	};

	memcpy(text, &header, sizeof(header));
	memcpy(text + sizeof(header), body, bytes);
	/* Who asked may have been killed. */
	expect(write(device, text, header.len) == (ssize_t)header.len || errno == ENOENT,
	       "an answer to FUSE: %m");
}

static inline struct fuse_attr attributes(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.nlink = 1,
		.size = PAGE,
		.mode = node == FILE_NODE ? S_IFREG | 0755 : S_IFDIR | 0755,
	};
}

static inline void serve(int device, const struct fuse_in_header *asked, int ready)
{
	const struct fuse_init_out init = {.major = 7, .minor = 31, .max_write = 4096};
	const struct fuse_entry_out entry = {.nodeid = FILE_NODE, .attr = attributes(FILE_NODE)};
	const struct fuse_attr_out attribute = {.attr = attributes(asked->nodeid)};
	const struct fuse_open_out opened = {0};

	switch (asked->opcode) {
	case FUSE_INIT:
		answer(device, asked, 0, &init, sizeof(init));
		break;
	case FUSE_LOOKUP:
		answer(device, asked, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
		answer(device, asked, 0, &attribute, sizeof(attribute));
		break;
	case FUSE_OPEN:
		answer(device, asked, 0, &opened, sizeof(opened));
		break;
	case FUSE_FLUSH:
	case FUSE_READ:
		expect(write(ready, "x", 1) == 1, "write: %m");
		break;
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		answer(device, asked, -ENOSYS, NULL, 0);
	}
}

static inline void serve_all(int device, int ready)
{
	static _Alignas(struct fuse_in_header) char text[1 << 16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		if (read(device, text, sizeof(text)) > 0)
			serve(device, (void *)text, ready);
}

/* Over a folder that every system has; seen by nobody but us. */
static inline int mount_here(void)
{
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[96];

	if (device < 0)
		skip("/dev/fuse: %m");
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip("a mount namespace: %m");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
	if (mount("hazard", FOLDER, "fuse", 0, options))
		skip("mount: %m");
	return device;
}

#define HELD_PAGES   (40ul << 20 >> 12)
#define HELD_SECONDS 30

/* In a process of its own, which is found only now. */
static inline void page_another(void)
{
	pid_t pid = fork();
	double end = seconds_now() + HELD_SECONDS;
	char *at;

	expect(pid >= 0, "fork: %m");
	if (pid) {
		wait_good(pid, "the process beside");
		return;
	}
	at = anonymous(HELD_PAGES);
	fill(at, HELD_PAGES, 2);
	while (under_vswap() && resident(at, HELD_PAGES) > HELD_PAGES * 3 / 4) {
		expect(seconds_now() < end,
		       "another process is not paged: %zu pages of %zu are "
		       "in memory",
		       resident(at, HELD_PAGES), HELD_PAGES);
		pause_ms(10);
	}
	check(at, HELD_PAGES, 2, "beside");
	_exit(0);
}

static inline void close_in_exec(void)
{
	expect(open(FOLDER "/file", O_RDONLY | O_CLOEXEC) >= 0, "a file of FUSE: %m");
	execl("/bin/true", "true", NULL);
}

struct held {
	int device;
	pid_t server, pid;
};

/* `call_exec` does, and is kept there. */
static inline struct held hold_in_exec(void (*call_exec)(void))
{
	struct held held;
	int ready[2];
	char byte;

	expect(!pipe(ready), "pipe: %m");
	held.device = mount_here();
	held.server = fork();
	if (!held.server)
		serve_all(held.device, ready[1]);
	held.pid = held.server > 0 ? fork() : -1;
	expect(held.pid >= 0, "fork: %m");
	if (!held.pid) {
		close(held.device);
		call_exec();
		_exit(1);
	}
	close(ready[1]);
	expect(read(ready[0], &byte, 1) == 1, "nobody stands in exec");
	return held;
}

/* Even SIGKILL waits for the answer, as long as somebody may give it. */
static inline void let_exec_go_on(struct held held)
{
	kill(held.server, SIGKILL);
	waitpid(held.server, NULL, 0);
	close(held.device);
	wait_good(held.pid, "who was held in exec");
}

static inline void test_held_exec(void (*call_exec)(void))
{
	struct held held = hold_in_exec(call_exec);

	pause_ms(1000);
	page_another();
	let_exec_go_on(held);
}

#endif
