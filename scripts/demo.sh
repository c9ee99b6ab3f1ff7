#!/usr/bin/env bash
# The whole thing on one machine: builds what changed, starts a sandbox and
# Slipway with a new state, deploys a model over REST, and stays up until
# Ctrl-C or `make stop`.
#
# usage: scripts/demo.sh [--run COMMAND [ARGUMENT ...]]
#   --run    runs the command instead of staying up, with .demo/env set, and ends with its status
#
# SLIPWAY_PORT (3000), SLIPWAY_METRICS_PORT (3001) and SANDBOX_PORT (4566; the ports after it too)
# where things listen; SANDBOX_NODES is real or simulated.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"

command=()
if [[ ${1:-} == --run ]]; then
  command=("${@:2}")
  ((${#command[@]})) || die "--run needs a command"
elif (($#)); then
  die "demo.sh knows no option $1"
fi

began=$SECONDS
claim "a demo"
require_free_sandbox
require_free "$slipway_port" SLIPWAY_PORT "Slipway"
require_free "$metrics_port" SLIPWAY_METRICS_PORT "Slipway's metrics"
attended "$root/scripts/install.sh" sandbox site database
build_slipway
build_site
build_sandbox
drain

say "Starting the sandbox, a database and Slipway"
start_sandbox --seed demo
# Numbers mean something only on a database that keeps what it is told.
durable=()
[[ ${SLIPWAY_PROFILE:-dev} != release ]] || durable=(--durable)
DATABASE_URL=$("$root/scripts/postgres.sh" start demo "${durable[@]}")
export DATABASE_URL
await sandbox 180 "the sandbox" sandbox_ready
start_slipway
await slipway 30 "Slipway" slipway_ready
begin "$root/scripts/demo/seed.sh"
finish

say "Slipway is up ($((SECONDS - began)) s)"
say_how_to_sign_in

if ((${#command[@]})); then
  # shellcheck source=/dev/null
  source "$demo/env"
  # As a job, so that `make stop` need not wait for it.
  begin "${command[@]}"
  status=0
  finish || status=$?
  exit "$status"
fi

note "Ctrl-C ends it and leaves nothing"
# Whichever ends first takes the rest with it: a half demo helps nobody.
while alive slipway >/dev/null && alive sandbox >/dev/null; do
  sleep 1 &
  wait $! || true
done
for name in slipway sandbox; do
  alive "$name" >/dev/null || { tail -n 30 "$demo/$name.log" >&2 && die "$name ended by itself"; }
done
