/* SPDX-License-Identifier: MIT */
#include "pager/eviction/command.h"

#include "base/futex.h"
#include "pager/attached/attached.h"

#define POLL_NS 1000000u

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

bool command_is_busy(const struct attached *attached)
{
	const struct channel *channel = attached->target.channel;

	return load(&channel->done) != attached->batch.command;
}

void command_send(struct attached *attached, enum channel_verb verb, unsigned int count)
{
	struct channel *channel = attached->target.channel;

	channel->verb = verb;
	channel->count = count;
	channel->refusal = CHANNEL_DONE;
	__atomic_store_n(&channel->command, ++attached->batch.command, __ATOMIC_RELEASE);
	futex_wake(&channel->command, 1);
}

bool command_wait(struct attached *attached)
{
	struct channel *channel = attached->target.channel;
	uint64_t until = monotonic_ns() + BATCH_PATIENCE_US * 1000u;

	for (;;) {
		uint32_t done = load(&channel->done);

		if (done == attached->batch.command)
			return true;
		if (attached->batch.cancel || attached->task.dead || monotonic_ns() > until)
			return false;
		futex_wait(&channel->done, done, POLL_NS);
	}
}
