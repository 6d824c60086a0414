/* SPDX-License-Identifier: MIT */
/* Room in RAM, made by whoever needs it. Private to src/lib. */
#ifndef LIB_ROOM_H
#define LIB_ROOM_H

#include <stdbool.h>

struct vswap;

/* One step, the cheapest that there is. False: nothing was worth it. `lock` held. */
bool room_make(struct vswap *vswap);

#endif
