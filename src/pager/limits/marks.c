/* SPDX-License-Identifier: MIT */
#include "pager/limits/marks.h"

#include "base/page.h"

/* Below the limit, so that a batch in flight and a run of first touches fit. */
#define HEAD_SHARE 64
#define HEAD_LEAST (64u * PAGE_BYTES)
#define HEAD_MOST  (2048u * PAGE_BYTES)
uint64_t marks_head_bytes(uint64_t limit)
{
	uint64_t head = limit / HEAD_SHARE;

	if (head < HEAD_LEAST)
		return HEAD_LEAST;
	return head > HEAD_MOST ? HEAD_MOST : head;
}
