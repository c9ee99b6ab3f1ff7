# shellcheck shell=bash disable=SC2154,SC2034
# Starting and stopping what a demo consists of. Sourced after lib.sh.
#
# Everything of a running demo is in .demo: a pid file for each program, logs,
# the sandbox's state, and `env` for people and scripts.

demo=$root/.demo
sandbox_port=${SANDBOX_PORT:-4566}
slipway_port=${SLIPWAY_PORT:-3000}
metrics_port=${SLIPWAY_METRICS_PORT:-3001}
# Shells and scripts must not need to know where helpers are.
sandbox_program=$root/end2end/sandbox/target/debug/sandbox
case ${SLIPWAY_PROFILE:-dev} in
  dev) slipway_program=$root/target/debug/slipway ;;
  release) slipway_program=$root/target/release/slipway ;;
  *) die "SLIPWAY_PROFILE is dev or release" ;;
esac
# The sandbox says these are its own: emulator, etcd, webhook; and API servers from +10.
sandbox_ports=(0 1 2 3 4 10 11)

# born PID: when that process started, or nothing when it is gone. A pid alone may have been given to another.
born() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# A test run starts a check and demos of its own, one after the other: it and its jobs are kept beside them.
pid_file() {
  case $1 in
    check | test | test-jobs) echo "$root/target/$1.pid" ;;
    *) echo "$demo/$1.pid" ;;
  esac
}

# remember NAME PID: keeps which process that is.
remember() { echo "$2 $(born "$2")" >"$(pid_file "$1")"; }

# alive NAME: prints the pid that was remembered, if that very process still runs.
alive() {
  local pid when
  read -r pid when 2>/dev/null <"$(pid_file "$1")" || return 1
  [[ -n $when && $(born "$pid") == "$when" && $(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f1) != Z ]] || return 1
  echo "$pid"
}

# end NAME SECONDS: asks it to stop, waits, and kills it only when it does not.
end() {
  local pid until=$((SECONDS + $2))
  pid=$(alive "$1") || return 0
  kill -TERM "$pid" 2>/dev/null || true
  while alive "$1" >/dev/null; do
    if ((SECONDS >= until)); then
      note "$1 did not stop within $2 s and is killed"
      kill -KILL "$pid" 2>/dev/null || true
      sleep 0.5
      return 0
    fi
    sleep 0.1
  done
}

# require_free PORT VARIABLE WHAT: fails when someone listens there.
require_free() {
  if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then
    die "port $1 is busy, and $3 needs it: end the program that listens there (ss -ltnp 'sport = :$1') or set $2"
  fi
}

require_free_sandbox() {
  local offset
  for offset in "${sandbox_ports[@]}"; do
    require_free $((sandbox_port + offset)) SANDBOX_PORT "the sandbox"
  done
}

# claim WHAT: makes .demo anew, unless something of this checkout still uses it.
claim() {
  local pid
  if pid=$(alive session); then
    die "this checkout already runs $(cat "$demo/what") (process $pid): make stop ends it"
  fi
  tear_down
  mkdir -m 700 "$demo"
  echo "$1" >"$demo/what"
  remember session $$
  trap tear_down EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# Stops all that claim and the functions below started. Safe to run again.
tear_down() {
  # A second Ctrl-C must not leave half of it behind.
  trap '' INT TERM HUP
  [[ -d $demo ]] || return 0
  say "Stopping"
  end slipway 20
  end sandbox 90
  # It cleans up after itself, unless it was killed.
  [[ ! -d $demo/sandbox ]] || "$sandbox_program" clean --state "$demo/sandbox" >>"$demo/sandbox.log" 2>&1 || {
    tail -n 5 "$demo/sandbox.log" >&2
    note "what the sandbox left could not be removed: see above"
  }
  "$root/scripts/postgres.sh" stop demo
  # What was logged outlives the demo: it is what one looks for after a failure.
  mkdir -p "$logs"
  find "$demo" -maxdepth 1 -name '*.log' -exec cp {} "$logs/" \;
  rm -rf "$demo"
  note "nothing is left; the logs are in target/logs"
}

# Each is queued: `drain` builds them.
build_sandbox() {
  queue "Building the sandbox" cargo build --locked --manifest-path "$root/end2end/sandbox/Cargo.toml" --bin sandbox
}

build_slipway() {
  queue "Building Slipway" cargo build --locked --manifest-path "$root/Cargo.toml" --profile "${SLIPWAY_PROFILE:-dev}" -p server --bin slipway
}

build_site() {
  queue "Building what a browser loads" "$root/scripts/site.sh"
}

helpers() {
  local assignments
  assignments=$("$root/end2end/sandbox/go-tools" && "$root/end2end/sandbox/build-model-server")
  eval "$assignments"
  SANDBOX_FAKECLOUD=$(tool fakecloud)
  export SANDBOX_KUBE SANDBOX_KWOK SANDBOX_TOOLS SANDBOX_MODEL_SERVER SANDBOX_FAKECLOUD
}

# launch NAME COMMAND...: runs it in a session of its own, so that Ctrl-C reaches this script alone and the order of stopping is ours.
launch() {
  local name=$1
  shift
  setsid "$@" >"$demo/$name.log" 2>&1 </dev/null &
  remember "$name" $!
}

# await NAME SECONDS LABEL COMMAND...: waits until the command succeeds; fails early, with the log's end, when NAME ends.
await() {
  local name=$1 seconds=$2 label=$3 started=$SECONDS
  shift 3
  until "$@" >/dev/null 2>&1; do
    if ! alive "$name" >/dev/null; then
      tail -n 30 "$demo/$name.log" >&2
      die "$name ended before it was ready"
    fi
    if ((SECONDS - started > seconds)); then
      tail -n 30 "$demo/$name.log" >&2
      die "$label was not ready within $seconds s"
    fi
    sleep 0.2
  done
  note "$label is ready ($((SECONDS - started)) s)"
}

# Real nodes are root's; there is one per machine.
default_nodes() { if ((EUID == 0)); then echo real; else echo simulated; fi; }

start_sandbox() {
  local nodes=${SANDBOX_NODES:-$(default_nodes)}
  [[ $nodes == real ]] || note "all nodes are simulated (a real one needs root): no prediction is possible"
  helpers
  launch sandbox "$sandbox_program" up --state "$demo/sandbox" --listen "127.0.0.1:$sandbox_port" --nodes "$nodes" "$@"
}

sandbox_ready() { curl -fsS -m 2 "http://127.0.0.1:$sandbox_port/_sandbox/ready"; }
slipway_ready() { curl -fsS -m 2 "http://127.0.0.1:$slipway_port/readyz"; }

# How to sign in to what scripts/demo/seed.sh made.
say_how_to_sign_in() {
  (
    # shellcheck source=/dev/null
    source "$demo/env"
    note "open       $SLIPWAY_URL"
    note "admin      $SLIPWAY_EMAIL / $SLIPWAY_PASSWORD"
    note "deployer   $SLIPWAY_DEPLOYER_EMAIL / $SLIPWAY_DEPLOYER_PASSWORD"
    note "shell      source .demo/env    (then curl, aws and kubectl work against it)"
    note "logs       .demo/slipway.log, .demo/sandbox.log"
  )
}

# Starts Slipway on the demo's database, as the AWS user that the sandbox made for it.
start_slipway() {
  (
    set -a
    # shellcheck source=/dev/null
    source "$demo/sandbox/env"
    # Break-glass access is for people; the portal gets on with its own.
    unset KUBECONFIG SANDBOX_ADMIN_ACCESS_KEY_ID SANDBOX_ADMIN_SECRET_ACCESS_KEY
    SLIPWAY_LISTEN=127.0.0.1:$slipway_port
    SLIPWAY_METRICS_LISTEN=127.0.0.1:$metrics_port
    SLIPWAY_PUBLIC_URL=http://127.0.0.1:$slipway_port
    SLIPWAY_SITE=$root/target/site
    launch slipway "$slipway_program"
  )
}
