/* SPDX-License-Identifier: MIT */
/* The kinds of backends; each file of this folder that is a kind defines one. */
#ifndef BACKEND_KINDS_H
#define BACKEND_KINDS_H

#include "backend/backend.h"

extern const struct backend_operations file_operations;

#endif
