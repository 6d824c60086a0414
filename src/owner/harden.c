/* SPDX-License-Identifier: MIT */
#include "owner/harden.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif

static bool have_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[capability / 32].effective & 1u << capability % 32;
}

bool harden_may_lock(void)
{
	struct rlimit limit;

	if (have_capability(CAP_IPC_LOCK))
		return true;
	return !getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_max == RLIM_INFINITY;
}

static void spare_from_oom(void)
{
	static const char least[] = "-1000";
	int descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (descriptor < 0)
		return;
	/* Without the right to it the score stays as it is. */
	(void)!write(descriptor, least, sizeof(least) - 1);
	close(descriptor);
}

void harden_hurry(void)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *thread;

	/* Without the right to it we wait for our turn. */
	while (threads && (thread = readdir(threads)))
		if (thread->d_name[0] != '.')
			setpriority(PRIO_PROCESS, (id_t)atoi(thread->d_name), -20);
	if (threads)
		closedir(threads);
}

/* A served child takes four descriptors, an agent eight more. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void harden_owner(void)
{
	struct rlimit none = {0, 0}, all = {RLIM_INFINITY, RLIM_INFINITY};

	spare_from_oom();
	raise_descriptors();
	/* Under a limit MCL_FUTURE would make later mappings fail: the sparse tables count whole.
	 */
	if (harden_may_lock()) {
		setrlimit(RLIMIT_MEMLOCK, &all);
		mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	}
	/* A core of the owner would hold the program's pages; and dying of the program's own
	 * signal must not write a second one. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}
