/* SPDX-License-Identifier: MIT */
/*
 * Attaching: everything that needs all threads of a live process stopped, and
 * what is left inside it afterwards (a userfaultfd, an agent thread, a staging
 * area, a channel). Mechanism only; when to do it, and what to evict, is the
 * pager's.
 *
 * Functions that stop the process do it from a short-lived thread of their own (see
 * trace.h) and wait for it; one at a time for one process. Their caller must not be a
 * thread that serves faults: a thread asleep in a fault cannot stop until it is served.
 * While they run, no other thread of the owner may take (waitpid) a stop that is a tracee's.
 *
 * The program's first thread may end before the others. From then on /proc/PID/maps,
 * process_vm_readv(PID) and the like find no memory; the agent's tid always does: use
 * target->agent_tid for them.
 */
#ifndef ATTACH_ATTACH_H
#define ATTACH_ATTACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/channel.h"
#include "base/message.h"

/* One staging area; there are two, used in turn. */
#define ATTACH_STAGINGS 2

struct target {
	pid_t pid;
	bool shares_pids; /* it is in our pid namespace */
	int pidfd;
	int userfault;		  /* the owner's descriptor, non-blocking, API done */
	int leash[2];		  /* see leash.h; 0: the agent's end, 1: the owner's */
	struct channel *channel;  /* the owner's mapping */
	uint64_t agent_address;	  /* the agent's memory (area.c): its code comes first */
	uint64_t channel_address; /* the target's mapping, in it */
	uint64_t agent_bytes;
	uint64_t staging[ATTACH_STAGINGS];	/* target addresses, CHANNEL_BATCH pages each */
	uint64_t code_staging[ATTACH_STAGINGS]; /* the same, for executable pages ... */
	_Atomic bool stages_code;		/* ... once attach_stage_code was called */
	pid_t agent_tid;
	bool agent_lost;  /* it was started, and not found: its memory stays */
	int pagemap;	  /* open /proc/PID/pagemap */
	int statm;	  /* open /proc/PID/statm */
	int agent_status; /* open /proc/PID/task/AGENT/status */
};

/* Runs while every thread of the target is stopped, and those of its twins (twins.h) that can be
 * stopped, in another thread than the caller's. Non-zero: give up, put all back. NULL stands for 0.
 */
typedef int (*attach_stopped_fn)(struct target *target, void *argument);

/*
 * Stops all threads, injects the userfaultfd and the agent, calls `stopped`
 * (which registers mappings and records present pages), lets the program go on.
 * `userfault`: the one that belongs to its memory already (a forked child), copied; -1: a new one.
 * On failure the program is as it was. 0 or -errno with a message.
 */
int attach_inject(pid_t pid, int userfault, struct target *target, attach_stopped_fn stopped,
		  void *argument, char message[MESSAGE_BYTES]);

/* Stops all threads for a moment and calls `stopped`. Fails with -ETIMEDOUT (all resumed) when a
 * thread does not stop within timeout_ms; -ESRCH when the process is gone. */
int attach_stop(struct target *target, int timeout_ms, attach_stopped_fn stopped, void *argument);

/* Pages that are writable and executable can be moved from now on. Stops all threads for a moment.
 * 0, -ETIMEDOUT (try again), or -errno: the kernel does not allow such staging. */
int attach_stage_code(struct target *target, int timeout_ms);

/*
 * Takes everything out again: the caller has brought back all pages. Unregisters
 * nothing itself (closing the last userfaultfd does). Stops the program, makes the agent leave,
 * unmaps what was mapped, resumes. After it the target is free of us and closed (attach_forget).
 * -ETIMEDOUT with a message: still attached, try again. -ESRCH: gone, closed.
 */
int attach_leave(struct target *target, char message[MESSAGE_BYTES]);

/* Closes the owner's side only (the process has died or called exec). */
void attach_forget(struct target *target);

/* True while the process still runs the program that was attached (no exec, not dead). */
bool attach_alive(const struct target *target);

/*
 * Whether the agent may be given a command: CHANNEL_DONE when it may, else why not
 * (the agent would be killed by the program's new seccomp filter at its next
 * call, or is under a debugger). Ask before each command. -ESRCH: the agent is gone.
 */
int attach_agent_refusal(const struct target *target);

/* True when every thread of the program has ended and the agent alone keeps it: attach_leave then
 * lets it end. */
bool attach_abandoned(const struct target *target);

#endif
