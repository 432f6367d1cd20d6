# Shared by up, down, reset-nodes, status and world. Sourced, never run.
# Every knob is an environment variable, described in ../README.md.
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STATE=${REALSTACK_STATE:-${TMPDIR:-/tmp}/realstack-state}   # wiped by `down --wipe`
CACHE=${REALSTACK_CACHE:-${TMPDIR:-/tmp}/realstack-cache}   # schema dumps, survives `down --wipe`
NODES=${REALSTACK_NODES:-4}                 # fake-hardware nodes enrolled in cp1
TOKEN_TTL=${REALSTACK_TOKEN_TTL:-3600}      # keystone [token]expiration, seconds
# nova-compute: seconds between passes of update_available_resource (stock: 60)
NOVA_RESOURCE_INTERVAL=${REALSTACK_NOVA_RESOURCE_INTERVAL:-10}
# ironic [fake]*_delay ("5" or "5,20"); stock 0
FAKE_DEPLOY_DELAY=${REALSTACK_FAKE_DEPLOY_DELAY:-0}
FAKE_POWER_DELAY=${REALSTACK_FAKE_POWER_DELAY:-0}
FAKE_BOOT_DELAY=${REALSTACK_FAKE_BOOT_DELAY:-0}
FAKE_MANAGEMENT_DELAY=${REALSTACK_FAKE_MANAGEMENT_DELAY:-0}
IRONIC_POLICY=${REALSTACK_IRONIC_POLICY:-}  # extra policy.yaml text for ironic
SHOW_PASSWORD=${REALSTACK_SHOW_PASSWORD:-1} # 0: ironic masks BMC secrets from everyone, as it does by default
DEBUG=${REALSTACK_DEBUG:-false}
PY=/usr/bin/python3                          # never a pyenv/venv python
DBPORT=${REALSTACK_DBPORT:-13306}
MQPORT=${REALSTACK_MQPORT:-13672}; MQDIST=$((MQPORT+1)); EPMDPORT=$((MQPORT+2))
DBPASS=rsdb; MQPASS=rsmq; ADMINPASS=adminpass; SVCPASS=svcpass
SOCK=$STATE/mysql.sock
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
export no_proxy='*' NO_PROXY='*' LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export REALSTACK_STATE=$STATE REALSTACK_ADMINPASS=$ADMINPASS REALSTACK_SVCPASS=$SVCPASS   # for rs.py
unset OS_CLOUD OS_AUTH_URL OS_TOKEN PYTHONPATH PYTHONHOME VIRTUAL_ENV
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

T0=${T0:-$(date +%s)}
log() { printf '[%4ds] %s\n' $(( $(date +%s) - T0 )) "$*"; }
die() { log "FAILED: $*"; exit 1; }

# first digit of every port tells the control plane: 1xxxx = cp1, 2xxxx = cp2
cpn()  { echo "${1#cp}"; }
port() { # cp service
  local n; n=$(cpn "$1")
  case $2 in keystone) echo "${n}5000";; placement) echo "${n}8778";; glance) echo "${n}9292";;
    neutron) echo "${n}9696";; ironic) echo "${n}6385";; nova) echo "${n}8774";; esac; }
db() { echo "mysql+pymysql://rs:$DBPASS@127.0.0.1:$DBPORT/${1}_$2?charset=utf8"; }
sql() { mariadb --no-defaults -S "$SOCK" -uroot "$@"; }

# Ironic reads policy.d again when a file there changes: no restart.
show_password() { # cp on|off
  local d=$STATE/$1/etc/policy.d/ironic rule
  case $2 in on) rule='role:admin';; off) rule='!';; *) die "show-password is on or off, not '$2'";; esac
  mkdir -p "$d" && printf '"show_password": "%s"\n' "$rule" > "$d/.new" && mv "$d/.new" "$d/show-password.yaml"; }

# --- processes: each in its own session, pid + kernel start time on file ---
starttime() { awk '{sub(/^.*\) /,""); print $20}' "/proc/$1/stat" 2>/dev/null; }
alive() { # name -> 0 if the very process we started still runs
  local f=$STATE/run/$1.pid p s; [ -f "$f" ] || return 1; read -r p s < "$f"
  [ -n "$p" ] && [ "$(starttime "$p")" = "$s" ]; }
start() { # name command...
  local n=$1 i; shift; alive "$n" && return 0
  mkdir -p "$STATE/run" "$STATE/log"
  # no descriptor of the caller is kept: a caller waiting on a pipe is not held
  setsid "$@" >>"$STATE/log/$n.log" 2>&1 </dev/null 3>&- 4>&- 8>&- 9>&- &
  local p=$!; for i in 1 2 3 4 5; do [ -n "$(starttime $p)" ] && break; sleep 0.05; done
  echo "$p $(starttime $p)" > "$STATE/run/$n.pid"; disown $p 2>/dev/null || true; }
stop() { # name...
  local n p s i
  for n in "$@"; do alive "$n" && { read -r p s < "$STATE/run/$n.pid"; kill -TERM "$p" 2>/dev/null; }; done
  local end=$(( $(date +%s) + 8 ))     # one deadline for all of them
  for n in "$@"; do
    [ -f "$STATE/run/$n.pid" ] || continue; read -r p s < "$STATE/run/$n.pid"
    while [ "$(starttime "$p")" = "$s" ] && [ $(date +%s) -lt $end ]; do sleep 0.1; done
    # the session we made is ours alone: its leftovers (forked workers) go too
    if [ "$(starttime "$p")" = "$s" ]; then kill -KILL -- "-$p" 2>/dev/null; sleep 0.2; fi
    rm -f "$STATE/run/$n.pid"; done; }
wait_http() { # name url seconds
  local i; for i in $(seq $(( $3 * 4 ))); do
    curl -s -o /dev/null --noproxy '*' --max-time 5 "$2" && return 0
    alive "$1" || die "$1 died; see $STATE/log/$1.log"; sleep 0.25; done; die "$1 not answering at $2"; }

# python entry points that sit only in the service packages (nova-compute & co.)
run_main() { echo "import sys; sys.argv[0]='$1'; from $2 import main; sys.exit(main())"; }
