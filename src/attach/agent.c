/* SPDX-License-Identifier: MIT */
/*
 * The agent: the thread that vswap puts into a program, because UFFDIO_MOVE works
 * only from inside. This file is compiled apart, without libc, into the section
 * agent_text, whose bytes the owner copies into the program (see the meson.build
 * of this folder: the build fails if it refers to anything outside).
 *
 * The program's other threads do not know of it, so it must have no effect on
 * them: its own descriptor table with nothing in it but the userfaultfd and the end of the
 * leash (leash.h), every signal blocked, no memory but its stack and the channel. And they can make
 * it run what they like, since they have the same memory: so before the first of them goes on it
 * gives up, for good, all that the program could give up later (retire). It may be stopped or
 * killed at any instruction.
 */
#include "attach/agent.h"

#include <asm/errno.h>
#include <asm/mman.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include "attach/channel.h"
#include "base/kernel.h"
#include "base/page.h"

#define AGENT	   __attribute__((section("agent_text"), used))
#define NO_SECCOMP 0

#define MOUNT_ATTR_EMPTY \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define LANDLOCK_FIELDS 3u  /* 64 bits each: files, network, scopes */
#define LANDLOCK_BITS	32u /* of a field; the kernel knows of 16 today */

/* For FUTEX_WAKE_OP: sets FUTEX_OWNER_DIED, 1 << 30, and wakes nobody else. */
#define MARK_OWNER_DIED                                                                         \
	((long)((uint32_t)(FUTEX_OP_OPARG_SHIFT | FUTEX_OP_SET) << 28 | FUTEX_OP_CMP_EQ << 24 | \
		30 << 12))

/* For FUTEX_WAKE_OP: writes what is there already; wakes nobody there, but for a value of 1. */
#define WRITE_NOTHING ((long)((uint32_t)FUTEX_OP_OR << 28 | FUTEX_OP_CMP_EQ << 24 | 1))

struct pause {
	long seconds, nanoseconds;
};

__asm__(".pushsection agent_text, \"ax\", @progbits\n"
	".globl agent_entry\n"
	"agent_entry:\n"
	"	syscall\n"
	"	xor %ebp, %ebp\n"
	"	pop %rdi\n"
	"	lea .Lname(%rip), %rsi\n"
	"	call agent_main\n"
	"	hlt\n"
	".Lname:\n"
	"	.asciz \"" AGENT_NAME "\"\n"
	".Ltmpfs:\n"
	"	.asciz \"tmpfs\"\n"
	".Lroot:\n"
	"	.asciz \"/\"\n"
	".Lhere:\n"
	"	.asciz \".\"\n"
	".Lempty:\n"
	"	.asciz \"/proc/thread-self/fdinfo\"\n"
	".popsection\n");

/* The address of a string above. */
#define STRING(label)                                               \
	({                                                          \
		long string;                                        \
		__asm__("lea " label "(%%rip), %0" : "=r"(string)); \
		string;                                             \
	})

static inline __attribute__((always_inline)) long call6(long number, long a, long b, long c, long d,
							long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d)
{
	return call6(number, a, b, c, d, 0, 0);
}

AGENT static void wake(uint32_t *word)
{
	call(__NR_futex, (long)word, FUTEX_WAKE, 0x7fffffff, 0);
}

AGENT static void gate_leave(struct gate *gate)
{
	__atomic_store_n(&gate->moving, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&gate->owner_waits, __ATOMIC_SEQ_CST))
		wake(&gate->moving);
}

AGENT static void gate_wait(struct gate *gate)
{
	struct pause millisecond;

	millisecond.seconds = 0;
	millisecond.nanoseconds = 1000000;
	__atomic_store_n(&gate->agent_waits, 1, __ATOMIC_SEQ_CST);
	call(__NR_futex, (long)&gate->closed, FUTEX_WAIT, 1, (long)&millisecond);
	__atomic_store_n(&gate->agent_waits, 0, __ATOMIC_SEQ_CST);
}

/* True: the agent may move until gate_leave, and no writer has the memory lock. False: revoked. */
AGENT static int gate_enter(struct gate *gate)
{
	for (;;) {
		int open, revoked;

		__atomic_store_n(&gate->moving, 1, __ATOMIC_SEQ_CST);
		open = !__atomic_load_n(&gate->closed, __ATOMIC_SEQ_CST);
		revoked = (int)__atomic_load_n(&gate->revoked, __ATOMIC_SEQ_CST);
		if (open && !revoked)
			return 1;
		gate_leave(gate);
		if (revoked)
			return 0;
		gate_wait(gate);
	}
}

AGENT static long protect(const struct channel *channel, uint64_t start, uint32_t pages,
			  uint64_t mode)
{
	struct uffdio_writeprotect protect;

	protect.range.start = start;
	protect.range.len = pages * PAGE_BYTES;
	protect.mode = mode;
	return call(__NR_ioctl, channel->userfault, (long)UFFDIO_WRITEPROTECT, (long)&protect, 0);
}

/*
 * Nothing is to move that nobody registered: it would be missed at once, and read as zeros. To
 * protect nothing is to ask. 0, -ENOENT, or -EAGAIN: an event is in flight.
 */
AGENT static long ask(const struct channel *channel, uint64_t start, uint32_t pages)
{
	return channel->mark ? protect(channel, start, pages, UFFDIO_WRITEPROTECT_MODE_DONTWAKE)
			     : 0;
}

/*
 * Marks what has just moved (marks.h), before anybody else can see that it left: a guard that came
 * and went in between would not be noticed. Nothing comes in meanwhile, since the gate is held;
 * once that was revoked, something else may stand there.
 */
AGENT static int16_t mark(const struct channel *channel, uint64_t start, uint32_t pages)
{
	if (!channel->mark || !pages || __atomic_load_n(&channel->gate.revoked, __ATOMIC_SEQ_CST) ||
	    protect(channel, start, pages, UFFDIO_WRITEPROTECT_MODE_WP))
		return CHANNEL_MOVED;
	return CHANNEL_MARKED;
}

/* Where pages go: the kernel moves them between mappings of the same protection only. */
struct aim {
	uint64_t staging[2]; /* for plain pages, for executable ones (or 0) */
	unsigned int kind;   /* which of them the last page went to */
};

/*
 * Moves pages [at, end) of the batch, neighbours in one call. False: the kernel asks
 * to wait (an event is being delivered), so the batch ends here.
 */
AGENT static int move_chunk(struct channel *channel, struct aim *aim, uint32_t at, uint32_t end)
{
	int other = 0; /* the other staging was tried for this page */

	while (at < end) {
		struct uffdio_move move;
		uint32_t run = 1, moved;
		int16_t result;
		long error;

		while (at + run < end &&
		       channel->from[at + run] == channel->from[at] + run * PAGE_BYTES)
			run++;
		error = ask(channel, channel->from[at], run);
		if (error == -EAGAIN)
			return 0;
		for (; error == -ENOENT && run; run--)
			channel->result[at++] = CHANNEL_STRANGER;
		if (!run)
			continue;
		move.dst = aim->staging[aim->kind] + at * PAGE_BYTES;
		move.src = channel->from[at];
		move.len = run * PAGE_BYTES;
		move.mode = 0;
		move.move = 0;
		error = call(__NR_ioctl, channel->userfault, (long)UFFDIO_MOVE, (long)&move, 0);
		moved = error ? (move.move > 0 ? (uint32_t)(move.move / (long)PAGE_BYTES) : 0)
			      : run;
		if (!moved && error == -EINVAL && !other && aim->staging[!aim->kind]) {
			aim->kind = !aim->kind;
			other = 1;
			continue;
		}
		other = 0;
		result = mark(channel, move.src, moved);
		for (; moved; moved--)
			channel->result[at++] = result;
		/* A short count comes with EAGAIN too: the next try says what is with that page. */
		if (!error || move.move > 0)
			continue;
		if (error == -EAGAIN)
			return 0;
		channel->result[at++] = (int16_t)error;
	}
	return 1;
}

/*
 * A page that fork left shared moves only once it has been written to: then the program has a copy
 * of its own, or the page itself when nobody else has it any more. A futex call writes without
 * changing anything, atomically, and where the page is missing, protected or no more it does not
 * wait and does not write, but fails.
 */
AGENT static int part_chunk(struct channel *channel, struct aim *aim, uint32_t at, uint32_t end)
{
	while (at < end) {
		uint32_t stop = at;

		for (; stop < end && channel->result[stop] == -EBUSY; stop++)
			call6(__NR_futex, (long)&channel->started,
			      FUTEX_WAKE_OP | FUTEX_PRIVATE_FLAG, 0, 0,
			      (long)(channel->from[stop] + PAGE_BYTES - sizeof(uint32_t)),
			      WRITE_NOTHING);
		if (stop > at && !move_chunk(channel, aim, at, stop))
			return 0;
		for (; at < stop; at++)
			if (channel->result[at] == CHANNEL_MOVED ||
			    channel->result[at] == CHANNEL_MARKED)
				channel->result[at] |= CHANNEL_PARTED;
		at++;
	}
	return 1;
}

/*
 * mlockall locks all that the program has, staging too. Then what is locked would move there, and
 * what is not would not.
 */
AGENT static void unlock_staging(const struct channel *channel)
{
	const long bytes = (long)(CHANNEL_BATCH * PAGE_BYTES);

	call(__NR_munlock, (long)channel->staging, bytes, 0, 0);
	if (channel->code_staging)
		call(__NR_munlock, (long)channel->code_staging, bytes, 0, 0);
}

AGENT static void move_batch(struct channel *channel)
{
	uint32_t count = channel->count, parting = channel->part;
	struct aim aim;
	int go_on = 1;

	aim.staging[0] = channel->staging;
	aim.staging[1] = channel->code_staging;
	aim.kind = 0;

	if (count > CHANNEL_BATCH)
		count = CHANNEL_BATCH;
	for (uint32_t i = 0; i < count; i++)
		channel->result[i] = CHANNEL_NOT_TRIED;
	for (uint32_t at = 0; go_on && at < count; at += CHANNEL_CHUNK) {
		uint32_t end = at + CHANNEL_CHUNK < count ? at + CHANNEL_CHUNK : count;

		if (!gate_enter(&channel->gate))
			return;
		go_on = move_chunk(channel, &aim, at, end);
		if (go_on && parting)
			go_on = part_chunk(channel, &aim, at, end);
		gate_leave(&channel->gate);
	}
}

AGENT static void empty_staging(const struct channel *channel)
{
	long bytes = (long)(channel->empty_pages * PAGE_BYTES);

	if (!bytes || channel->empty_pages > CHANNEL_BATCH)
		return;
	if (channel->empty)
		call(__NR_madvise, (long)channel->empty, bytes, MADV_DONTNEED_LOCKED, 0);
	if (channel->code_empty)
		call(__NR_madvise, (long)channel->code_empty, bytes, MADV_DONTNEED_LOCKED, 0);
}

/*
 * What the kernel does at the end of a thread that holds robust locks (threads.h), for those it
 * could not reach. System calls only: the addresses may be mapped no more. The mark is set without
 * the bit that others wait; who is woken here sets that again. Robust locks are waited for as
 * shared ones.
 */
AGENT static void bury(const struct channel *channel)
{
	uint32_t count = channel->count;
	struct pause none;

	none.seconds = 0;
	none.nanoseconds = 0;
	for (uint32_t i = 0; i < count && i < CHANNEL_WORDS; i++) {
		long futex = (long)channel->from[i];

		if (call(__NR_futex, futex, FUTEX_WAIT, channel->word[i], (long)&none) ==
		    -ETIMEDOUT)
			call6(__NR_futex, futex, FUTEX_WAKE_OP, 1, 0, futex, MARK_OWNER_DIED);
	}
}

/*
 * Its root becomes a directory in which there is nothing and which nothing else is in, nor ever
 * will be: one of a file system of its own, that is mounted nowhere. So it holds up no umount
 * either. Without the right to have one, the list of its own descriptors.
 */
AGENT static void leave_files(void)
{
	long context = call(__NR_fsopen, STRING(".Ltmpfs"), FSOPEN_CLOEXEC, 0, 0);
	long mount;

	call6(__NR_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0, 0);
	mount = call(__NR_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_EMPTY, 0);
	call(__NR_chdir, STRING(".Lroot"), 0, 0, 0);
	if (call(__NR_fchdir, mount, 0, 0, 0))
		call(__NR_chdir, STRING(".Lempty"), 0, 0, 0);
	if (call(__NR_chroot, STRING(".Lhere"), 0, 0, 0))
		call(__NR_chdir, STRING(".Lroot"), 0, 0, 0);
	if (mount >= 0)
		call(__NR_close, mount, 0, 0, 0);
	if (context >= 0)
		call(__NR_close, context, 0, 0, 0);
}

AGENT static void leave_capabilities(void)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct none[2];

	header.version = _LINUX_CAPABILITY_VERSION_3;
	header.pid = 0;
	for (int i = 0; i < 2; i++) {
		none[i].effective = 0;
		none[i].permitted = 0;
		none[i].inheritable = 0;
	}
	call(__NR_capset, (long)&header, (long)none, 0, 0);
	call6(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0);
}

/*
 * A user that nobody else is, so that it may do nothing to anybody's files, processes, keys and
 * queues. That makes the program's memory undumpable, for all its threads, so this is undone; all
 * but the agent stand still meanwhile.
 */
AGENT static void leave_user(long user)
{
	long dumpable = call6(__NR_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0, 0);

	for (long i = 0; !call6(__NR_prctl, PR_CAPBSET_DROP, i, 0, 0, 0, 0);)
		i++;
	call6(__NR_prctl, PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS, 0, 0, 0, 0);
	if (user && (dumpable == 0 || dumpable == 1) && !call(__NR_setgroups, 0, 0, 0, 0) &&
	    !call(__NR_setresgid, user, user, user, 0)) {
		call(__NR_setresuid, user, user, user, 0);
		call6(__NR_prctl, PR_SET_DUMPABLE, dumpable, 0, 0, 0, 0);
	}
	call(__NR_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0);
}

/* Whatever Landlock can forbid on this kernel: it refuses sets with rights that it does not know,
 * so the largest that it takes has all. */
AGENT static void leave_rights(void)
{
	uint64_t handled[LANDLOCK_FIELDS];
	long rules = -1;

	call6(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
	for (unsigned int field = 0; field < LANDLOCK_FIELDS; field++) {
		long wider = -1;

		for (unsigned int bits = LANDLOCK_BITS; wider < 0 && bits; bits--) {
			handled[field] = ((uint64_t)1 << bits) - 1;
			wider = call(__NR_landlock_create_ruleset, (long)handled,
				     (field + 1) * sizeof(*handled), 0, 0);
		}
		if (wider < 0)
			break;
		if (rules >= 0)
			call(__NR_close, rules, 0, 0, 0);
		rules = wider;
	}
	if (rules < 0)
		return;
	call(__NR_landlock_restrict_self, rules, 0, 0, 0);
	call(__NR_close, rules, 0, 0, 0);
}

/* What a thread of its own must not share with the program, or keep from it. */
AGENT static void retire(const struct channel *channel, const char *name)
{
	long first = channel->userfault, second = channel->leash;

	if (first > second) {
		first = channel->leash;
		second = channel->userfault;
	}
	if (first > 0)
		call(__NR_close_range, 0, first - 1, 0, 0);
	if (second > first + 1)
		call(__NR_close_range, first + 1, second - 1, 0, 0);
	call(__NR_close_range, second + 1, 0x7fffffff, 0, 0);
	leave_files();
	leave_user(channel->user);
	leave_capabilities();
	leave_rights();
	call(__NR_prctl, PR_SET_NAME, (long)name, 0, 0);
}

AGENT static void obey(struct channel *channel)
{
	uint32_t verb = channel->verb;

	channel->refusal = CHANNEL_DONE;
	if (call(__NR_prctl, PR_GET_SECCOMP, 0, 0, 0) != NO_SECCOMP) {
		channel->refusal = CHANNEL_SECCOMP;
		return;
	}
	if (verb == CHANNEL_MOVE || verb == CHANNEL_EMPTY)
		empty_staging(channel);
	if (verb == CHANNEL_MOVE) {
		unlock_staging(channel);
		move_batch(channel);
	}
	if (verb == CHANNEL_BURY)
		bury(channel);
}

AGENT static void agent_main(struct channel *channel, const char *name)
{
	uint32_t seen = 0;

	retire(channel, name);
	channel->agent_tid = (uint32_t)call(__NR_gettid, 0, 0, 0, 0);
	__atomic_store_n(&channel->started, 1, __ATOMIC_RELEASE);
	wake(&channel->started);
	for (;;) {
		uint32_t command = __atomic_load_n(&channel->command, __ATOMIC_ACQUIRE);

		if (command == seen) {
			call(__NR_futex, (long)&channel->command, FUTEX_WAIT, seen, 0);
			continue;
		}
		seen = command;
		obey(channel);
		__atomic_store_n(&channel->done, seen, __ATOMIC_RELEASE);
		wake(&channel->done);
	}
}
