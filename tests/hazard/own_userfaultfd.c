/* SPDX-License-Identifier: MIT */
/*
 * Description: a program serves a range by a userfaultfd of its own. Its handler gets its faults,
 * nobody else's; the rest of its memory is swapped.
 */
#include "hazard.h"
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#define PAGES 512

static char *range;

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char *source = anonymous(1);
	struct uffd_msg message;

	while (read(fd, &message, sizeof message) == sizeof message) {
		uint64_t address = message.arg.pagefault.address & ~(PAGE - 1);
		struct uffdio_copy copy = {.dst = address, .src = (uintptr_t)source, .len = PAGE};

		expect(message.event == UFFD_EVENT_PAGEFAULT, "an event %x", message.event);
		expect(address - (uintptr_t)range < PAGES * PAGE, "a fault of somebody else's");
		fill_page(source, 10, (address - (uintptr_t)range) / PAGE);
		if (ioctl(fd, UFFDIO_COPY, &copy))
			expect(errno == EEXIST, "UFFDIO_COPY: %m");
	}
	return argument;
}

int main(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	char *at = anonymous(PAGES * 4);
	pthread_t thread;

	hazard_start();
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		skip("userfaultfd: %m");
	/* Alone: whole, and with other mappings left and right. */
	range = (char *)anonymous(PAGES + 2) + PAGE;
	reg.range.start = (uintptr_t)range;
	reg.range.len = PAGES * PAGE;
	if (ioctl(fd, UFFDIO_REGISTER, &reg)) {
		/* Already vswap's: a limit that the README states. */
		expect(errno == EBUSY, "UFFDIO_REGISTER: %m");
		skip("the range is registered by somebody else already");
	}
	expect(!pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd), "pthread_create");
	fill(at, PAGES * 4, 11);
	for (int round = 0; round < 5; round++) {
		press();
		check(range, PAGES, 10, "the range that the program serves itself");
		check(at, PAGES * 4, 11, "the program's other memory");
		expect(!madvise(range, PAGES * PAGE, MADV_DONTNEED), "madvise: %m");
	}
	return 0;
}
