/* SPDX-License-Identifier: MIT */
/* Programs that use userfaultfd themselves. */
#ifndef ATTACH_OWN_USERFAULT_H
#define ATTACH_OWN_USERFAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What was found last; starts as zeros. One thread. */
struct own_userfault {
	bool has;
	uint64_t asked_ns;
	long descriptors; /* how many there were then */
};

/* Whether the program has a userfaultfd open. The agent's table of descriptors is its own and is
 * not looked at. With as many descriptors as before the answer may be OWN_USERFAULT_NS old. */
#define OWN_USERFAULT_NS 50000000ull
bool own_userfault(struct own_userfault *own, pid_t pid, pid_t agent_tid);

#endif
