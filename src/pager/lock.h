/* SPDX-License-Identifier: MIT */
/*
 * The memory lock: readers install or move pages, writers read events and apply
 * them (protocol.h). A futex word that the agent shares: it takes LOCK_AGENT as
 * a reader. Writers go first. Nobody waits for the agent beyond
 * AGENT_PATIENCE_US: the waiter then calls `revoke`, which must make sure that
 * the agent can move nothing more, and takes its bit away.
 */
#ifndef PAGER_LOCK_H
#define PAGER_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct lock_word;

struct memory_lock {
	struct lock_word *_Atomic word; /* of attach/channel.h */
	void (*revoke)(void *argument);
	void *argument;
};

/* Held for writing: goes on with another word, which the agent shares. Who waits finds it. */
void lock_move(struct memory_lock *lock, struct lock_word *word);

void lock_read(struct memory_lock *lock);
/* False: a writer has it, or waits for it. */
bool lock_try_read(struct memory_lock *lock);
void unlock_read(struct memory_lock *lock);
void lock_write(struct memory_lock *lock);
void unlock_write(struct memory_lock *lock);
/* Write to read without a gap: what was seen stays true. */
void lock_downgrade(struct memory_lock *lock);

/* Forbids the agent the lock and takes its bit away. Staging must be unregistered. */
void lock_expel_agent(struct memory_lock *lock);
/* Allows it again. */
void lock_admit_agent(struct memory_lock *lock);

#endif
