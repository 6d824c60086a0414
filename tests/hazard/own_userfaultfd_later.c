/* SPDX-License-Identifier: MIT */
/*
 * Description: a program that is paged already makes a userfaultfd, maps memory and registers it
 * there only some time later. Nobody else has done so meanwhile.
 */
#include "hazard.h"
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#define PAGES  512
#define ROUNDS 3

int main(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	char *at = anonymous(PAGES);
	int fd;

	hazard_start();
	fill(at, PAGES, 12);
	must_evict(at, PAGES);
	fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		skip("userfaultfd: %m");
	for (int round = 0; round < ROUNDS; round++) {
		struct uffdio_register reg = {.mode = UFFDIO_REGISTER_MODE_MISSING};
		char *range = anonymous(PAGES);

		pause_ms(300); /* new mappings are looked for several times meanwhile */
		reg.range.start = (uintptr_t)range;
		reg.range.len = PAGES * PAGE;
		expect(!ioctl(fd, UFFDIO_REGISTER, &reg), "UFFDIO_REGISTER: %m");
	}
	check(at, PAGES, 12, "what has left");
	return 0;
}
