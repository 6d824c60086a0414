/* SPDX-License-Identifier: MIT */
#include "pager/attached/batch.h"

#include "attach/attach.h"
#include "base/futex.h"
#include "pager/attached/lock.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

#define POLL_NS 1000000u

void batch_unregister(struct attached *attached, unsigned int which)
{
	const struct target *target = &attached->target;

	userfault_unregister(attached->task.userfault, target->staging[which], STAGING_BYTES);
	if (target->stages_code)
		userfault_unregister(attached->task.userfault, target->code_staging[which],
				     STAGING_BYTES);
}

void batch_expel(struct attached *attached)
{
	/* Nobody registers staging for the next batch before the agent is expelled. */
	pthread_mutex_lock(&attached->evict.staging_lock);
	for (unsigned int i = 0; i < ATTACH_STAGINGS; i++)
		batch_unregister(attached, i);
	lock_expel_agent(&attached->lock);
	pthread_mutex_unlock(&attached->evict.staging_lock);
	atomic_fetch_add(&attached->pager->figures.counters.revoked, 1);
}

void batch_revoke(void *argument)
{
	struct attached *attached = argument;

	attached->batch.late = true;
	batch_expel(attached);
}

void batch_set_state(struct batch *batch, enum batch_state state)
{
	atomic_store(&batch->state, state);
	futex_wake((uint32_t *)&batch->state, INT32_MAX);
}

void batch_quiesce(struct attached *attached)
{
	struct batch *batch = &attached->batch;
	uint32_t state;

	assert_writing(&attached->lock);
	if (!attached->task.has_agent || batch->state == BATCH_IDLE)
		return;
	batch->cancel = true;
	if (batch->state == BATCH_MOVING) {
		batch_expel(attached);
		futex_wake(&attached->target.channel->done, INT32_MAX);
	}
	while ((state = atomic_load(&batch->state)) != BATCH_IDLE)
		futex_wait((uint32_t *)&batch->state, state, POLL_NS);
	batch->cancel = false;
}
