#!/usr/bin/env bash
# Every check that needs no running service but a database: formatting, lints
# for each shape that ships, prepared queries, licences, unused dependencies.
source "$(dirname "$0")/lib.sh"
source "$root/scripts/services.sh"
cd "$root"

mkdir -p target
if pid=$(alive check); then die "this checkout is being checked already (process $pid): make stop ends that"; fi
remember check $$
trap 'rm -f "$(pid_file check)"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

sandbox=end2end/sandbox
# Each is a Cargo workspace with a lock file of its own.
workspaces=(. "$sandbox" "$sandbox/model-server")
modules=("$sandbox/kube" "$sandbox/kwok" "$sandbox/tools")

attended scripts/install.sh site check schema

format() {
  local workspace unformatted
  for workspace in "${workspaces[@]}"; do
    cargo fmt --manifest-path "$workspace/Cargo.toml" --all --check
  done
  unformatted=$(gofmt -l "${modules[@]}")
  [[ -z $unformatted ]] || { echo "gofmt would change: $unformatted" && return 1; }
}

shell_scripts() {
  mapfile -t files < <(git ls-files -co --exclude-standard -- 'scripts/*.sh' 'scripts/**/*.sh' .ci/run "$sandbox/go-tools" "$sandbox/build-model-server")
  shellcheck --external-sources --source-path=SCRIPTDIR "${files[@]}"
}

lint_workspace() {
  cargo clippy --locked --workspace --all-targets -- --deny warnings
  # A target that is only run by name is only linted by name.
  cargo clippy --locked --workspace --test sandbox -- --deny warnings
  cargo clippy --locked -p app --lib --target wasm32-unknown-unknown --features hydrate -- --deny warnings
}

lint_sandbox() {
  local workspace
  for workspace in "${workspaces[@]:1}"; do
    cargo clippy --locked --manifest-path "$workspace/Cargo.toml" --workspace --all-targets -- --deny warnings
  done
}

# The queries in .sqlx must be the ones in the source, as this Postgres understands them.
queries() {
  local url
  kept=$(mktemp -d)
  # It runs in a shell of its own, which ends here however it ends. To have the sources compiled the tool touches them:
  # their times are put back, or all that is built of them would be built again.
  trap 'scripts/postgres.sh stop check; put_times_back; rm -rf "$kept"' EXIT
  find domain control app server -name '*.rs' -exec cp -p --parents -t "$kept" {} +
  url=$(scripts/postgres.sh start check)
  "$(tool sqlx)" migrate run --source migrations --database-url "$url"
  # The subcommand works only when cargo calls it.
  PATH=$(dirname "$(tool cargo-sqlx)"):$PATH DATABASE_URL=$url cargo sqlx prepare --workspace --check -- --all-targets
}

# Of what was written meanwhile the time is true.
put_times_back() {
  local copy
  while IFS= read -r -d '' copy; do
    if cmp -s "$kept/$copy" "$copy"; then touch -r "$kept/$copy" "$copy"; fi
  done < <(cd "$kept" && find . -name '*.rs' -print0)
}

policy() {
  local workspace what=(bans licenses sources)
  # The advisories are a git repository that not every machine reaches.
  if timeout 15 git ls-remote --exit-code https://github.com/rustsec/advisory-db HEAD >/dev/null 2>&1; then
    what+=(advisories)
  else
    echo "the advisory database is not reachable from here: advisories are not checked"
  fi
  for workspace in "${workspaces[@]}"; do
    "$(tool cargo-deny)" --manifest-path "$workspace/Cargo.toml" --config "$root/deny.toml" --locked check "${what[@]}"
  done
}

unused() {
  local workspace
  for workspace in "${workspaces[@]}"; do "$(tool cargo-machete)" --skip-target-dir "$workspace"; done
}

started=$SECONDS
step "Formatting" format
step "Shell scripts" shell_scripts
step "Unused dependencies" unused
timed "Licences, bans, sources, advisories" policy
queue "Lints of the workspace, native and WebAssembly" lint_workspace
queue "Lints of the sandbox" lint_sandbox
queue "Vetting the Go programs" "$sandbox/go-tools" vet
drain
step "Prepared queries" queries
say "All checks hold ($((SECONDS - started)) s)"
