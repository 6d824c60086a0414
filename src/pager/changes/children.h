/* SPDX-License-Identifier: MIT */
/*
 * Children that an attached program forks. A FORK event brings a userfaultfd for
 * the child's address space; it shares its parent's clusters, so its missing pages are
 * served from the same bytes. Pages leave it when it has got an agent (program_adopt).
 */
#ifndef PAGER_CHANGES_CHILDREN_H
#define PAGER_CHANGES_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

struct attached;

/* At the time of attaching: what its children will be known by. Control thread. */
void children_note_stack(struct attached *attached);
/* Takes over `userfault`. Parent's lock held for writing, its batch quiet. */
void children_add(struct attached *parent, int userfault);
/* What was in flight in the parent has been read: which processes the added children are, and what
 * they really have, is looked up. From now on they are served. The same lock. */
void children_born(struct attached *parent);
/* Empties what MADV_WIPEONFORK says the child must not see, once its process is known. Child's lock
 * held for writing, before its first fault is served. */
void children_first_fault(struct attached *child);
/* While child->changes.needs_look: looks what of its parent's memory the child has, when that can
 * be told. The same; with each of its messages, when what was read before has been applied. */
void children_look(struct attached *child);
/* Both of these, once nothing is in flight. False: it cannot be decided yet, call again. Child's
 * lock held for writing. */
bool children_settle(struct attached *child);

#endif
