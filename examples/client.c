// SPDX-License-Identifier: MIT
/* A swap client: keeps 64 MiB of pages in a space of 16 MiB of RAM and the file system's rest. */
#include <stdio.h>
#include <string.h>
#include <vswap.h>

#define CLUSTERS 32

static void page_fill(unsigned char *page, unsigned int number)
{
	for (unsigned int i = 0; i < VSWAP_PAGE_BYTES; i++)
		page[i] = (unsigned char)(i % 64 ? i * number >> 7 : number >> i / 64 % 4);
}

int main(void)
{
	const char *backends[] = {"file:/var/tmp,size=64M"};
	struct vswap_options options = {.ram_bytes = 16 << 20,
					.slots = CLUSTERS * 512,
					.backends = backends,
					.backend_count = 1};
	unsigned char page[VSWAP_PAGE_BYTES], got[VSWAP_PAGE_BYTES];
	vswap_slot first[CLUSTERS];
	struct vswap_statistics is;
	struct vswap *space;
	char message[256];
	unsigned int wrong = 0;

	if (vswap_open(&space, &options, message, sizeof(message)))
		return fprintf(stderr, "client: %s\n", message), 1;
	for (unsigned int i = 0; i < CLUSTERS * 512; i++) {
		if (i % 512 == 0 && vswap_bind(space, &first[i / 512]))
			return fprintf(stderr, "client: no cluster is left\n"), 1;
		page_fill(page, i);
		if (vswap_put(space, first[i / 512] + i % 512, page))
			return fprintf(stderr, "client: no room for page %u\n", i), 1;
	}
	for (unsigned int i = 0; i < CLUSTERS * 512; i++) {
		page_fill(page, i);
		wrong += vswap_get(space, first[i / 512] + i % 512, got) ||
			 memcmp(page, got, sizeof(page));
	}
	vswap_statistics(space, &is);
	printf("%u pages, %u wrong: %llu KiB in RAM, %llu KiB in a file, %llu KiB of metadata\n",
	       CLUSTERS * 512, wrong, (unsigned long long)is.ram_bytes >> 10,
	       (unsigned long long)is.backend_bytes >> 10,
	       (unsigned long long)is.metadata_bytes >> 10);
	vswap_close(space);
	return wrong != 0;
}
