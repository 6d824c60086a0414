/* SPDX-License-Identifier: MIT */
/* What follows from the budget: marks, shares, and the space to leave below a limit. */
#ifndef PAGER_JOB_BUDGET_H
#define PAGER_JOB_BUDGET_H

#include <stdint.h>

struct pager;

/* Looks at what the owner really has, sets the marks. Any thread. */
void budget_refresh(struct pager *pager);
/* Bytes that the processes may have before one is worth attaching. */
uint64_t budget_attach_bytes(struct pager *pager);

#endif
