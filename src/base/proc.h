/* SPDX-License-Identifier: MIT */
/*
 * What /proc/PID/stat says. Fields are numbered as in proc(5); 1 and 2, the id and the name, are
 * left out, since a name may hold anything. Any thread; nothing allocates.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stdbool.h>
#include <sys/types.h>

/* More than the longest there is. */
#define PROC_STAT 1024

/* Fields 3 (the state, one letter) and on, which stand in `text`; NULL: there is no such process.
 * `tid`: of this thread of it alone; 0: of the whole. */
const char *proc_stat(pid_t pid, pid_t tid, char text[PROC_STAT]);
/* The same of a file that is open. */
const char *proc_stat_of(int file, char text[PROC_STAT]);
/* The letter of a process's state ('T': stopped); '\0': there is none, or it cannot be told
 * (proc_is_short). */
char proc_state(pid_t pid);
/* Where field `number` begins; NULL: there is none, or `stat` is NULL. */
const char *proc_field(const char *stat, int number);

/* A name that somebody else chose, made fit to be printed: what is no printable UTF-8, control
 * characters above all, becomes '?'. In place. */
void proc_clean(char *name);

/* The name of a process, clean; "" when it is no more. */
void proc_command(pid_t pid, char *name, size_t size);

/* The first line of a file of /proc/TID; "": there is none. */
void proc_line(pid_t tid, const char *file, char *text, size_t size);

/* The value of a line of /proc/TID/status; false if there is none. */
bool proc_status_line(pid_t tid, const char *name, char *value, size_t size);

/* A file of /proc could not be opened for want of a descriptor, or memory: by errno. That says
 * nothing of the process. */
bool proc_is_short(void);

/* 0: the process is no more. */
pid_t proc_parent(pid_t pid);
/* How many threads it has; the same. */
unsigned int proc_threads(pid_t pid);

/* The folder of its threads, to be closed; -errno. */
int proc_open_threads(pid_t pid);
/* Calls for each entry of an open folder (/proc, task, fd) that is a number, until it says true.
 * False: none did. */
bool proc_each_number(int folder, bool (*found)(void *argument, int number), void *argument);

/* A decimal number in /proc/PID/task/TID/status; 0 when it is not there. */
long proc_status_number(pid_t pid, pid_t tid, const char *name);

typedef bool (*proc_child_fn)(void *argument, pid_t child);
/* Calls `found` for the children of a process until it says true, and returns that child; 0: none
 * did. Any thread. */
pid_t proc_each_child(pid_t parent, proc_child_fn found, void *argument);

#endif
