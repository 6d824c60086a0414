/* SPDX-License-Identifier: MIT */
/*
 * SIZE as people write it: bytes, or with K, M, G or T (powers of 1024, "iB" may
 * follow), or a percentage of the machine's RAM. Fractions are fine: 1.5G, 12.5%.
 */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>
#include "base/message.h"

/* The machine's RAM, bytes. */
uint64_t size_of_ram(void);

/* 0; -EINVAL: not a size; -ERANGE: zero, over 100 %, or more than 2^62 bytes. On error `message`
 * says what is wrong and what is allowed. */
int size_parse(const char *text, uint64_t ram, uint64_t *bytes, char *message);

/* "1.5 GiB", "512 KiB", "17 B": three figures. Returns `text`. */
#define SIZE_TEXT 24
const char *size_format(uint64_t bytes, char text[SIZE_TEXT]);

#endif
