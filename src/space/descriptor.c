// SPDX-License-Identifier: MIT
#include "space/descriptor.h"

#define SAME_BITS 56

bool desc_make_same(uint64_t word, desc_t *out)
{
	if (!(word >> SAME_BITS))
		*out = word << 8 | DESC_SAME;
	else if ((uint32_t)word == (uint32_t)(word >> 32))
		*out = (uint64_t)(uint32_t)word << 8 | DESC_WIDE | DESC_SAME;
	else
		return false;
	return true;
}

uint64_t desc_same_word(desc_t d)
{
	uint64_t word = d >> 8;

	return d & DESC_WIDE ? word | word << 32 : word;
}

const char *desc_state_name(enum desc_state state)
{
	static const char *const names[8] = {"absent", "resident", "leaving", "zero",
					     "same",   "stored",   "shared",  "bad"};

	return names[state & DESC_STATE_MASK];
}
