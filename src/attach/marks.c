/* SPDX-License-Identifier: MIT */
#include "attach/marks.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/maps.h"
#include "base/kernel.h"
#include "base/page.h"

static bool possible;

static bool mark(int userfault, uint64_t start, uint64_t bytes)
{
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC};
	struct uffdio_register range = {
		.range = {.start = start, .len = bytes},
		.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = range.range,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	return !ioctl(userfault, UFFDIO_API, &api) && !ioctl(userfault, UFFDIO_REGISTER, &range) &&
	       !ioctl(userfault, UFFDIO_WRITEPROTECT, &protect);
}

/* Of two marked pages, the first is dropped. */
static bool marks_tell(char *pages, int userfault, int pagemap)
{
	uint64_t start = (uintptr_t)pages;

	return mark(userfault, start, 2 * PAGE_BYTES) && maps_marked(pagemap, start, 2) == 2 &&
	       !madvise(pages, PAGE_BYTES, MADV_DONTNEED) && maps_marked(pagemap, start, 1) == 0 &&
	       maps_marked(pagemap, start + PAGE_BYTES, 1) == 1;
}

static void try_once(void)
{
	int userfault = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	char *pages = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages != MAP_FAILED) {
		munlock(pages, 2 * PAGE_BYTES); /* locked memory is not dropped */
		possible = userfault >= 0 && pagemap >= 0 && marks_tell(pages, userfault, pagemap);
		munmap(pages, 2 * PAGE_BYTES);
	}
	if (userfault >= 0)
		close(userfault);
	if (pagemap >= 0)
		close(pagemap);
}

bool marks_possible(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, try_once);
	return possible;
}
