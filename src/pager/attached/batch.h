/* SPDX-License-Identifier: MIT */
/*
 * An eviction batch: up to CHANNEL_BATCH pages that leave together. States and
 * who may do what: protocol.h. There is one batch an address space, reused;
 * all have one buffer, which exists before it is needed.
 */
#ifndef PAGER_ATTACHED_BATCH_H
#define PAGER_ATTACHED_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "attach/channel.h"
#include "space/descriptor.h"

enum batch_state {
	BATCH_IDLE = 0,	  /* no page is leaving */
	BATCH_MOVING = 1, /* pages are leaving; the agent may be moving them */
	BATCH_READ = 2,	  /* what left is in `bytes`; the rest is still in place */
};

struct batch {
	_Atomic uint32_t state; /* futex */
	_Atomic bool cancel;	/* somebody waits for it to be idle: hurry */
	_Atomic bool late;	/* the agent was revoked because it kept somebody waiting */
	uint32_t command;	/* number of the last that the agent was sent */
	unsigned int count;
	unsigned int staging; /* which of the two areas */
	uint64_t address[CHANNEL_BATCH];
	slot_t *slot[CHANNEL_BATCH];
	desc_t leaving[CHANNEL_BATCH]; /* the word that the evictor set: any other wins */
	uint64_t id[CHANNEL_BATCH];    /* slot ids */
	bool moved[CHANNEL_BATCH];     /* valid from BATCH_READ on */
	bool marked[CHANNEL_BATCH];    /* the same: it left a mark (marks.h) */
	int16_t result[CHANNEL_BATCH]; /* what the agent says of each: a hint */
	bool astray;		       /* some that moved were not registered any more */
	bool is_code[CHANNEL_BATCH];   /* moved: to the code staging */
	bool code;		       /* executable pages may leave, too */
	desc_t twin[CHANNEL_BATCH];    /* of a relative that has stored the same bytes, or 0 */
	unsigned int relatives; /* with whom its pages may be shared; all can be evicted from */
	bool parting;		/* shared pages may leave, too */
	uint8_t *bytes; /* CHANNEL_BATCH pages, the evictor's: it works on one batch at a time */
};

/* Index of a slot in the batch; batch->count when it is not there. */
static inline unsigned int batch_find(const struct batch *batch, const slot_t *slot)
{
	unsigned int i;

	for (i = 0; i < batch->count && batch->slot[i] != slot; i++)
		;
	return i;
}

struct attached;

/* The bytes of one staging area. */
#define STAGING_BYTES ((uint64_t)CHANNEL_BATCH << PAGE_SHIFT)

/* Sets the state and wakes who waits for it. Evictor's thread. */
void batch_set_state(struct batch *batch, enum batch_state state);
/* The agent moves nothing more until the next batch. */
void batch_expel(struct attached *attached);
/* Afterwards nothing can be moved to that staging area. */
void batch_unregister(struct attached *attached, unsigned int which);
/*
 * Brings a batch under way to its end, without waiting for the program. The caller
 * holds the memory lock for writing; afterwards no slot is leaving.
 */
void batch_quiesce(struct attached *attached);
/* Makes sure that the agent, which was waited for too long, moves nothing more until the next
 * batch: the memory lock's revoke function. Any thread. */
void batch_revoke(void *attached);

#endif
