/* SPDX-License-Identifier: MIT */
/* Where a file backend's bytes lie: opens what a path names, with all the care
 * that overwriting somebody's file or disk asks for. */
#ifndef BACKEND_FILE_PLACE_H
#define BACKEND_FILE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "backend/backend.h"
#include "base/message.h"

struct file_place {
	int fd;
	bool device;	/* a block device, else a regular file */
	bool direct;	/* O_DIRECT holds */
	bool keep;	/* an empty file of the user's: empty again when closed */
	uint64_t start; /* byte where the first extent lies */
	uint64_t bytes; /* from there on; a multiple of BACKEND_EXTENT_BYTES */
};

/* 0 (message: empty or a note) or -errno with a message; nothing is left behind. */
int file_place_open(const struct backend_spec *spec, struct file_place *place, char *message);
/* Also discards everything. */
void file_place_close(struct file_place *place);
/* Tells the file system or device that these bytes are no longer needed. May fail: no harm. */
void file_place_discard(struct file_place *place, uint64_t offset, uint64_t length);

#endif
