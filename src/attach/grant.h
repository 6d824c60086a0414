/* SPDX-License-Identifier: MIT */
/*
 * A userfaultfd for a program that may not make one itself. A privileged owner
 * opens /dev/userfaultfd and hands it to the program, which makes its userfaultfd with it.
 */
#ifndef ATTACH_GRANT_H
#define ATTACH_GRANT_H

#include "attach/attach.h"
#include "attach/trace.h"

/*
 * `scratch`: a writable page of the program that is ours. The program's number of the new
 * userfaultfd, or -errno; -EPERM when the owner may not open /dev/userfaultfd either.
 */
int grant_userfault(struct trace *trace, const struct target *target, uint64_t scratch);

/* A copy, in the owner, of a descriptor of the stopped program; or -errno. */
int take_descriptor(const struct trace *trace, const struct target *target, int number);

#endif
