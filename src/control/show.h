/* SPDX-License-Identifier: MIT */
/* Figures for people. 0 or -errno. */
#ifndef CONTROL_SHOW_H
#define CONTROL_SHOW_H

#include <stdio.h>
#include "pager/figures.h"

/* A table for people (vswap stat PID). */
int report_table(const struct report *report, FILE *to);

/* Its backends alone (vswap backend list). */
int report_backends(const struct report *report, FILE *to);

/* One line a space (vswap stat). */
int report_list(const struct report *reports, unsigned int count, FILE *to);

/* The closing paragraph of `vswap run`. */
int report_summary(const struct report *report, FILE *to);

#endif
