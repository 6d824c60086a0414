/* SPDX-License-Identifier: MIT */
/*
 * What root does once so that users may page their own programs: a group, whose members may open
 * /dev/userfaultfd and run the helper that has the capability for fork events.
 */
#ifndef RIGHTS_SETUP_H
#define RIGHTS_SETUP_H

#include <stddef.h>
#include "base/message.h"

#define SETUP_GROUP "vswap"

/* The group, the device now and after each boot, the helper. 0 or -errno with a message; what was
 * done before stays, and doing it again is harmless. */
int setup_machine(char message[MESSAGE_BYTES]);
/* Puts a user into the group. The same. */
int setup_user(const char *user, char message[MESSAGE_BYTES]);
/* Takes all of it back but for the group itself. The same. */
int setup_undo(char message[MESSAGE_BYTES]);

#endif
