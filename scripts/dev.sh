#!/usr/bin/env bash
# Slipway for someone who changes it: a sandbox and a database that stay, and
# Slipway rebuilt and restarted whenever a source changes. A build that fails
# leaves the last one running. Ctrl-C or `make stop` ends it.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"
cd "$root"

claim "a development session"
require_free_sandbox
require_free "$slipway_port" SLIPWAY_PORT "Slipway"
require_free "$metrics_port" SLIPWAY_METRICS_PORT "Slipway's metrics"
attended scripts/install.sh sandbox site schema
build_sandbox
drain
start_sandbox --seed demo
DATABASE_URL=$(scripts/postgres.sh start demo)
export DATABASE_URL
# New queries are checked against the database itself, before they are prepared.
export SQLX_OFFLINE=false

sources=(Cargo.toml Cargo.lock domain control app server style public migrations)
changed_since() { [[ -n $(find "${sources[@]}" -type f -newer "$1" -print -quit) ]]; }

build() {
  # Each is a subshell: an error in the source must not end the session.
  ("$(tool sqlx)" migrate run --source migrations --database-url "$DATABASE_URL" >/dev/null) &&
    (build_site && build_slipway && drain)
}

# The first Slipway that starts gets people, clusters, workspaces and a model. What is half filled by one that is broken
# cannot be filled again: then the session goes on with what there is.
seeded=
welcome() {
  if [[ $seeded ]]; then
    note "open       http://127.0.0.1:$slipway_port"
    return
  fi
  seeded=yes
  begin scripts/demo/seed.sh --undeployed
  if finish; then say_how_to_sign_in; else note "Slipway is up, but filling it failed: see above; a new session starts from nothing"; fi
}

await sandbox 180 "the sandbox" sandbox_ready
stamp=$demo/built
while true; do
  touch "$stamp"
  if build; then
    end slipway 20
    start_slipway
    if (await slipway 30 "Slipway" slipway_ready); then welcome; fi
  fi
  note "waiting for a change"
  until changed_since "$stamp"; do
    alive sandbox >/dev/null || die "the sandbox ended by itself: see $demo/sandbox.log"
    sleep 1 &
    wait $! || true
  done
done
