# shellcheck shell=bash disable=SC2154
# Talking to Slipway's REST API from a script. Sourced after lib.sh and services.sh.

base=http://127.0.0.1:$slipway_port

# request TOKEN METHOD PATH [BODY]: prints the answer's body; on a refusal prints what was said to stderr and fails.
# The token goes through a file descriptor: an argument would show in the process list.
request() {
  local token=$1 method=$2 path=$3 answer status arguments=()
  (($# < 4)) || arguments=(--header 'content-type: application/json' --data "$4")
  answer=$(curl -sS --max-time 60 --request "$method" "${arguments[@]}" --write-out '\n%{http_code}' \
    --header @<(printf 'authorization: Bearer %s' "$token") "$base/api/v1$path")
  status=${answer##*$'\n'}
  answer=${answer%$'\n'*}
  if [[ $status != 2* ]]; then
    echo "$method $path was refused with $status: $(jq -r '[.title, .detail, (.errors // empty | tostring)] | map(select(.)) | join(" ")' <<<"$answer" 2>/dev/null || echo "$answer")" >&2
    return 1
  fi
  printf '%s\n' "$answer"
}

# as_admin METHOD PATH [BODY], as_deployer METHOD PATH [BODY]
as_admin() { request "$admin_token" "$@"; }
as_deployer() { request "$deployer_token" "$@"; }

# until_true SECONDS WHAT COMMAND...: asks again until the command succeeds.
until_true() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < until)) || die "$what did not happen in time"
    sleep 0.25
  done
}

# settled ID: succeeds when that operation has succeeded; a failed one ends the script with its cause.
settled() {
  local operation
  operation=$(as_admin GET "/operations/$1")
  case $(jq -r .state <<<"$operation") in
    succeeded) return 0 ;;
    running) return 1 ;;
    *) die "$(jq -r '"\(.verb) of \(.object_kind) \(.object_name): \(.state). \(.failure.cause // "") \(.failure.next // "") \(.failure.raw // "")"' <<<"$operation")" ;;
  esac
}
