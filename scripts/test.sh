#!/usr/bin/env bash
# Proves everything: the checks, then the tests from the smallest to the whole.
#
# SANDBOX_PORT (4566; the ports after it too), SLIPWAY_PORT (3000) and SLIPWAY_METRICS_PORT (3001) are where
# the sandbox and the journeys' demo listen. With SLIPWAY_PROFILE=release the journeys run on the build that ships and
# a database that keeps what it is told: before a release.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"
cd "$root"

began=$SECONDS
mkdir -p target
if pid=$(alive test); then die "this checkout is being tested already (process $pid): make stop ends that"; fi
remember test $$
remember_job() { echo "$1 $(born "$1")" >>"$(pid_file test-jobs)"; }
began_job=remember_job
cleanup() {
  trap '' INT TERM HUP
  scripts/postgres.sh stop test
  rm -f "$(pid_file test)" "$(pid_file test-jobs)"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

attended scripts/install.sh
timed "Checking" scripts/check.sh

queue "Building the tests" cargo test --locked --workspace --no-run
queue "Building the sandbox's tests" cargo test --locked --manifest-path end2end/sandbox/Cargo.toml --workspace --no-run
build_site
queue "Installing what the journeys need" npm ci --no-audit --no-fund --prefix end2end/journeys
# Last: cargo builds one thing at a time into target/, and by then what it depends on is there.
build_slipway
drain

DATABASE_URL=$(scripts/postgres.sh start test)
export DATABASE_URL
timed "Testing the portal" cargo test --locked --workspace

eval "$(end2end/sandbox/go-tools)"
eval "$(end2end/sandbox/build-model-server)"
export SANDBOX_KUBE SANDBOX_KWOK SANDBOX_TOOLS SANDBOX_MODEL_SERVER
SANDBOX_FAKECLOUD=$(tool fakecloud)
export SANDBOX_FAKECLOUD

timed "Testing the sandbox's Go programs" end2end/sandbox/go-tools test
timed "Testing the sandbox" cargo test --locked --manifest-path end2end/sandbox/Cargo.toml --workspace
timed "Testing the model server" end2end/sandbox/build-model-server test

# The whole workspace again, so that nothing but this target is compiled. Its nodes are simulated: the real one is the journeys'.
step "Building the tests of clusters and workers" cargo test --locked --workspace --test sandbox --no-run
timed "Testing clusters and workers on a sandbox" env SANDBOX_NODES=simulated scripts/sandbox.sh --run cargo test --locked --workspace --test sandbox -- --test-threads=1

# In a demo of their own, whose addresses and sign-ins they find in the environment.
timed "Journeys in a browser" scripts/demo.sh --run npm test --prefix "$root/end2end/journeys"

say "Everything holds ($(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s)"
