/* SPDX-License-Identifier: MIT */
/*
 * Sealing: what a segment's bytes become before they leave RAM. Each object is encrypted and
 * authenticated by itself with AES-256-GCM, so that one page is one small read:
 *
 *   in RAM    | header, hashes, encoded bytes, zeros | room for the tag |
 *   sealed    | the same, encrypted                  | tag, 16 bytes    |
 *
 * Nonce: (serial, offset in the segment). A serial is given to each copy of a segment that is
 * sealed, counts up from 1 with 64 bits, and stays in the segment table; a copy is sealed once, and
 * its objects do not overlap. So no nonce comes twice under a key, and a key lives as long as the
 * store. After a fork the child's copy would count on from the same serial: it finds the counter
 * wiped and seals nothing.
 *
 * (A segment whose state is SEALED is one that is full: another seal.)
 *
 * What a reader expects, the serial and the offset, comes from RAM. An object that was changed,
 * moved, swapped with another or is of an older copy does not open.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include <stdint.h>

#define SEAL_TAG     16u
#define SEAL_OPENERS 8u /* threads that may open at once, each by a number of its own */

struct seal;

/* 0; -ENOMEM; -EIO: no randomness, or libcrypto has no AES-256-GCM. */
int seal_new(struct seal **seal);
void seal_free(struct seal *seal); /* and its key */

/* A serial for a copy of a segment; 0: this is a forked copy, which must seal nothing. */
uint64_t seal_serial(struct seal *seal);
/* Seals an object of `bytes` with its tag, from `in` to `out`. One thread at a time. 0 or -EIO. */
int seal_object(struct seal *seal, uint64_t serial, uint32_t offset, const void *in, uint32_t bytes,
		void *out);

/* The first 8 bytes of a sealed object, not authenticated: they may say anything. 0: none. */
uint64_t seal_peek(struct seal *seal, unsigned int opener, uint64_t serial, uint32_t offset,
		   const void *in);
/* Opens an object of `bytes` with its tag; `out` may be `in`. 0, or -EILSEQ and `out` holds
 * nothing of use. */
int seal_unseal(struct seal *seal, unsigned int opener, uint64_t serial, uint32_t offset,
		const void *in, uint32_t bytes, void *out);

#endif
