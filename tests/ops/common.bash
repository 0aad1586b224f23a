# What tests with processes of their own share: $dir and $build of scratch(), the
# processes of launch(), and waiting for facts.

# scratch: $build, and a $dir that goes with the test, as do the processes of $pids.
scratch() {
  build=$(realpath "${MESH_BUILD:-build}")
  dir=$(mktemp -d "${TMPDIR:-/tmp}/mesh-XXXXXX")
  pids=()
}

# daemon_dirs: the daemons' directories below $dir, as every program then takes them.
daemon_dirs() {
  mkdir -p "$dir/run" "$dir/etc/config" "$dir/state"
  export MESH_RUN_DIR=$dir/run MESH_STATE_DIR=$dir/state MESH_CONFIG_DIR=$dir/etc
  export MESH_USER=${MESH_USER:-$(id -un)}
}

# end_all: by $ending, TERM where a process ends others of its own.
end_all() {
  local pid
  for pid in "${pids[@]}"; do kill -"${ending:-KILL}" "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
teardown() {
  [[ -n ${dir:-} ]] || return 0
  end_all
  rm -rf "$dir"
}

# until_true COMMAND...: waits for it to succeed, at most $patience seconds.
until_true() {
  local deadline=$((SECONDS + ${patience:-15})) log
  until "$@"; do
    ((SECONDS < deadline)) || {
      echo "still not so: $*"
      for log in "$dir"/*.log "$dir"/err "$dir"/run/log/*; do
        [[ ! -f $log ]] || { echo "==> $log"; tail -n 20 "$log"; }
      done
      return 1
    }
    read -rt 0.02 <> <(:) || true
  done
}

# launch NAME COMMAND...: in the background, its log in NAME.log, its pid in $NAME.
launch() {
  local name=$1
  shift
  "$@" >>"$dir/$name.log" 2>&1 3>&- &
  printf -v "$name" %s "$!"
  pids+=("$!")
}
start() { launch "$1" "$build/$1" "${@:2}"; }
# mesh_up: the whole mesh of $dir, until it is ready.
mesh_up() {
  : >"$dir/out"  # an earlier one's "ready" must not be taken for its word
  "$build/mesh" up "$dir" >>"$dir/out" 2>"$dir/err" 3>&- &
  pids+=("$!")
  until_true grep -qx ready "$dir/out"
}
log_says() { grep -q -- "$2" "$dir/$1.log"; }
mesh() { "$build/mesh" "$@"; }
# skip_sanitized WHY: in a build with a sanitizer, which every program of it shows.
skip_sanitized() {
  ! nm -D "$build/forwarder" | grep -qE ' __(asan|tsan|ubsan)_' || skip "built with a sanitizer: $1"
}
quietly() { "$@" >/dev/null 2>&1; }
# A port of 127.0.0.1 that was free a moment ago.
free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
