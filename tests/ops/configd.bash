# One configd of a test's own directory, for config.bats, history.bats and sources.bats.

load common

setup() {
  scratch
  mkdir -p "$dir/run" "$dir/config"
  export MESH_RUN_DIR=$dir/run MESH_STATE_DIR=$dir/state MESH_CONFIG_DIR=$dir
  configd=
}

teardown() {
  stop KILL
  rm -rf "$dir"
}

stop() {
  [[ -n $configd ]] || return 0
  kill -"${1:-TERM}" "$configd" 2>/dev/null || true
  wait "$configd" 2>/dev/null || true
  configd=
}

answers() { mesh get >/dev/null 2>&1; }
log_says() { grep -q -- "$1" "$dir/configd.log"; }
has() { mesh get -o name | grep -qx "$1"; }
has_not() { ! has "$1"; }
status_says() { mesh status -o wide 2>&1 | grep -q -- "$1"; }

start() {
  local user=()
  ((EUID != 0)) || user=(--user root)
  "$build/configd" "${user[@]}" >>"$dir/configd.log" 2>&1 3>&- &
  configd=$!
  until_true answers
}

# policy NAME NAMESPACE MODE [LABELS]
policy() {
  printf 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n'
  printf 'metadata: {name: %s, namespace: %s, labels: {%s}}\nspec:\n  mtls: {mode: %s}\n' \
    "$1" "$2" "${4:-}" "$3"
}

# The generation in force.
generation() { mesh history -o json | head -1 | sed 's/.*"generation":"\([0-9a-f]*\)".*/\1/'; }
# What the object has for its mode.
mode() { mesh get "$1" -o json | sed 's/.*"mode":"\([A-Z]*\)".*/\1/'; }
mode_is() { [ "$(mode "$1")" = "$2" ]; }
