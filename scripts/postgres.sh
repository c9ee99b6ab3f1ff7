#!/usr/bin/env bash
# Keeps private, throw-away Postgres servers: data under /var/tmp, a socket
# there and a port on loopback, a password of their own. As root the server
# runs as the user postgres, since Postgres refuses to be root.
#
# usage: scripts/postgres.sh start NAME [--durable] [--port PORT]   starts it if it is not running, prints its URL
#        scripts/postgres.sh url NAME                               prints its URL
#        scripts/postgres.sh stop NAME                              stops it and deletes its data
#
# NAME is one of this checkout's: servers of different checkouts do not meet.
# Without --durable a power cut may lose everything, and tests are much faster.
source "$(dirname "$0")/lib.sh"

action=${1:-} name=${2:-}
[[ $action =~ ^(start|url|stop)$ && $name =~ ^[a-z0-9-]+$ ]] || die "usage: scripts/postgres.sh start|url|stop NAME"
shift 2
durable='' port=''
while (($#)); do
  case $1 in
    --durable) durable=1 ;;
    --port)
      port=${2:?--port needs a number}
      shift
      ;;
    *) die "postgres.sh knows no option $1" ;;
  esac
  shift
done

folder=/var/tmp/slipway-$EUID-$(sha256sum <<<"$root" | cut -c1-8)-$name
bin=/usr/lib/postgresql/$postgres_major/bin

# Runs as the user that may run the server. It need not be able to read the current folder.
as_owner() (
  cd /
  if ((EUID == 0)); then runuser -u postgres -- "$@"; else "$@"; fi
)

running() { [[ -d $folder/data ]] && as_owner "$bin/pg_ctl" -D "$folder/data" status >/dev/null 2>&1; }

# A port that nobody listens on at this moment.
free_port() {
  local candidate
  for candidate in $(shuf -i 20000-29999 -n 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || { echo "$candidate" && return; }
  done
  die "no free port was found"
}

start() {
  running && return 0
  [[ -x $bin/initdb ]] || die "Postgres $postgres_major is not installed: scripts/install.sh database"
  rm -rf "$folder"
  mkdir -m 700 "$folder"
  local password
  password=$(head -c 18 /dev/urandom | base64 | tr '+/' 'xy')
  port=${port:-$(free_port)}
  (umask 077 && echo "$password" >"$folder/password")
  if ((EUID == 0)); then chown -R postgres: "$folder"; fi
  as_owner "$bin/initdb" -D "$folder/data" --username=slipway --pwfile="$folder/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$folder/log" 2>&1 || { cat "$folder/log" >&2 && die "initdb failed"; }
  local settings="-c port=$port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c max_connections=200"
  [[ -n $durable ]] || settings+=" -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
  echo "postgres://slipway:$password@127.0.0.1:$port/slipway" >"$folder/url"
  as_owner "$bin/pg_ctl" -D "$folder/data" -l "$folder/server.log" -o "$settings" -w -t 30 start >>"$folder/log" 2>&1 ||
    { cat "$folder/log" "$folder/server.log" >&2 && die "Postgres did not start"; }
  PGPASSWORD=$password psql -qh 127.0.0.1 -p "$port" -U slipway -d postgres -c 'create database slipway'
}

stop() {
  if running; then as_owner "$bin/pg_ctl" -D "$folder/data" -m immediate -w -t 30 stop >/dev/null; fi
  rm -rf "$folder"
}

case $action in
  start) start && cat "$folder/url" ;;
  url) if running; then cat "$folder/url"; else die "the Postgres $name is not running"; fi ;;
  stop) stop ;;
esac
