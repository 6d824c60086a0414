/* SPDX-License-Identifier: MIT */
/*
 * What the owner says on stderr. Nobody waits for who reads it: lines go into a buffer that a
 * thread of its own empties. When that is full, lines are left out and counted. The thread's
 * writes may block as long as they like, and what they raise (SIGPIPE) stays with it.
 */
#ifndef BASE_SAY_H
#define BASE_SAY_H

/* Starts the thread; before, and if that fails, text is written at once. */
void say_start(void);
/* "vswap: LINE". Any thread, any lock held. */
void say_line(const char *line);
/* Text as it is. The same. */
void say_text(const char *text);
/* What was said is out, or is given up after so many milliseconds. */
void say_flush(int timeout_ms);

#endif
