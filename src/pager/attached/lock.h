/* SPDX-License-Identifier: MIT */
/*
 * The memory lock: readers install or move pages, writers read events and apply
 * them (protocol.h). Writers go first. Its word is the owner's own.
 *
 * The agent is a reader, too, but shares no more with the owner than a gate (attach/channel.h),
 * which the program can write to. So the gate has no say in who of the owner's threads has
 * the lock; it keeps an honest agent from moving pages under a writer, no more.
 *
 *   agent, a chunk    moving = 1; full fence; closed?  yes: moving = 0, wait, again
 *                     no: MOVEs; moving = 0
 *   writer            gets the word; closed = 1; full fence; moving?  yes: waits for 0
 *                     changes; closed = 0; gives the word back
 *
 * Both store first, then look at the other's word, with a full fence between. Of the two looks one
 * at least comes after both stores: either the agent sees that it is closed, or the writer sees
 * that it moves. So a writer that went on is alone. Only who has the word opens the gate; who waits
 * for the word closes it early, so that the agent lets it in, and once more when it has it, which
 * the last holder's opening comes before.
 *
 * Nobody waits for the agent beyond AGENT_PATIENCE_US: the writer then calls `revoke`. That
 * unregisters staging, a barrier in the kernel: what the agent's MOVEs did by then is done, and
 * none does anything afterwards. From then on until lock_admit_agent nobody waits for the agent at
 * all: `admitted` is the owner's own, and what the program writes into the gate costs each batch
 * one such wait at most. An honest agent sees `revoked`, which was written before the gate opened,
 * and gives the batch up.
 */
#ifndef PAGER_ATTACHED_LOCK_H
#define PAGER_ATTACHED_LOCK_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define LOCK_WRITER  0x80000000u /* held for writing */
#define LOCK_WANTED  0x40000000u /* a writer waits: no new readers */
#define LOCK_READERS 0x0000ffffu /* how many read */

struct gate;

struct memory_lock {
	uint32_t word;		   /* LOCK_*, futex */
	uint32_t waiters;	   /* so that nobody wakes for nothing */
	struct gate *_Atomic gate; /* NULL: there is no agent */
	_Atomic bool admitted;	   /* the agent may move, so writers wait for it */
	/* May be called by any thread that waits to write, and must call lock_expel_agent. */
	void (*revoke)(void *argument);
	void *argument;
};

/* Held for writing. Who waits for the lock may look at the old gate once more: it goes away only
 * when every other thread has let go of the address space. */
void lock_set_gate(struct memory_lock *lock, struct gate *gate);

void lock_read(struct memory_lock *lock);
/* False: a writer has it, or waits for it. */
bool lock_try_read(struct memory_lock *lock);
void unlock_read(struct memory_lock *lock);
void lock_write(struct memory_lock *lock);
void unlock_write(struct memory_lock *lock);
/* Write to read without a gap: what was seen stays true. */
void lock_downgrade(struct memory_lock *lock);

/* Somebody has the lock so. A load: kept in every build. */
static inline void assert_writing(const struct memory_lock *lock)
{
	assert(__atomic_load_n(&lock->word, __ATOMIC_RELAXED) & LOCK_WRITER);
}
static inline void assert_reading(const struct memory_lock *lock)
{
	assert(__atomic_load_n(&lock->word, __ATOMIC_RELAXED) & (LOCK_WRITER | LOCK_READERS));
}

/* The agent may move nothing more. Held for writing, or staging is unregistered. */
void lock_expel_agent(struct memory_lock *lock);
/* Allows it again. Held for reading. */
void lock_admit_agent(struct memory_lock *lock);

#endif
