/* SPDX-License-Identifier: MIT */
#include "attach/nap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "base/proc.h"

/* How often it is looked whether the program has gone on without a fault. */
#define LOOK_MS 50
/* Whoever waits for the owner must have seen that it has stopped before it goes on; a short nap is
 * no longer than that. */
#define SEEN_US 100000
/* One SIGCONT may come before the SIGSTOP that it is meant for. */
#define AGAIN_US 5000

/* In memory that owner and keepers share. */
struct nap {
	_Atomic pid_t program; /* 0: the owner is awake */
	_Atomic int needs;
	_Atomic bool is_short;
	int call; /* eventfd: to the keepers */
};

int nap_open(struct nap **out)
{
	struct nap *nap =
		mmap(NULL, sizeof(*nap), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error;

	if (nap == MAP_FAILED)
		return -errno;
	nap->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nap->call < 0) {
		error = -errno;
		munmap(nap, sizeof(*nap));
		return error;
	}
	*out = nap;
	return 0;
}

void nap_close(struct nap *nap)
{
	if (!nap)
		return;
	close(nap->call);
	munmap(nap, sizeof(*nap));
}

void nap_take(struct nap *nap, const struct nap_plan *plan)
{
	uint64_t calls = 1;

	nap->needs = plan->needs;
	nap->is_short = plan->is_short;
	nap->program = plan->program;
	/* Without a keeper that hears it the shell wakes us, as ever. */
	if (write(nap->call, &calls, sizeof(calls)) < 0)
		calls = 0;
	kill(getpid(), SIGSTOP);
	nap->program = 0;
	if (read(nap->call, &calls, sizeof(calls)) < 0)
		return;
}

void nap_check(const struct nap *nap, int owner, pid_t pid)
{
	if (!nap->program && proc_state(pid) == 'T')
		pidfd_send_signal(owner, SIGCONT, NULL, 0);
}

int nap_poll(const struct nap *nap)
{
	return nap->call;
}

/* One that has ended is in `needs`. */
static bool stands_still(pid_t pid)
{
	char state = proc_state(pid);

	return state ? state == 'T' || state == 't' : proc_is_short();
}

void nap_watch(const struct nap *nap, int owner, int stop)
{
	usleep(SEEN_US);
	while (nap->program) {
		struct pollfd wait[] = {
			{.fd = stop, .events = POLLIN},
			{.fd = owner, .events = POLLIN},
			{.fd = nap->needs, .events = POLLIN},
		};

		poll(wait, 3, nap->is_short ? 0 : LOOK_MS);
		if (wait[0].revents || wait[1].revents)
			return;
		if (!nap->is_short && !wait[2].revents && stands_still(nap->program))
			continue;
		pidfd_send_signal(owner, SIGCONT, NULL, 0);
		usleep(AGAIN_US);
	}
}
