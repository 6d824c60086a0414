/* SPDX-License-Identifier: MIT */
#include "attach/probe.h"

#include <errno.h>
#include "base/kernel.h"

/* Every address that any process may have, but the last page of them, and the lowest: kernels may
 * refuse those below vm.mmap_min_addr before they look. */
#define LOWEST	      (1ull << 16)
#define ALL_ADDRESSES ((1ull << 47) - 4096 - LOWEST)

/*
 * A page of the program's must not be the one to ask about, wherever it is: once that page has
 * left, zeros would come in. What is asked for is to be in one mapping, and no mapping is all of
 * the addresses: a registered one has no code. So the kernel says ENOENT and installs nothing.
 */
int probe_memory(int userfault)
{
	struct uffdio_zeropage zero = {.range = {.start = LOWEST, .len = ALL_ADDRESSES}};

	if (!ioctl(userfault, UFFDIO_ZEROPAGE, &zero))
		return 0;
	return errno == EAGAIN || errno == ESRCH ? -errno : 0;
}
