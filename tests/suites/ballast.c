// SPDX-License-Identifier: MIT
/* Preloaded: makes a program large enough to be paged. BALLAST_MIB of it (24), written once; it is cold from
 * then on, but the program's other pages leave with it. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static __attribute__((constructor)) void load_ballast(void)
{
	const char *mib = getenv("BALLAST_MIB");
	size_t bytes = (mib ? strtoul(mib, NULL, 10) : 24) << 20;
	uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (words == MAP_FAILED)
		return;
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = i * 0x9e3779b97f4a7c15u;
	/* So long until the watching owner has seen it and pages leave. */
	usleep(200000);
}
