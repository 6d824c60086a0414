/* SPDX-License-Identifier: MIT */
#include "pager/attached/doomed.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "attach/hunt.h"
#include "base/array.h"
#include "base/clock.h"
#include "pager/attached/state.h"
#include "pager/attached/userfault.h"

/* Between two hunts, which take this part of the time, and most that one is about. */
#define HUNT_NS	   10000000u
#define HUNT_SHARE 20
#define HUNTED	   64

void doomed_add(struct pager *pager, int userfault)
{
	pthread_mutex_lock(&pager->listing.lock);
	/* Without memory for the list it stays open all the same: the keepers see to it at the end.
	 */
	if (!array_grow((void **)&pager->doomed.files, &pager->doomed.capacity,
			pager->doomed.count + 1, sizeof(int)))
		pager->doomed.files[pager->doomed.count++] = userfault;
	pthread_mutex_unlock(&pager->listing.lock);
}

/* Closes what is gone; of the others `some`. */
static size_t sort_out(struct pager *pager, int some[HUNTED])
{
	size_t kept = 0, count;

	pthread_mutex_lock(&pager->listing.lock);
	for (size_t i = 0; i < pager->doomed.count; i++) {
		if (userfault_is_gone(pager->doomed.files[i]))
			close(pager->doomed.files[i]);
		else
			pager->doomed.files[kept++] = pager->doomed.files[i];
	}
	pager->doomed.count = kept;
	count = kept < HUNTED ? kept : HUNTED;
	for (size_t i = 0; i < count; i++)
		some[i] = pager->doomed.files[i];
	pthread_mutex_unlock(&pager->listing.lock);
	return count;
}

void doomed_look(struct pager *pager)
{
	int some[HUNTED], proc;
	uint64_t since = monotonic_ns();
	size_t count;

	if (!pager->doomed.count || since < pager->doomed.hunt_ns)
		return;
	count = sort_out(pager, some);
	proc = count ? open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (proc >= 0) {
		hunt(proc, some, count);
		close(proc);
	}
	pager->doomed.hunt_ns = monotonic_ns() + (monotonic_ns() - since) * HUNT_SHARE + HUNT_NS;
}
