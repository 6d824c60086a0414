/* SPDX-License-Identifier: MIT */
#include "cli/check.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/userfaultfd.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/kernel.h"
#include "base/page.h"
#include "base/size.h"
#include "cgroup/cgroup_budget.h"
#include "owner/harden.h"
#include "rights/fork_right.h"

#define KERNEL_MAJOR 6
#define KERNEL_MINOR 8

#define TELL(detail, ...) snprintf(detail, CHECK_DETAIL, __VA_ARGS__)

/* The first line of a small file without its newline; false when it cannot be read. */
static bool first_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");
	bool found = file && fgets(line, size, file);

	if (file)
		fclose(file);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

static enum check_state probe_kernel(char *detail)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	uname(&name);
	TELL(detail, "%s", name.release);
	if (sscanf(name.release, "%u.%u", &major, &minor) != 2 || major < KERNEL_MAJOR ||
	    (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		return CHECK_MISSING;
	return CHECK_OK;
}

static enum check_state probe_machine(char *detail)
{
	struct utsname name;

	uname(&name);
	TELL(detail, "%s", name.machine);
	return strcmp(name.machine, "x86_64") ? CHECK_MISSING : CHECK_OK;
}

/* ---- userfaultfd ---- */

/* One that serves the kernel's faults too, or -errno. */
static int open_userfaultfd(const char **how)
{
	int descriptor = (int)syscall(SYS_userfaultfd, O_CLOEXEC), device;

	*how = "the system call";
	if (descriptor >= 0 || errno == ENOSYS)
		return descriptor >= 0 ? descriptor : -ENOSYS;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -EPERM;
	descriptor = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	close(device);
	*how = "/dev/userfaultfd";
	return descriptor >= 0 ? descriptor : -EPERM;
}

static enum check_state probe_features(char *detail)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} needed[] = {
		{UFFD_FEATURE_EVENT_FORK, "EVENT_FORK"},
		{UFFD_FEATURE_EVENT_REMAP, "EVENT_REMAP"},
		{UFFD_FEATURE_EVENT_REMOVE, "EVENT_REMOVE"},
		{UFFD_FEATURE_EVENT_UNMAP, "EVENT_UNMAP"},
		{UFFD_FEATURE_THREAD_ID, "THREAD_ID"},
		{UFFD_FEATURE_POISON, "POISON"},
		{UFFD_FEATURE_MOVE, "MOVE"},
	};
	struct uffdio_api api = {.api = UFFD_API};
	int descriptor = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	size_t used = 0;

	if (descriptor < 0 || ioctl(descriptor, UFFDIO_API, &api)) {
		TELL(detail, "userfaultfd: %s", strerror(errno));
		if (descriptor >= 0)
			close(descriptor);
		return CHECK_MISSING;
	}
	close(descriptor);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(api.features & needed[i].bit))
			used += (size_t)snprintf(detail + used, CHECK_DETAIL - used, "%s%s",
						 used ? ", " : "lacks ", needed[i].name);
	if (used)
		return CHECK_MISSING;
	TELL(detail, "move, poison, thread ids and all events");
	return CHECK_OK;
}

static enum check_state probe_kernel_faults(char *detail)
{
	const char *how;
	int descriptor = open_userfaultfd(&how);

	if (descriptor < 0) {
		TELL(detail, "neither the right, nor the sysctl, nor the device");
		return CHECK_MISSING;
	}
	close(descriptor);
	TELL(detail, "by %s", how);
	return CHECK_OK;
}

static enum check_state probe_fork_events(char *detail)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK};
	const char *how;
	int descriptor = open_userfaultfd(&how);
	bool own = descriptor >= 0 && !ioctl(descriptor, UFFDIO_API, &api);
	bool given = own || (descriptor >= 0 && !fork_right_enable(descriptor, api.features));

	if (descriptor >= 0)
		close(descriptor);
	TELL(detail, "%s",
	     own     ? "the kernel tells of fork"
	     : given ? "the kernel tells of fork, by " FORK_RIGHT_HELPER
		     : "neither CAP_SYS_PTRACE nor its helper");
	return given ? CHECK_OK : CHECK_MISSING;
}

/* A program that is run with capabilities of its file is hidden from itself: the /proc files of its
 * children belong to root. */
static enum check_state probe_own_capabilities(char *detail)
{
	bool more = getauxval(AT_SECURE) && geteuid();

	TELL(detail, more ? "it gets capabilities from its file" : "none");
	return more ? CHECK_MISSING : CHECK_OK;
}

/* ---- what an owner does to a program: tried on a child ---- */

static pid_t victim_start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void victim_end(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) == pid)
		;
}

static enum check_state tell_errno(char *detail, bool works)
{
	TELL(detail, "%s", works ? "works" : strerror(errno));
	return works ? CHECK_OK : CHECK_MISSING;
}

static enum check_state probe_ptrace(char *detail)
{
	pid_t pid = victim_start();
	bool works = pid > 0 && !ptrace(PTRACE_SEIZE, pid, NULL, NULL);
	enum check_state state = tell_errno(detail, works);

	victim_end(pid);
	return state;
}

static enum check_state probe_ptrace_others(char *detail)
{
	char scope[16];

	if (!first_line("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope))) {
		TELL(detail, "no Yama: processes of the same user may be traced");
		return CHECK_OK;
	}
	TELL(detail, "kernel.yama.ptrace_scope is %s", scope);
	return !strcmp(scope, "0") || (geteuid() == 0 && strcmp(scope, "3")) ? CHECK_OK
									     : CHECK_WEAK;
}

static enum check_state probe_getfd(char *detail)
{
	pid_t pid = victim_start();
	int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	int descriptor = pidfd >= 0 ? pidfd_getfd(pidfd, STDIN_FILENO, 0) : -1;
	enum check_state state = tell_errno(detail, descriptor >= 0);

	if (descriptor >= 0)
		close(descriptor);
	if (pidfd >= 0)
		close(pidfd);
	victim_end(pid);
	return state;
}

static enum check_state probe_read_memory(char *detail)
{
	static char word[8] = "vswap";
	char copy[sizeof(word)];
	struct iovec here = {copy, sizeof(copy)}, there = {word, sizeof(word)};
	pid_t pid = victim_start();
	bool works = pid > 0 && process_vm_readv(pid, &here, 1, &there, 1, 0) == sizeof(copy);
	enum check_state state = tell_errno(detail, works);

	victim_end(pid);
	return state;
}

static enum check_state probe_pagemap(char *detail)
{
	static char page[2 * PAGE_BYTES];
	struct page_region region;
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = (uintptr_t)page & PAGE_MASK,
		.end = ((uintptr_t)page & PAGE_MASK) + PAGE_BYTES,
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.category_anyof_mask = PAGE_IS_PRESENT,
		.return_mask = PAGE_IS_PRESENT,
	};
	int descriptor = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool works;
	enum check_state state;

	page[0] = 1;
	works = descriptor >= 0 && ioctl(descriptor, PAGEMAP_SCAN, &scan) >= 0;
	state = tell_errno(detail, works);
	if (descriptor >= 0)
		close(descriptor);
	return state;
}

/* Children inherit the filter, and a program with one is left alone. */
static enum check_state probe_seccomp(char *detail)
{
	bool filtered = prctl(PR_GET_SECCOMP) != 0;

	TELL(detail, filtered ? "this shell and what it starts have one" : "none");
	return filtered ? CHECK_MISSING : CHECK_OK;
}

/* ---- what makes it better ---- */

static enum check_state probe_lock(char *detail)
{
	bool may = harden_may_lock();

	TELL(detail, may ? "no limit" : "limited: the owner's own pages may be swapped");
	return may ? CHECK_OK : CHECK_WEAK;
}

static enum check_state probe_uring(char *detail)
{
	struct io_uring ring;
	int result = io_uring_queue_init(2, &ring, 0);

	if (!result)
		io_uring_queue_exit(&ring);
	errno = -result;
	TELL(detail, "%s", result ? strerror(errno) : "works");
	return result ? CHECK_WEAK : CHECK_OK;
}

static enum check_state probe_cpus(char *detail)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	TELL(detail, "%d", count);
	return CHECK_NOTE;
}

static enum check_state probe_ram(char *detail)
{
	char text[SIZE_TEXT];

	TELL(detail, "%s", size_format(size_of_ram(), text));
	return CHECK_NOTE;
}

static enum check_state probe_cgroup(char *detail)
{
	struct cgroup_budget following;
	char message[MESSAGE_BYTES], limit[SIZE_TEXT];
	int error = cgroup_budget_open(&following, "", getpid(), 0, message);

	if (error)
		TELL(detail, "%s", error == -ENODATA ? "no limit" : "none");
	else
		TELL(detail, "%s of %.90s; -m cgroup follows it",
		     size_format(following.limit, limit), following.path);
	cgroup_budget_close(&following);
	return CHECK_NOTE;
}

static enum check_state probe_kernel_swap(char *detail)
{
	char zswap[8] = "", line[256];
	FILE *swaps = fopen("/proc/swaps", "re");
	unsigned int count = 0;

	while (swaps && fgets(line, sizeof(line), swaps))
		count++;
	if (swaps)
		fclose(swaps);
	first_line("/sys/module/zswap/parameters/enabled", zswap, sizeof(zswap));
	TELL(detail, "%u in use, zswap %s, zram %s", count ? count - 1 : 0,
	     !*zswap	     ? "absent"
	     : *zswap == 'Y' ? "on"
			     : "off",
	     access("/sys/class/zram-control", F_OK) ? "absent" : "present");
	return CHECK_NOTE;
}

/* All that is known of a process comes from there; in another pid namespace's its numbers are those
 * of others. */
static enum check_state probe_proc(char *detail)
{
	char self[32] = "";

	if (readlink("/proc/self", self, sizeof(self) - 1) < 0)
		snprintf(detail, CHECK_DETAIL, "it is not mounted");
	else if (atol(self) != getpid())
		snprintf(detail, CHECK_DETAIL,
			 "it is another pid namespace's: there we are %s, here %d", self,
			 (int)getpid());
	else
		return CHECK_OK;
	return CHECK_MISSING;
}

#define SETUP_FIX "as root, once: vswap setup $USER; then log in again; or run vswap as root"

const struct check checks[] = {
	{"/proc", probe_proc,
	 "mount it: mount -t proc proc /proc; in a pid namespace of your own: unshare "
	 "--mount-proc"},
	{"Linux 6.8 or newer", probe_kernel,
	 "boot a newer kernel; on Debian 12: apt install -t bookworm-backports linux-image-amd64"},
	{"x86-64", probe_machine, "use an x86-64 machine; others are not supported yet"},
	{"userfaultfd features", probe_features,
	 "boot Linux 6.8 or newer with CONFIG_USERFAULTFD=y"},
	{"no capabilities of its own", probe_own_capabilities,
	 "as root: setcap -r $(command -v vswap), then: vswap setup $USER"},
	{"serving the kernel's faults", probe_kernel_faults, SETUP_FIX},
	{"following fork", probe_fork_events, SETUP_FIX},
	{"ptrace of a child", probe_ptrace,
	 "run vswap as root, or in a container with: --cap-add SYS_PTRACE"},
	{"pidfd_getfd", probe_getfd, "allow pidfd_getfd in the sandbox that vswap runs in"},
	{"process_vm_readv", probe_read_memory,
	 "allow process_vm_readv in the sandbox that vswap runs in (CONFIG_CROSS_MEMORY_ATTACH=y)"},
	{"PAGEMAP_SCAN", probe_pagemap, "boot Linux 6.8 or newer with CONFIG_PROC_PAGE_MONITOR=y"},
	{"no seccomp filter", probe_seccomp,
	 "run it outside the sandbox, or with: docker run --security-opt seccomp=unconfined"},
	{"ptrace of running processes", probe_ptrace_others,
	 "vswap attach: run it as root, or: sudo sysctl kernel.yama.ptrace_scope=0"},
	{"locked memory", probe_lock,
	 "run vswap as root, or raise the limit: ulimit -l unlimited (limits.conf: memlock)"},
	{"io_uring, for files", probe_uring, "sudo sysctl kernel.io_uring_disabled=0"},
	{"CPUs", probe_cpus, NULL},
	{"RAM", probe_ram, NULL},
	{"memory cgroup", probe_cgroup, NULL},
	{"the kernel's own swap", probe_kernel_swap, NULL},
};
const size_t check_count = sizeof(checks) / sizeof(checks[0]);

/* The first of the list: what is asked without starting a process, but for the helper. */
#define KERNEL_CHECKS 7

bool check_kernel(char *message)
{
	char detail[CHECK_DETAIL] = "", fix[CHECK_FIX];

	for (size_t i = 0; i < KERNEL_CHECKS; i++)
		if (checks[i].probe(detail) == CHECK_MISSING)
			return explain(message, false, "missing: %s (%s); %s", checks[i].name,
				       detail, check_fix(&checks[i], fix));
	return true;
}

const char *check_state_name(enum check_state state)
{
	static const char *const names[] = {"ok", "missing", "weak", "note"};

	return names[state];
}

const char *check_fix(const struct check *check, char text[CHECK_FIX])
{
	static const char variable[] = "$USER";
	const struct passwd *user = getpwuid(getuid());
	const char *at = strstr(check->fix, variable);

	if (at && user)
		snprintf(text, CHECK_FIX, "%.*s%s%s", (int)(at - check->fix), check->fix,
			 user->pw_name, at + strlen(variable));
	else
		snprintf(text, CHECK_FIX, "%s", check->fix);
	return text;
}
