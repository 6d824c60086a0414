/* SPDX-License-Identifier: MIT */
#ifndef OWNER_SIGNALS_H
#define OWNER_SIGNALS_H

#include <signal.h>

struct owner;

/* Those that the owner takes from a signalfd. */
void signals_handled(sigset_t *set);
/* Deals with those that have come. */
void signals_take(struct owner *owner);
/* Stops the owner if the program has stopped meanwhile: while `stop_ns` is set, again and again. */
void signals_follow_stop(struct owner *owner);

#endif
