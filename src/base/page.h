/* SPDX-License-Identifier: MIT */
#ifndef BASE_PAGE_H
#define BASE_PAGE_H

#define PAGE_SHIFT 12
#define PAGE_BYTES 4096ul
#undef PAGE_MASK /* <sys/user.h> has it, too */
#define PAGE_MASK (~(PAGE_BYTES - 1))

#endif
