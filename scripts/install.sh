#!/usr/bin/env bash
# Installs what is missing for the named purposes, and nothing that is there.
#
# usage: scripts/install.sh [sandbox|site|database|schema|check|browser|bench ...]     (all but bench by default)
source "$(dirname "$0")/lib.sh"

# debian PACKAGE...: installs those that are not there yet.
debian() {
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  has apt-get || die "please install ${missing[*]}: only Debian's packages are known here"
  # Asked for here: a step cannot ask for a password.
  ((EUID == 0)) || ! has sudo || sudo -v
  step "Installing ${missing[*]}" debian_install "${missing[@]}"
}

debian_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# crate TOOL CRATE VERSION [OPTION...]: installs a program from crates.io into the cache.
# Debug builds: they are made in half the time and are fast enough.
crate() {
  [[ -x $tools/$2-$3/bin/$1 ]] || queue "Installing $2 $3" crate_install "${@:2}"
}

crate_install() {
  cargo install "$1" --version "$2" --debug --root "$tools/$1-$2" "${@:3}"
}

# package TOOL PACKAGE VERSION: installs a program from npm into the cache.
package() {
  local program=$1 name=$2 version=$3 folder
  folder=$tools/$name-$version
  [[ -x $folder/bin/$program ]] && return 0
  queue "Installing $name $version" npm install --global --no-audit --no-fund --prefix "$folder" "$name@$version"
}

target() {
  rustup target list --installed | grep -qx "$1" || step "Adding the Rust target $1" rustup target add "$1"
}

rust() {
  has rustup || die "rustup is needed (https://rustup.rs)"
  has cargo || die "cargo is needed: rustup default stable"
  debian build-essential curl
}

install_site() {
  has npm || die "Node.js with npm is needed, 20 or newer"
  debian brotli
  target wasm32-unknown-unknown
  crate wasm-bindgen wasm-bindgen-cli "$(locked_version wasm-bindgen)" --no-default-features --bin wasm-bindgen
  package wasm-opt binaryen "$binaryen_version"
  package lightningcss lightningcss-cli "$lightningcss_version"
}

install_sandbox() {
  has go || die "Go is needed, 1.26 or newer"
  debian musl-tools iproute2 jq procps
  # A real node is root's; without it the sandbox simulates all of them.
  ((EUID != 0)) || debian containerd runc containernetworking-plugins iptables
  target "$(uname -m)-unknown-linux-musl"
  # The longest first. Those that are there take no time.
  [[ -x $(tool fakecloud) ]] || queue "Installing fakecloud $fakecloud_version" crate_install fakecloud "$fakecloud_version"
  queue "Building the sandbox's Kubernetes and Go programs (kept by the hash of their source)" "$root/end2end/sandbox/go-tools"
  queue "Building the sandbox's model server (kept by the hash of its source)" "$root/end2end/sandbox/build-model-server"
}

install_database() {
  debian "postgresql-$postgres_major" "postgresql-client-$postgres_major"
}

# What Slipway's own migrations do not need: it carries them.
install_schema() {
  install_database
  crate sqlx sqlx-cli "$sqlx_version" --no-default-features --features postgres,rustls
}

install_check() {
  rustup component list --installed | grep -q ^clippy || step "Adding clippy and rustfmt" rustup component add clippy rustfmt
  debian shellcheck git
  crate cargo-deny cargo-deny "$cargo_deny_version"
  crate cargo-machete cargo-machete "$cargo_machete_version"
}

install_bench() {
  has go || die "Go is needed, 1.26 or newer"
  debian wrk
  local folder=$tools/vegeta-$vegeta_version
  [[ -x $folder/bin/vegeta ]] ||
    queue "Installing vegeta $vegeta_version" env GOBIN="$folder/bin" go install "github.com/tsenart/vegeta/v12@v$vegeta_version"
}

install_browser() {
  has npm || die "Node.js with npm is needed, 20 or newer"
  debian chromium fonts-dejavu-core
}

rust
for purpose in "${@:-sandbox site schema check browser}"; do
  for one in $purpose; do
    [[ $(type -t "install_$one") == function ]] || die "install.sh knows no purpose $one"
    "install_$one"
  done
done
drain
