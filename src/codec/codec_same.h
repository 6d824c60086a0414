/* SPDX-License-Identifier: MIT */
/* Pages that are one word throughout. */
#ifndef CODEC_CODEC_SAME_H
#define CODEC_CODEC_SAME_H

#include <stdint.h>

/* If the page is one 64-bit word repeated, says which. Stops at the first difference. */
_Bool page_is_same(const void *page, uint64_t *word);

#endif
