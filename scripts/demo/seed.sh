#!/usr/bin/env bash
# Fills a new demo over the pages and the REST API, as a first admin and a data
# scientist would: signs them up, attaches the sandbox's clusters, gives a team
# a workspace and a model, deploys it, and asks it for a prediction.
# Writes .demo/env, so that people and scripts can go on from there.
#
# usage: scripts/demo/seed.sh [--undeployed]
#   --undeployed    registers the model and its releases, and leaves it at that
source "$(dirname "$0")/../lib.sh"
source "$root/scripts/services.sh"
source "$root/scripts/demo/api.sh"

case ${1:-} in
  '' | --undeployed) ;;
  *) die "seed.sh knows no option $1" ;;
esac
# shellcheck source=/dev/null
source "$demo/sandbox/env"
umask 077

admin_email=ada@example.com
deployer_email=dev@example.com
password() { head -c 12 /dev/urandom | base64 | tr '+/' 'xy'; }

# form JAR PATH FIELD=VALUE...: posts a page's form as a browser would; a page that is shown again says what was wrong.
form() {
  local jar=$1 path=$2 field status arguments=()
  shift 2
  for field in "$@"; do arguments+=(--data-urlencode "$field"); done
  status=$(curl -sS --max-time 30 --cookie "$jar" --cookie-jar "$jar" --header "origin: $base" \
    --output "$jar.html" --write-out '%{http_code}' "${arguments[@]}" "$base$path")
  [[ $status == 303 ]] || die "the form at $path was answered with $status: $(sed 's/<[^>]*>/ /g' "$jar.html" | tr -s ' \n' ' ' | cut -c1-400)"
}

# personal_token JAR NAME: makes an API token for whoever is signed in, and prints it.
personal_token() {
  curl -fsS --max-time 30 --cookie "$1" --header "origin: $base" --header 'content-type: application/json' \
    --data "$(jq -n --arg name "$2" '{name: $name, days: 30}')" "$base/api/v1/tokens" | jq -er .secret
}

# path_of URL: what comes after the host. Links carry the public address; the demo asks the loopback one.
path_of() { sed -E 's#^https?://[^/]+##' <<<"$1"; }

first_admin() {
  local link
  link=$(grep -oE "http://[^ \"]+/links/[A-Za-z0-9_-]+" "$demo/slipway.log" | tail -n 1) ||
    die "Slipway printed no link for its first admin: see $demo/slipway.log"
  admin_password=$(password)
  form "$demo/admin.jar" "$(path_of "$link")" "email=$admin_email" "name=Ada Osei" "password=$admin_password" "password_again=$admin_password"
  admin_token=$(personal_token "$demo/admin.jar" demo)
  note "signed up the admin $admin_email"
}

deployer() {
  local link
  link=$(as_admin POST /invitations "$(jq -n --arg email "$deployer_email" '{email: $email, team: "forecasting", team_role: "deployer"}')" | jq -er .url)
  deployer_password=$(password)
  form "$demo/deployer.jar" "$(path_of "$link")" "name=Devi Rao" "password=$deployer_password" "password_again=$deployer_password"
  deployer_token=$(personal_token "$demo/deployer.jar" demo)
  note "signed up the data scientist $deployer_email of the team forecasting"
}

# iam ACTION PARAMETER=VALUE...: asks IAM as the sandbox's AWS administrator. curl signs; the keys stay out of the process list.
iam() {
  local action=$1 parameter arguments=()
  shift
  for parameter in "$@"; do arguments+=(--data-urlencode "$parameter"); done
  curl -fsS --max-time 30 --aws-sigv4 "aws:amz:$AWS_REGION:iam" \
    --config <(printf 'user = "%s:%s"' "$SANDBOX_ADMIN_ACCESS_KEY_ID" "$SANDBOX_ADMIN_SECRET_ACCESS_KEY") \
    --data-urlencode "Action=$action" --data-urlencode Version=2010-05-08 "${arguments[@]}" "$AWS_ENDPOINT_URL/" >/dev/null
}

# trust EXTERNAL_ID: lets the portal's user assume its role with the external id that the portal made for this account.
# AWS needs sts:SetSourceIdentity as well; the emulator neither checks it nor takes it in this call.
trust() {
  iam UpdateAssumeRolePolicy "RoleName=${SLIPWAY_AWS_ROLE_ARN##*/}" "PolicyDocument=$(jq -nc --arg id "$1" --arg role "$SLIPWAY_AWS_ROLE_ARN" '{
    Version: "2012-10-17",
    Statement: [{
      Effect: "Allow",
      Principal: {AWS: ($role | sub(":role/"; ":user/"))},
      Action: "sts:AssumeRole",
      Condition: {StringEquals: {"sts:ExternalId": $id}}
    }]
  }')"
}

account() {
  local made account
  made=$(as_admin POST /accounts "$(jq -n --arg role "$SLIPWAY_AWS_ROLE_ARN" --arg region "$AWS_REGION" '{name: "sandbox", role_arn: $role, regions: [$region]}')")
  account=$(jq -er .id <<<"$made")
  trust "$(jq -er .external_id <<<"$made")"
  as_admin POST "/accounts/$account/check" '{}' >/dev/null
  as_admin PUT "/accounts/$account/prefixes" '{"prefix": "forecasting/", "team": "forecasting"}' >/dev/null
  as_admin PUT "/accounts/$account/prefixes" '{"prefix": "growth/", "team": "growth"}' >/dev/null
  note "connected the AWS account"
}

connected() { [[ $(as_admin GET "/clusters/$1" | jq -r .state) == connected ]]; }

cluster() {
  local cluster
  cluster=$(as_admin POST /clusters "$(jq -n --arg name "$1" --arg region "$AWS_REGION" '{account: "sandbox", region: $region, eks_name: $name}')" | jq -er .id)
  until_true 30 "looking at the cluster $1" looked_at "$cluster"
  # One click: the portal's AWS role may let the portal in, here.
  if ! connected "$cluster"; then
    until_true 60 "access to the cluster $1" settled "$(as_admin POST "/clusters/$cluster/access" '{}' | jq -er .operation)"
  fi
  until_true 60 "connecting to the cluster $1" connected "$cluster"
  note "attached the cluster $1"
}
looked_at() { [[ $(as_admin GET "/clusters/$1" | jq -r .state) != connecting ]]; }

# workspace NAME TEAM CLUSTER CPU_MILLIS MEMORY_MIB
workspace() {
  local answer
  answer=$(as_admin POST /workspaces "$(jq -n --arg name "$1" --arg team "$2" --arg cluster "$3" --argjson cpu "$4" --argjson memory "$5" \
    '{name: $name, team: $team, cluster: $cluster, quota: {cpu_millis: $cpu, memory_mib: $memory, gpus: 0, pods: 100}}')")
  until_true 60 "preparing the workspace $1 on $3" settled "$(jq -er .operation <<<"$answer")"
  note "prepared the workspace $1 on $3"
}

# iris: registers the model with both its releases, and sets `release` to the first.
iris() {
  local model
  model=$(as_deployer POST /models '{"team": "forecasting", "name": "iris", "description": "Tells the species of an iris from its measures."}' | jq -er .id)
  release=$(as_deployer POST /releases "$(jq -n --arg model "$model" '{model: $model, repository: "forecasting/iris", tag: "1", size: "tiny"}')" | jq -er .id)
  as_deployer POST /releases "$(jq -n --arg model "$model" '{model: $model, repository: "forecasting/iris", tag: "2", size: "tiny"}')" >/dev/null
  note "registered the model iris and its releases"
}

# deploy_iris: deploys that release and prints a prediction.
deploy_iris() {
  local workspace answer deployment
  workspace=$(as_deployer GET '/workspaces?cluster=lab' | jq -er '.items[0].id')
  answer=$(as_deployer POST /deployments "$(jq -n --arg release "$release" --arg workspace "$workspace" \
    '{release: $release, workspace: $workspace, name: "iris", replicas: 1, reason: "the demo"}')")
  deployment=$(jq -er .object <<<"$answer")
  until_true 120 "deploying iris" settled "$(jq -er .operation <<<"$answer")"
  note "deployed iris"
  echo "export SLIPWAY_DEPLOYMENT='$deployment'" >>"$demo/env"
  [[ ${SANDBOX_NODES:-$(default_nodes)} == real ]] || { note "no prediction: its node is simulated, and no model really runs" && return; }
  answer=$(as_deployer POST "/deployments/$deployment/predict" \
    '{"body": {"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [5.1, 3.5, 1.4, 0.2]}]}}')
  jq -e '.status == 200' <<<"$answer" >/dev/null || die "the model answered $(jq -c . <<<"$answer")"
  say "Prediction for an iris of 5.1, 3.5, 1.4, 0.2 cm, in $(jq .latency_ms <<<"$answer") ms: $(jq -c '.body.outputs | map({(.name): .data}) | add' <<<"$answer")"
}

environment() {
  cat >"$demo/env" <<ENV
export SLIPWAY_URL='$base'
export SLIPWAY_TOKEN='$admin_token'
export SLIPWAY_EMAIL='$admin_email'
export SLIPWAY_PASSWORD='$admin_password'
export SLIPWAY_DEPLOYER_EMAIL='$deployer_email'
export SLIPWAY_DEPLOYER_PASSWORD='$deployer_password'
export SLIPWAY_DEPLOYER_TOKEN='$deployer_token'
export AWS_ENDPOINT_URL='$AWS_ENDPOINT_URL'
export AWS_REGION='$AWS_REGION'
export AWS_DEFAULT_REGION='$AWS_REGION'
export AWS_ACCESS_KEY_ID='$SANDBOX_ADMIN_ACCESS_KEY_ID'
export AWS_SECRET_ACCESS_KEY='$SANDBOX_ADMIN_SECRET_ACCESS_KEY'
export KUBECONFIG='$KUBECONFIG'
ENV
}

first_admin
as_admin POST /teams '{"name": "forecasting", "description": "Forecasts demand."}' >/dev/null
as_admin POST /teams '{"name": "growth", "description": "Looks after new customers."}' >/dev/null
deployer
environment
account
cluster lab
cluster fleet
workspace forecasting forecasting lab 4000 4096
workspace forecasting forecasting fleet 64000 131072
workspace growth growth fleet 16000 32768
iris
[[ ${1:-} == --undeployed ]] || deploy_iris
