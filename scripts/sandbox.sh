#!/usr/bin/env bash
# The sandbox alone, in the foreground: an AWS API with real Kubernetes behind
# it, for the plain AWS CLI and kubectl. Ctrl-C or `make stop` ends it.
#
# SANDBOX_PORT is where it listens (4566; the ports after it are used too), SANDBOX_NODES is real or simulated.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"

"$root/scripts/install.sh" sandbox
build_sandbox
claim "a sandbox"
require_free_sandbox
say "Starting the sandbox"
start_sandbox "$@"
await sandbox 120 "the sandbox" sandbox_ready
say "AWS endpoint http://127.0.0.1:$sandbox_port — what is real and what is not: http://127.0.0.1:$sandbox_port/_sandbox/"
tail -n +1 -f --pid="$(alive sandbox)" "$demo/sandbox.log" &
wait $! || true
die "the sandbox ended by itself"
