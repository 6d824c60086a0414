/* SPDX-License-Identifier: MIT */
#include "pager/faults/fetch_devices.h"

#include <stdio.h>
#include <string.h>
#include "pager/attached/say.h"
#include "pager/attached/state.h"
#include "pager/faults/fetch.h"

#define PATIENCE_S (FETCH_PATIENCE_NS / 1000000000ull)

void fetch_devices_open(struct fetch_devices *devices, struct pager *pager)
{
	devices->pager = pager;
	for (unsigned int i = 0; i < pager->backends.count; i++)
		if (pager->backends.items[i])
			fetch_device_add(devices, pager->backends.items[i]);
}

void fetch_device_add(struct fetch_devices *devices, const struct backend *backend)
{
	struct fetch_device *device = &devices->items[devices->count];

	if (devices->count == BACKEND_MOST)
		return;
	devices->count++;
	device->backend = backend;
	snprintf(device->name, sizeof(device->name), "%s", backend->name);
}

struct fetch_device *fetch_device_find(struct fetch_devices *devices, const struct backend *backend)
{
	/* The newest: an older one that was removed may have been at the same address. */
	for (unsigned int i = devices->count; backend && i--;)
		if (devices->items[i].backend == backend)
			return &devices->items[i];
	return NULL;
}

const char *fetch_device_name(const struct fetch_device *device)
{
	return device ? device->name : "RAM";
}

bool fetch_device_is_at_share(const struct fetch_devices *devices,
			      const struct fetch_device *device, unsigned int threads)
{
	return device && device->busy >= (devices->count < threads ? threads / devices->count : 1);
}

static bool first_time(bool *told)
{
	bool before = *told;

	*told = true;
	return !before;
}

void fetch_device_tell_failing(struct fetch_devices *devices, struct fetch_device *device,
			       int error)
{
	if (device && first_time(&device->told_failing))
		pager_say(devices->pager,
			  "backend %s: reading failed (%s): it is tried again for %llu s, and who "
			  "needs the page waits; nothing is lost yet; look at the device (dmesg)",
			  fetch_device_name(device), strerror(-error), PATIENCE_S);
}

void fetch_device_tell_lost(struct fetch_devices *devices, struct fetch_device *device, int error)
{
	if (device && first_time(&device->told_lost))
		pager_say(
			devices->pager,
			"backend %s: pages could not be read for %llu s (%s): touching one raises "
			"SIGBUS; they are kept, and come back with `vswap detach' or `vswap "
			"thaw' once the device can be read",
			fetch_device_name(device), PATIENCE_S, strerror(-error));
}

void fetch_device_tell_bad(struct fetch_devices *devices, struct fetch_device *device)
{
	if (!device || first_time(&device->told_bad))
		pager_say(devices->pager,
			  "backend %s: bytes that were read are not those that were written (bad "
			  "checksum): touching such a page raises SIGBUS; do not use this device "
			  "any more",
			  fetch_device_name(device));
}
