/* SPDX-License-Identifier: MIT */
/* The kind "file": a file, a block device, or a new file in a folder. */
#ifndef BACKEND_FILE_H
#define BACKEND_FILE_H

#include "backend/backend.h"

extern const struct backend_operations file_operations;

#endif
