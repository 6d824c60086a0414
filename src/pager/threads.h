/* SPDX-License-Identifier: MIT */
/* The threads that page: they start with the first process that is attached. Control thread. */
#ifndef PAGER_THREADS_H
#define PAGER_THREADS_H

#include "base/message.h"

struct pager;

/* 0 (also when they run already) or -errno with a message. */
int threads_start(struct pager *pager, char message[MESSAGE_BYTES]);
/* Stops servers and evictor, when nothing is served any more. */
void threads_stop(struct pager *pager);

#endif
