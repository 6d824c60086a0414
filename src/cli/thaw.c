/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/common.h"

int verb_thaw(int argc, char **argv)
{
	const struct request request = {.kind = REQUEST_THAW};
	pid_t pid = cli_only_pid(argc, argv,
				 "Brings all pages of process PID in and keeps them there until "
				 "the next `vswap limit', for a core dump or a debugger.");

	return cli_long_request(pid, &request, "bringing in");
}
