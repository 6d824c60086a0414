/* SPDX-License-Identifier: MIT */
/* What fetching keeps of each device, and says of it, once. The fetch pool's lock is held for all
 * of it. Private to src/pager/faults. */
#ifndef PAGER_FAULTS_FETCH_DEVICES_H
#define PAGER_FAULTS_FETCH_DEVICES_H

#include <stdbool.h>
#include "pager/attached/config.h"

struct backend;
struct pager;

struct fetch_device {
	const struct backend *backend; /* to compare only: it may have been removed */
	char name[64];
	unsigned int busy; /* threads that read from it */
	bool told_failing, told_lost, told_bad;
};

struct fetch_devices {
	struct pager *pager;
	struct fetch_device items[BACKEND_MOST];
	unsigned int count;
};

/* Those that the pager has. */
void fetch_devices_open(struct fetch_devices *devices, struct pager *pager);

/* At most BACKEND_MOST. */
void fetch_device_add(struct fetch_devices *devices, const struct backend *backend);

/* Of a backend, or NULL, which stands for RAM. */
struct fetch_device *fetch_device_find(struct fetch_devices *devices,
				       const struct backend *backend);
/* Of a device, or of RAM (NULL). Lives as long as the pager. */
const char *fetch_device_name(const struct fetch_device *device);
/* One that does not answer must leave some of the `threads` for the others. */
bool fetch_device_is_at_share(const struct fetch_devices *devices,
			      const struct fetch_device *device, unsigned int threads);

/* Reading failed, and is tried again. `error`: -errno. */
void fetch_device_tell_failing(struct fetch_devices *devices, struct fetch_device *device,
			       int error);
/* The same, and that was long enough. */
void fetch_device_tell_lost(struct fetch_devices *devices, struct fetch_device *device, int error);
/* Wrong bytes, twice. */
void fetch_device_tell_bad(struct fetch_devices *devices, struct fetch_device *device);

#endif
