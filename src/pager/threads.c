/* SPDX-License-Identifier: MIT */
#include "pager/threads.h"

#include <string.h>
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/eviction/evictor.h"
#include "pager/faults/fetch.h"
#include "pager/faults/server.h"
#include "pager/faults/starve.h"
#include "pager/watchdog.h"

static int start_helpers(struct pager *pager)
{
	int error = evictor_start(pager);

	if (error)
		return error;
	error = watchdog_start(pager);
	if (!error && (error = starve_start(pager)))
		watchdog_stop(pager);
	if (error) {
		evictor_stop(pager);
		evictor_free(pager);
	}
	return error;
}

int threads_start(struct pager *pager, char message[MESSAGE_BYTES])
{
	int error;

	if (pager->threads.run)
		return 0;
	error = fetch_open(pager);
	if (!error)
		error = servers_start(pager);
	if (!error) {
		error = start_helpers(pager);
		if (error)
			servers_stop(pager);
	}
	if (error)
		fetch_close(pager);
	if (error)
		explain(message, 0, "cannot start threads: %s%s", strerror(-error),
			pager_limit_hint(error));
	pager->threads.run = !error;
	return error;
}

void threads_stop(struct pager *pager)
{
	if (!pager->threads.run)
		return;
	evictor_stop(pager);
	watchdog_stop(pager);
	starve_stop(pager);
	evictor_free(pager);
	servers_stop(pager);
	fetch_close(pager);
	pager->threads.run = false;
}
