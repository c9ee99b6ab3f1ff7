#!/usr/bin/env bash
# Prints the numbers this project holds itself to, measured on this machine in
# a demo of its own: release build, database that really writes, loopback only,
# every load bounded in count and time. Fails when a number is missed.
source "$(dirname "$0")/lib.sh"

(($(nproc) >= 2)) || die "the portal is measured on one core and asked from another: two are needed"
"$root/scripts/install.sh" bench
SLIPWAY_PROFILE=release exec "$root/scripts/demo.sh" --run "$root/scripts/bench/run.sh"
