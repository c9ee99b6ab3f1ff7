#!/usr/bin/env bash
# The sandbox alone, in the foreground: an AWS API with real Kubernetes behind
# it, for the plain AWS CLI and kubectl. Ctrl-C or `make stop` ends it.
#
# usage: scripts/sandbox.sh [--run COMMAND [ARGUMENT ...]]    or options of the sandbox itself
#   --run    runs the command instead of staying up, with SANDBOX_ENV naming the sandbox's env file, and ends with its status
#
# SANDBOX_PORT is where it listens (4566; the ports after it are used too), SANDBOX_NODES is real or simulated.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"

command=()
if [[ ${1:-} == --run ]]; then
  command=("${@:2}")
  ((${#command[@]})) || die "--run needs a command"
  set --
fi

claim "a sandbox"
require_free_sandbox
attended "$root/scripts/install.sh" sandbox
build_sandbox
drain
say "Starting the sandbox"
start_sandbox "$@"
await sandbox 180 "the sandbox" sandbox_ready

if ((${#command[@]})); then
  export SANDBOX_ENV=$demo/sandbox/env
  begin "${command[@]}"
  status=0
  finish || status=$?
  exit "$status"
fi

say "AWS endpoint http://127.0.0.1:$sandbox_port — what is real and what is not: http://127.0.0.1:$sandbox_port/_sandbox/"
tail -n +1 -f --pid="$(alive sandbox)" "$demo/sandbox.log" &
wait $! || true
die "the sandbox ended by itself"
