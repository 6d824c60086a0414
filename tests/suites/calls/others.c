/* SPDX-License-Identifier: MIT */
/*
 * Description: bpf, perf_event_open, seccomp's notifications, Landlock, keys, a userfaultfd of the
 * program's own; what is passed has left.
 */
#include "calls.h"
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

static char *at; /* two pages */

static void cold(void)
{
	leave(at, 2);
}

static void maps(void)
{
	union bpf_attr *attributes = (union bpf_attr *)at;
	uint32_t *key = (uint32_t *)(at + PAGE);
	int fd;

	memset(attributes, 0, sizeof(*attributes));
	attributes->map_type = BPF_MAP_TYPE_ARRAY;
	attributes->key_size = 4;
	attributes->value_size = 64;
	attributes->max_entries = 4;
	cold();
	fd = syscall(SYS_bpf, BPF_MAP_CREATE, attributes, sizeof(*attributes));
	show(fd >= 0 ? 0 : fd);
	if (fd < 0)
		return;
	memset(attributes, 0, sizeof(*attributes));
	attributes->map_fd = fd;
	attributes->key = (uintptr_t)key;
	attributes->value = (uintptr_t)(at + PAGE + 512);
	*key = 2;
	memset(at + PAGE + 512, 7, 64);
	cold();
	show(syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, attributes, sizeof(*attributes)));
	memset(at + PAGE + 512, 0, 64);
	cold();
	show(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, attributes, sizeof(*attributes)));
	show(at[PAGE + 512 + 63]);
	close(fd);
}

static void counters(void)
{
	struct perf_event_attr *attributes = (struct perf_event_attr *)at;
	int fd;

	*attributes = (struct perf_event_attr){.type = PERF_TYPE_SOFTWARE,
					       .size = sizeof(*attributes),
					       .config = PERF_COUNT_SW_TASK_CLOCK,
					       .exclude_kernel = 1};
	cold();
	fd = syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0);
	show(fd >= 0 ? 0 : fd);
	if (fd < 0)
		return;
	cold();
	show(read(fd, at + PAGE, 8));
	close(fd);
}

static void rules(void)
{
	struct landlock_ruleset_attr *attributes = (struct landlock_ruleset_attr *)at;
	int fd;

	memset(attributes, 0, PAGE);
	attributes->handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_DIR;
	cold();
	fd = syscall(SYS_landlock_create_ruleset, attributes, 8, 0);
	show(fd >= 0 ? 0 : fd);
	if (fd < 0)
		return;
	show(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	show(syscall(SYS_landlock_restrict_self, fd, 0));
	strcpy(at + PAGE, "forbidden");
	cold();
	show(syscall(SYS_mkdir, at + PAGE, 0700));
	fill(at, 2, 3);
	cold();
	show_pages(at, 2, 3);
}

static void keys(void)
{
	int *id = (int *)(at + 3000);

	strcpy(at, "user");
	strcpy(at + 512, "calls:key");
	memset(at + PAGE, 'k', 100);
	cold();
	*id = syscall(SYS_add_key, at, at + 512, at + PAGE, 100, -2 /* the process's */);
	show(*id > 0);
	memset(at + PAGE, 0, PAGE);
	cold();
	show(syscall(SYS_keyctl, 11 /* read */, *id, at + PAGE, PAGE));
	show(at[PAGE + 99]);
	cold();
	show(syscall(SYS_keyctl, 6 /* describe */, *id, at + PAGE, PAGE) > 0);
}

/* The child asks, the parent reads and answers with memory that has left. */
static void notifications(void)
{
	struct seccomp_notif *request;
	struct seccomp_notif_resp *response;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int ends[2], fd = -1, copy;
	pid_t pid;

	expect(!pipe(ends), "pipe: %m");
	pid = fork();
	if (!pid) {
		struct sock_fprog program = {4, code};

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			     &program);
		expect(write(ends[1], &fd, 4) == 4, "write: %m");
		_exit(fd < 0 ? 0 : syscall(SYS_getppid) == 4711 ? 0 : 1);
	}
	expect(read(ends[0], &fd, 4) == 4, "read: %m");
	show(fd >= 0);
	if (fd >= 0) {
		copy = syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, pid, 0), fd, 0);
		show(copy >= 0);
		at = area(2); /* what the child has too stays: nobody pages who has a filter */
		request = (struct seccomp_notif *)at;
		response = (struct seccomp_notif_resp *)(at + PAGE);
		cold();
		show(ioctl(copy, SECCOMP_IOCTL_NOTIF_RECV, request));
		show(request->data.nr == SYS_getppid);
		*response = (struct seccomp_notif_resp){.id = request->id, .val = 4711};
		cold();
		show(ioctl(copy, SECCOMP_IOCTL_NOTIF_SEND, response));
		close(copy);
	}
	wait_good(pid, "who asked");
}

/* Opened before its memory is mapped: nobody else pages that. */
static void userfault(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	struct uffdio_api *api = (struct uffdio_api *)at;
	struct uffdio_register *range = (struct uffdio_register *)(at + 512);
	struct uffdio_copy *copy = (struct uffdio_copy *)(at + 1024);
	struct uffdio_zeropage *zero = (struct uffdio_zeropage *)(at + 2048);
	char *to;

	show(fd >= 0 ? 0 : fd);
	if (fd < 0)
		return;
	pause_ms(200);
	to = area(4);
	*api = (struct uffdio_api){.api = UFFD_API};
	cold();
	show(ioctl(fd, UFFDIO_API, api));
	*range = (struct uffdio_register){
		{(uintptr_t)to, 4 * PAGE}, UFFDIO_REGISTER_MODE_MISSING, 0};
	cold();
	show(ioctl(fd, UFFDIO_REGISTER, range));
	fill(at + PAGE, 1, 9);
	*copy = (struct uffdio_copy){
		.dst = (uintptr_t)to, .src = (uintptr_t)(at + PAGE), .len = PAGE};
	cold();
	show(ioctl(fd, UFFDIO_COPY, copy));
	*zero = (struct uffdio_zeropage){.range = {(uintptr_t)to + PAGE, 3 * PAGE}};
	cold();
	show(ioctl(fd, UFFDIO_ZEROPAGE, zero));
	show_pages(to, 1, 9);
	check_zero(to + PAGE, 3, "zero pages");
	cold();
	show(ioctl(fd, UFFDIO_UNREGISTER, &range->range));
	close(fd);
}

int main(void)
{
	hazard_start();
	at = area(2);
	maps();
	counters();
	in_child(rules);
	keys();
	notifications();
	userfault();
	return 0;
}
