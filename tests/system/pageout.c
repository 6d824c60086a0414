/* SPDX-License-Identifier: MIT */
/*
 * Description: not a test by itself: asks the kernel to swap out all memory of the process whose
 * pid is its argument, as memory pressure would; what is locked stays. Prints how much of it the
 * kernel would do that for, KiB.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MADV_PAGEOUT 21

int main(int argc, char **argv)
{
	unsigned long start, end, bytes = 0;
	int pid = argc > 1 ? atoi(argv[1]) : 0, pidfd;
	char path[64], line[4096], rights[5];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	maps = fopen(path, "r");
	if (pidfd < 0 || !maps) {
		perror("pageout");
		return 1;
	}
	while (fgets(line, sizeof(line), maps)) {
		struct iovec range;
		long done;

		if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3 || rights[1] != 'w')
			continue;
		range = (struct iovec){.iov_base = (void *)start, .iov_len = end - start};
		done = syscall(SYS_process_madvise, pidfd, &range, 1, MADV_PAGEOUT, 0);
		/* EINVAL: locked. */
		if (done < 0 && errno != EINVAL && errno != ENOMEM) {
			perror("pageout: process_madvise");
			return 1;
		}
		bytes += done > 0 ? (unsigned long)done : 0;
	}
	printf("%lu\n", bytes >> 10);
	return 0;
}
