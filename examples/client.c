// SPDX-License-Identifier: MIT
/* A swap client: keeps 64 MiB of pages in a space of 16 MiB of RAM and the file system's rest. */
#include <stdio.h>
#include <string.h>
#include <vswap.h>

#define CLUSTERS 1024u
#define PAGES	 (CLUSTERS * VSWAP_CLUSTER_SLOTS)

static void page_fill(unsigned char *page, unsigned int number)
{
	for (unsigned int i = 0; i < VSWAP_PAGE_BYTES; i++)
		page[i] = (unsigned char)(i % 64 ? i * number >> 7 : number >> i / 64 % 4);
}

static vswap_slot slot_of(const vswap_slot *first, unsigned int page)
{
	return first[page / VSWAP_CLUSTER_SLOTS] + page % VSWAP_CLUSTER_SLOTS;
}

int main(void)
{
	const char *backends[] = {"file:/var/tmp,size=64M"};
	struct vswap_options options = {.size = sizeof(options),
					.ram_bytes = 2 * VSWAP_LEAST_RAM_BYTES,
					.slots = PAGES,
					.backends = backends,
					.backend_count = 1};
	unsigned char page[VSWAP_PAGE_BYTES], got[VSWAP_PAGE_BYTES];
	vswap_slot first[CLUSTERS];
	struct vswap_statistics is = {.size = sizeof(is)};
	struct vswap *space;
	char message[256];
	unsigned int wrong = 0;

	if (vswap_open(&space, &options, message, sizeof(message)))
		return fprintf(stderr, "client: %s\n", message), 1;
	for (unsigned int i = 0; i < PAGES; i++) {
		if (i % VSWAP_CLUSTER_SLOTS == 0 &&
		    vswap_bind(space, &first[i / VSWAP_CLUSTER_SLOTS]))
			return fprintf(stderr, "client: no cluster is left\n"), 1;
		page_fill(page, i);
		if (vswap_put(space, slot_of(first, i), page))
			return fprintf(stderr, "client: no room for page %u\n", i), 1;
	}
	for (unsigned int i = 0; i < PAGES; i++) {
		page_fill(page, i);
		wrong +=
			vswap_get(space, slot_of(first, i), got) || memcmp(page, got, sizeof(page));
	}
	vswap_statistics(space, &is);
	printf("%u pages, %u wrong: %llu KiB in RAM, %llu KiB in a file, %llu KiB of metadata\n",
	       PAGES, wrong, (unsigned long long)is.ram_bytes >> 10,
	       (unsigned long long)is.backend_bytes >> 10,
	       (unsigned long long)is.metadata_bytes >> 10);
	vswap_close(space);
	return wrong != 0;
}
