/* SPDX-License-Identifier: MIT */
/* What `vswap doctor` looks at: each check tries the thing itself rather than reading about it. */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include "base/message.h"

enum check_state {
	CHECK_OK,
	CHECK_MISSING, /* vswap cannot work */
	CHECK_WEAK,    /* it works, but not as well or not for everything */
	CHECK_NOTE,    /* for information */
};

#define CHECK_DETAIL 160

struct check {
	const char *name;
	enum check_state (*probe)(char *detail);
	const char *fix; /* one line, shown unless ok; NULL for notes; see check_fix */
};

/* Longest fix with the user's name in it. */
#define CHECK_FIX 320

/* Tries what every space needs of the kernel, in the order of doctor's list. False with the
 * first thing that is missing, and its fix, in `message`. Takes well under a millisecond. */
bool check_kernel(char *message);

extern const struct check checks[];
extern const size_t check_count;

const char *check_state_name(enum check_state state);

/* The check's fix as it is to be typed: $USER is the name of who asks. Returns `text`. */
const char *check_fix(const struct check *check, char text[CHECK_FIX]);

#endif
