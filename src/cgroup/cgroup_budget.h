/* SPDX-License-Identifier: MIT */
/*
 * A budget that follows the limit of the memory cgroup that the job lives in:
 *
 *   |<------------------------- limit of the cgroup ------------------------->|
 *   |<----------- budget ----------->|<- others ->|<- held ->|<--- margin --->|
 *
 * others: what the cgroup has beside what the budget counts and the kernel cannot take back: other
 * processes, shared memory, kernel memory. held: room that is left free because tasks wait for
 * memory (PSI). margin: for moments above the budget, and for the page cache that the job runs
 * from. The smallest such budget of all cgroups around the job is the one.
 */
#ifndef CGROUP_CGROUP_BUDGET_H
#define CGROUP_CGROUP_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cgroup/cgroup.h"

/* ---- the policy; pure functions, bytes ---- */

uint64_t cgroup_margin(uint64_t limit);
/* `used`: what the cgroup has that cannot be taken back; `part`: how much of it the budget counts;
 * `held`: cgroup_held's. 0: nothing is left. */
uint64_t cgroup_budget(uint64_t limit, uint64_t used, uint64_t part, uint64_t held);
/* The room to leave free from now on, asked once a second. `permille` of that second tasks have
 * waited for memory. */
uint64_t cgroup_held(uint64_t limit, uint64_t held, unsigned int permille);

/* ---- following; one thread ---- */

struct cgroup_budget {
	struct cgroup *cgroup; /* NULL: not followed */
	uint64_t least;
	char path[CGROUP_PATH]; /* of the cgroup that sets the budget now */
	uint64_t limit;		/* its limit, bytes */
	uint64_t budget;	/* what was last said */
	uint64_t seen;		/* what the last look found, maybe less */
	uint64_t held, stalled_us, stalled_ns, next_ns;
	bool tight; /* the last look found little room */
	bool told_lost, told_least;
};

/* What the budget counts, bytes: the job's processes, and the calling process itself. */
struct cgroup_part {
	uint64_t job, caller;
};

/*
 * Finds the cgroup of `pid` and what budget its limit would leave if nothing else were in it.
 * `root` as for cgroup_open, `least`: the least budget, bytes. 0, or -errno with a message: there
 * is no memory cgroup (-ENOENT), no limit (-ENODATA), or too little (-ERANGE).
 */
int cgroup_budget_open(struct cgroup_budget *following, const char *root, pid_t pid, uint64_t least,
		       char message[MESSAGE_BYTES]);
void cgroup_budget_close(struct cgroup_budget *following); /* also when not followed */

/*
 * Looks at the cgroup if it is time: once a second, ten times where there is little room. True when
 * the budget has changed. Something the user must know, once, is in `message`; else it is empty.
 */
bool cgroup_budget_look(struct cgroup_budget *following, const struct cgroup_part *part,
			uint64_t now_ns, char message[MESSAGE_BYTES]);

#endif
