#!/bin/sh
# SPDX-License-Identifier: MIT
# ./dev demo: shrinks a running redis, then runs xz, Python and sort in a quarter of their memory.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${VSWAP_BUILD:=$here/../build}"
export VSWAP_BUILD
exec python3 "$here/demo.py" "$@"
