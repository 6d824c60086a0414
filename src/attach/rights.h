/* SPDX-License-Identifier: MIT */
/* The capabilities of the calling thread. */
#ifndef ATTACH_RIGHTS_H
#define ATTACH_RIGHTS_H

#include <stdbool.h>

/* Whether one (CAP_*) is effective. */
bool rights_has(int capability);

#endif
