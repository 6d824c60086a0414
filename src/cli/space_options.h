/* SPDX-License-Identifier: MIT */
/* The options of verbs that open a space. */
#ifndef CLI_SPACE_OPTIONS_H
#define CLI_SPACE_OPTIONS_H

#include <argp.h>
#include "owner/owner.h"

/* In place of a SIZE: the limit of the job's memory cgroup is the budget. */
#define CLI_CGROUP "cgroup"

/* -m, --backend, --stats, -q: an argp child whose input is a struct space_options. */
struct space_options {
	struct owner_config owner;     /* what the options say; the verb adds the rest */
	struct backend_spec *backends; /* owner.backends, freed by space_options_free */
};
extern const struct argp space_argp;
void space_options_free(struct space_options *options);

#endif
