/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

int verb_detach(int argc, char **argv)
{
	pid_t pid = cli_only_pid(argc, argv,
				 "Brings all pages of process PID back into its memory and leaves "
				 "it as if vswap had never been there.");

	return cli_long_request(pid, REQUEST_DETACH, "bringing back");
}
