/* SPDX-License-Identifier: MIT */
/* Messages to users: what failed, why, what to do now. */
#ifndef BASE_MESSAGE_H
#define BASE_MESSAGE_H

/* Every buffer for a message has so many bytes. */
#define MESSAGE_BYTES 512

/* Fills the message and returns the error. */
int explain(char *message, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
