/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that go to and fro. A program that may not make a userfaultfd gets one by
 * /dev/userfaultfd, which a privileged owner opens and hands to it; a forked child gets the one
 * that its FORK event brought.
 */
#ifndef ATTACH_GRANT_H
#define ATTACH_GRANT_H

#include "attach/attach.h"
#include "attach/trace.h"

/* A copy, in the stopped program, of a descriptor of the owner: its number there, or -errno.
 * `scratch`: a writable page of the program that is ours. */
int give_descriptor(struct trace *trace, const struct target *target, int descriptor,
		    uint64_t scratch);

/* A new userfaultfd: its number there, or -errno; -EPERM when the owner may not open
 * /dev/userfaultfd either. */
int grant_userfault(struct trace *trace, const struct target *target, uint64_t scratch);

/* A copy, in the owner, of a descriptor of the stopped program; or -errno. */
int take_descriptor(const struct trace *trace, const struct target *target, int number);

#endif
