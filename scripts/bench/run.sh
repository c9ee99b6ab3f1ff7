#!/usr/bin/env bash
# Measures a demo that is up. Started by scripts/bench.sh.
source "$(dirname "$0")/../lib.sh"
source "$root/scripts/services.sh"
source "$root/scripts/demo/api.sh"
# shellcheck source=/dev/null
source "$demo/env"

admin_token=$SLIPWAY_TOKEN deployer_token=$SLIPWAY_DEPLOYER_TOKEN
rows=50
missed=0
table=''

# row NAME MEASURED COMPARISON BOUND UNIT: adds a line to the table.
row() {
  local verdict=holds
  awk "BEGIN { exit !($2 $3 $4) }" || { verdict=MISSED && missed=1; }
  table+="$(printf '%-52s %10s %s  %s %s  %s' "$1" "$2" "$5" "$3" "$4" "$verdict")"$'\n'
  note "$1: $2 $5"
}

# The portal has one core to itself; the database, the sandbox and the load share the other.
pin() {
  local process database
  database=$(postmaster)
  # What serves the connections that are open already is a process of its own each.
  for process in $(pgrep -u "$(id -u)" -f "$demo/sandbox|$sandbox_program" || true) "$database" $(pgrep -P "$database") $$; do
    taskset --all-tasks --cpu-list --pid 1 "$process" >/dev/null 2>&1 || true
  done
  taskset --all-tasks --cpu-list --pid 0 "$(alive slipway)" >/dev/null
}
postmaster() {
  local port=${DATABASE_URL##*:}
  ss -Hltnp "sport = :${port%%/*}" | grep -oE 'pid=[0-9]+' | head -n 1 | cut -d= -f2
}

# best COMMAND...: the highest of three: what else runs on a machine, a virtual one's neighbours included, only takes away.
# Not for a percentile: its tail is what is asked for.
best() {
  local each=() number
  for _ in 1 2 3; do
    number=$("$@") || return 1
    each+=("$number")
  done
  note "each of three: ${each[*]}" >&2
  printf '%s\n' "${each[@]}" | sort -n | tail -n 1
}

# flood PATH HEADER: as many requests as 32 connections get answered in five seconds. Prints how many a second.
flood() {
  local report
  report=$(wrk --threads 1 --connections 32 --duration 5s --timeout 5s --header "$2" "$base$1")
  awk '/Non-2xx|Socket errors/ { bad = $0 } /^Requests\/sec:/ { rate = int($2) } END { if (bad) { print "not every request was answered: " bad > "/dev/stderr"; exit 1 } print rate }' <<<"$report"
}

# steady SECONDS RATE PATH HEADER: so many requests a second, whether answered or not. Prints the 99th percentile in milliseconds.
steady() {
  printf 'GET %s\n%s\n' "$base$3" "$4" | "$(tool vegeta)" attack -duration "$1s" -rate "$2" -max-body 0 -timeout 5s | "$(tool vegeta)" report -type json |
    jq -er 'if .success == 1 then .latencies["99th"] / 1e6 * 100 | floor / 100 else "not every request was answered: \(.status_codes)" | halt_error(1) end'
}

idle() {
  sleep 10
  row "Portal, idle, resident memory" "$(awk '/^VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$(alive slipway)/status")" '<' 80 MiB
}

# milliseconds TIMESTAMP: the moment, in milliseconds since 1970.
milliseconds() { jq -r 'def ms: sub("\\.(?<f>[0-9]+)Z$"; "Z") as $whole | ($whole | fromdate) * 1000 + ((capture("\\.(?<f>[0-9]+)Z$").f // "0") + "000" | .[0:3] | tonumber); ms' <<<"\"$1\""; }

deploy() {
  as_deployer POST /deployments "$(jq -n --arg release "$1" --arg workspace "$2" --arg name "$3" \
    '{release: $release, workspace: $workspace, name: $name, size: "tiny", replicas: 1, reason: "a measurement"}')"
}

live() { [[ $(as_deployer GET "/deployments/$1" | jq -r .state) == live ]]; }

click_to_ready() {
  local release=$1 workspace=$2 began answer
  began=$(date +%s%3N)
  answer=$(deploy "$release" "$workspace" bench-ready)
  until_true 60 "deploying iris a second time" live "$(jq -er .object <<<"$answer")"
  row "iris, click to Ready, image on the node" "$(awk "BEGIN { print ($(date +%s%3N) - $began) / 1000 }")" '<' 10 s
}

click_to_apply() {
  local release=$1 workspace=$2 number answer operation took=()
  for number in $(seq "$rows"); do
    answer=$(deploy "$release" "$workspace" "bench-$number")
    operation=$(jq -er .operation <<<"$answer")
    until_true 60 "applying bench-$number" applied "$operation"
    took+=("$(apply_delay "$operation")")
  done
  note "click to first apply, each in ms: $(printf '%s\n' "${took[@]}" | sort -n | paste -sd ' ')"
  row "Click to first apply, p99 of $rows" "$(printf '%s\n' "${took[@]}" | sort -n | awk '{ all[NR] = $1 } END { print all[int(NR * 0.99 + 0.5)] }')" '<' 300 ms
}
applied_at() { jq -er '[.steps[] | select(.title | startswith("Apply"))][0].finished_at // empty' <<<"$1"; }
applied() { applied_at "$(as_deployer GET "/operations/$1")" >/dev/null 2>&1; }
apply_delay() {
  local operation
  operation=$(as_deployer GET "/operations/$1")
  echo $(($(milliseconds "$(applied_at "$operation")") - $(milliseconds "$(jq -r .created_at <<<"$operation")")))
}

lists() {
  local cookie token="Authorization: Bearer $deployer_token"
  cookie="Cookie: $(awk '!/^#[^H]/ && NF >= 7 { print $6 "=" $7 }' "$demo/deployer.jar" | tail -n 1)"
  row "Deployments page, $rows rows, signed in" "$(best flood /deployments "$cookie")" '>=' 1500 requests/s
  row "The same at a steady 750/s, p99" "$(steady 20 750 /deployments "$cookie")" '<' 15 ms
  row "REST list of $rows deployments" "$(best flood "/api/v1/deployments?page_size=$rows" "$token")" '>=' 3000 requests/s
}

# sent PATH: bytes of one answer as a browser gets it.
sent() { curl -fsS --header 'accept-encoding: br, gzip' --cookie "$demo/deployer.jar" --output /dev/null --write-out '%{size_download}' "$base$1"; }

weight() {
  local script=$(($(sent /pkg/slipway.js) + $(sent /pkg/slipway_bg.wasm)))
  row "JavaScript and WebAssembly, compressed" "$(awk "BEGIN { printf \"%.1f\", $script / 1024 }")" '<=' 120 KiB
  row "First page, everything it loads" "$(awk "BEGIN { printf \"%.1f\", ($script + $(sent /) + $(sent /pkg/slipway.css) + $(sent /icon.svg)) / 1024 }")" '<=' 200 KiB
}

release=$(as_deployer GET /releases | jq -er '[.items[] | select(.model_name == "iris")] | min_by(.number).id')
lab=$(as_deployer GET '/workspaces?cluster=lab' | jq -er '.items[0].id')
fleet=$(as_deployer GET '/workspaces?cluster=fleet' | jq -er '.items[0].id')

say "Measuring"
pin
weight
idle
[[ ${SANDBOX_NODES:-$(default_nodes)} == simulated ]] || click_to_ready "$release" "$lab"
click_to_apply "$release" "$fleet"
lists

say "Numbers ($(nproc --all) cores of $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo))"
printf '%s' "$table"
((missed == 0)) || die "a number was missed"
