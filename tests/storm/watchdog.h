/* SPDX-License-Identifier: MIT */
#ifndef TESTS_STORM_WATCHDOG_H
#define TESTS_STORM_WATCHDOG_H

#include "storm.h"

/* Starts the thread that ends the run: when time is up, pages are enough, or it hangs. */
void watchdog_start(void);

#endif
