/* SPDX-License-Identifier: MIT */
/*
 * The paging protocol: which states a page of an attached program goes through,
 * and who may change them. Everything else in this folder follows from it.
 *
 *                    first touch (server)
 *        absent ───────────────────────────────► resident ◄──┐
 *          ▲  ▲                                   │  ▲       │ fault (server),
 *   REMOVE,│  │hole                        picked │  │not    │ bring back (control)
 *   UNMAP  │  └───────────────────────┐  (evictor)│  │moved  │
 *  (server)│                          └─────────  ▼  │       │
 *          ├──────────────────────────────────  leaving      │
 *          │                                      │ put      │
 *          │                                      ▼ (evictor)│
 *          └──────────────────────────────  zero, same, stored ── lost ─► bad
 *
 * The kernel's page table is the truth about presence; a descriptor says what a
 * *missing* page would have to hold:
 *
 *   absent, resident   zeros
 *   leaving            the batch's buffer if the page was moved, else it is not missing
 *   zero same stored   what store_get says
 *   shared
 *   bad                SIGBUS
 *
 * So `resident` may be wrong in one direction only: the page may be gone, and was
 * then dropped by the program itself, which makes zeros right. What is present there now
 * leaves only if it is registered (agent.c:ask). The other direction (a page is present of
 * which we know nothing) is harmless: it is not evicted until it is recorded (record.c).
 *
 * Threads of the owner
 *   servers  read the userfaultfds, apply events, serve faults; one for each CPU
 *   evictor  moves pages out in batches, one batch at a time; what forks share leaves
 *            one sharer after the other (family.h)
 *   control  traces the program: attaches, registers, records, detaches, brings back
 *   tier     (src/tier) writes segments, cleans; changes locations by compare-and-swap only
 *   tracer   a short-lived thread of the control thread's (attach/trace.h): registers and
 *            records under the lock for writing while every thread of a program stands still.
 *            One that sleeps in a fault or an event cannot be stopped before it is served, so
 *            no server waits for the program meanwhile.
 *
 * The memory lock (lock.h), one for each address space
 *   write: reading messages and applying events (one step), splitting and
 *          moving clusters, changing the list of regions
 *   read:  from looking a descriptor up to the end of the COPY, ZEROPAGE or MOVE that
 *          follows from it, and to the change of the descriptor
 *   The agent moves 16 pages at a time, through the lock's gate: none under a writer. An
 *   agent that does not end in time is revoked: its staging area is unregistered, which is a
 *   barrier in the kernel, after which it cannot move anything. The gate is in memory that the
 *   program can write to, the lock is not.
 *
 * Who changes a descriptor: thread, function, what is held (lock.h asserts it). "Locked": DESC_LOCK
 * held. Evictor's changes of leaving words are by compare-and-swap from the very word that it set
 * (it has a batch number): an event or a fault that came first wins. absent   -> resident  server
 * fault.c:first_touch         read; the kernel has installed it server   fault.c:fault_serve_growth
 * write; the same tracer,  record.c:record_run         write; no event is in flight control
 *   resident -> leaving   evictor  pick.c:take                 read
 *   leaving  -> swapped   evictor  commit.c:store_page         nothing
 *            -> resident  evictor  commit.c:stay               nothing; it was not moved
 *            -> absent    evictor  commit.c:stay               nothing; the program dropped it
 *            -> resident  server   fault.c:from_batch          read, locked; the batch is read
 *   swapped  -> resident  server,  fill.c:settle, give_zeros   read, locked
 *            -> bad       control  fill.c:poison               read, locked
 *            gets a mark  evictor  late_marks.c:put            read, locked
 *   any      -> absent    server   mapping.c:mapping_empty     write; waits for locked ones. Words
 *                                  with marks stay until these are gone (doubts.h)
 *            moves        server   mapping.c:mapping_move      write; the same
 * Forks share clusters (children.c:children_add, under the parent's lock for writing); a stored
 * word becomes `shared` when one of them gets a copy (space/cluster.h), whoever binds it.
 *
 * A batch's life (evict.c:run_batch, but where it says otherwise)
 *   idle -> moving   fill: picked under read, the agent is let in
 *   revoked          batch.c:batch_unregister: staging is unregistered, so what stands in it will
 *                    stay, what does not will not come. Only then is it known which pages left.
 *                    Who waits for the lock too long does it as well (batch.c:batch_revoke)
 *   moving -> read   the bytes are in the owner, and nothing waits on the program any more
 *   read -> idle     commit.c:commit_batch has settled each word; evict_give_up, if the evictor
 * hangs
 *
 * Never: wait for a batch that is not yet "read" while holding the lock, without
 * revoking it first. FORK and REMAP do (fork: both sides must agree about each
 * page; remap: the words move): they revoke, then wait for the evictor, which needs
 * neither the lock nor the program to finish.
 */
#ifndef PAGER_ATTACHED_PROTOCOL_H
#define PAGER_ATTACHED_PROTOCOL_H

#include "base/page.h"

/* Longest run of pages that one COPY brings in, and that one first touch may get. */
#define RUN_PAGES 64u

/* Most threads that serve faults. */
#define SERVERS 8u

/* An agent that holds the lock longer than this is revoked, microseconds. */
#define AGENT_PATIENCE_US 2000

/* Longest that the brake holds a fault, ns. */
#define BRAKE_NS 50000000u

/* A batch whose agent does not answer is revoked after this, microseconds. */
#define BATCH_PATIENCE_US 20000

#endif
