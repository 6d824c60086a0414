/* SPDX-License-Identifier: MIT */
/* Enabling a userfaultfd whose owner may not ask for fork events: a helper program may (helper.c).
 */
#ifndef RIGHTS_FORK_RIGHT_H
#define RIGHTS_FORK_RIGHT_H

#include <limits.h>
#include <stdint.h>

#define FORK_RIGHT_HELPER     "vswap-fork-right"
#define FORK_RIGHT_DESCRIPTOR 3

/* Has the helper call UFFDIO_API with these features on the descriptor. 0 or -errno: -EPERM when
 * there is no helper that we may run, or it has not the right itself. Waits for a process of its
 * own. */
int fork_right_enable(int userfault, uint64_t features);

/* Where the helper is: beside the vswap that runs (a build folder), else where it was installed. */
void fork_right_path(char path[PATH_MAX]);

#endif
