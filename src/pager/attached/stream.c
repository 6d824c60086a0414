/* SPDX-License-Identifier: MIT */
#include "pager/attached/stream.h"

uint32_t stream_plan(struct streams *streams, uint64_t address, uint32_t limit,
		     unsigned int *stream)
{
	unsigned int oldest = 0;

	streams->clock++;
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (streams->items[i].run && streams->items[i].next == address) {
			uint32_t run = streams->items[i].run * 2;

			*stream = i;
			streams->items[i].used = streams->clock;
			return run > limit ? limit : run;
		}
		if (streams->clock - streams->items[i].used >
		    streams->clock - streams->items[oldest].used)
			oldest = i;
	}
	*stream = oldest;
	streams->items[oldest].used = streams->clock;
	return 1;
}

uint32_t stream_before(const struct streams *streams, unsigned int stream, uint64_t address)
{
	return streams->items[stream].next == address ? streams->items[stream].run : 0;
}

void stream_done(struct streams *streams, unsigned int stream, uint64_t end, uint32_t pages)
{
	streams->items[stream].next = end;
	streams->items[stream].run = pages ? pages : 1;
}
