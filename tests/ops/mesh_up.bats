#!/usr/bin/env bats
# mesh up, with stand-ins for the daemons: who is started, started again, stopped.

setup() {
  build=$(realpath "${MESH_BUILD:-build}")
  bin=$BATS_TEST_TMPDIR/bin
  dir=$BATS_TEST_TMPDIR/m
  mkdir -p "$bin" "$dir/config" "$dir/forwarders"
  cp "$build/mesh" "$bin/mesh"
  for name in certd configd discoveryd statsd forwarder; do
    cp "$BATS_TEST_DIRNAME/fakes/daemon" "$bin/$name"
  done
  up=
}

teardown() {
  [[ -z $up ]] || kill -KILL "$up" 2>/dev/null || true
}

# until COMMAND...: waits for it to succeed, at most 10 s.
until_true() {
  local deadline=$((SECONDS + 10))
  until "$@"; do
    ((SECONDS < deadline)) || { echo "still not so: $*"; cat "$dir"/err "$dir"/run/log/*; return 1; }
    read -rt 0.02 <> <(:) || true
  done
}

start() {
  : >"$dir/out"  # an earlier one's "ready" must not be taken for its word
  "$bin/mesh" up "$dir" "$@" >>"$dir/out" 2>"$dir/err" 3>&- &
  up=$!
}

forwarder() { echo "workload: $1" >"$dir/forwarders/$1.yaml"; }
log_says() { grep -q -- "$2" "$dir/run/log/$1.log"; }
pid_of() { pgrep -P "$up" -f "$bin/$1 .*$2"; }
is_ready() { grep -qx ready "$dir/out"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

@test "mesh up starts all, prints ready, and stops all on SIGTERM" {
  forwarder web-1
  start
  until_true is_ready
  [ "$(cat "$dir/out")" = ready ]
  for name in certd configd discoveryd statsd web-1; do
    log_says "$name" "--run-dir $dir/run --state-dir $dir/state --config-dir $dir"
  done
  log_says web-1 "-c $dir/forwarders/web-1.yaml"
  log_says web-1 "token yes"
  children=$(pgrep -P "$up")
  kill "$up"
  wait "$up"
  for child in $children; do gone "$child"; done
  log_says certd "certd stopping"
  [ -z "$(ls "$dir/run/tokens")" ]
}

@test "mesh up starts again what was killed, and not what is held" {
  start
  until_true is_ready
  old=$(pid_of configd)
  kill -KILL "$old"
  another() { local now; now=$(pid_of configd) && [ "$now" != "$old" ]; }
  until_true another
  touch "$dir/run/hold/certd"
  kill -KILL "$(pid_of certd)"
  ended() { grep -q "certd ended: killed by signal 9" "$dir/err"; }
  until_true ended
  ! pid_of certd
  rm "$dir/run/hold/certd"
  until_true pid_of certd
  kill "$up"
  wait "$up"
}

@test "mesh up starts a forwarder whose file comes, and stops one whose file goes" {
  forwarder web-1
  start
  until_true is_ready
  forwarder web-2
  until_true pid_of forwarder web-2
  until_true log_says web-2 token  # it takes signals from here on
  leaver=$(pid_of forwarder web-1)
  rm "$dir/forwarders/web-1.yaml"
  until_true gone "$leaver"
  forwarder web-2
  until_true log_says web-2 "reads anew"
  kill "$up"
  wait "$up"
}

@test "mesh up ends with the reason when a child cannot start" {
  echo 78 >"$dir/statsd.exit"
  run "$bin/mesh" up "$dir" 3>&-
  [ "$status" -eq 78 ]
  [[ $output == *"statsd does not come up: exit status 78: error statsd: cannot start: bind"* ]]
  echo 1 >"$dir/statsd.exit"
  run "$bin/mesh" up "$dir" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *"statsd does not come up: exit status 1"*"Address already in use"* ]]
}

@test "mesh up names who is not ready in time, exit 75" {
  touch "$dir/discoveryd.mute"
  run "$bin/mesh" up "$dir" --timeout 1s 3>&-
  [ "$status" -eq 75 ]
  [[ $output == *"not ready after 1s; waiting for:"*discoveryd* ]]
}

@test "mesh up refuses what is wrong before it starts anything" {
  echo "workloda: x" >"$dir/forwarders/web-1.yaml"
  run "$bin/mesh" up "$dir" 3>&-
  [ "$status" -eq 78 ]
  [[ $output == *"web-1.yaml:1:1"*workloda* ]]
  [ ! -e "$dir/run/log/certd.log" ]
  run "$bin/mesh" up "$dir/nowhere" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *"nowhere: No such file or directory"* ]]
}

@test "mesh up refuses a second one in the same directory" {
  start
  until_true is_ready
  run "$bin/mesh" up "$dir" 3>&-
  [ "$status" -eq 1 ]
  [[ $output == *"already running as process $up"* ]]
  kill "$up"
  wait "$up"
}

@test "mesh up killed with SIGKILL leaves nothing running" {
  start
  until_true is_ready
  children=$(pgrep -P "$up")
  kill -KILL "$up"
  wait "$up" || true
  for child in $children; do until_true gone "$child"; done
}
