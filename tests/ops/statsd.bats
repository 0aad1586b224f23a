#!/usr/bin/env bats
# statsd alone, as a collector: statsd(8), as an operator uses it.

setup() {
  build=$(realpath "${MESH_BUILD:-build}")
  dir=$BATS_TEST_TMPDIR/s
  mkdir -p "$dir"
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  export MESH_RUN_DIR=$dir/run MESH_STATE_DIR=$dir/state MESH_CONFIG_DIR=$dir
  pid=
}

teardown() {
  [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true
}

until_true() {
  local deadline=$((SECONDS + 10))
  until "$@"; do
    ((SECONDS < deadline)) || { echo "still not so: $*"; cat "$dir/err"; return 1; }
    read -rt 0.02 <> <(:) || true
  done
}

start() {
  : >"$dir/err"  # what an earlier one said must not be taken for its word
  "$build/statsd" 2>>"$dir/err" 3>&- &
  pid=$!
  until_true grep -q ready "$dir/err"
  page=$(sed -n 's/.*serving \/metrics address=//p' "$dir/err" | tail -1)
}

gone() { ! kill -0 "$pid" 2>/dev/null; }

@test "statsd serves an empty page and says that it is ready" {
  start
  run curl -sf "http://$page/ready"
  [ "$output" = ready ]
  run curl -sf "http://$page/metrics"
  [[ $output == *'# TYPE istio_requests_total counter'* ]]
  [[ $output == *'mesh_statsd_forwarders 0'* ]]
  run curl -sfI "http://$page/metrics"
  [[ $output == *'Content-Type: text/plain; version=0.0.4; charset=utf-8'* ]]
}

@test "mesh top asks statsd, and says where it is not" {
  start
  run "$build/mesh" top --once -q
  [ "$status" -eq 0 ]
  [[ $output == SOURCE*DESTINATION*REQUESTS*RATE*SUCCESS*P50*P90*P99 ]]
  run "$build/mesh" top --once -q -o json
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  kill "$pid"
  until_true gone
  run "$build/mesh" top --once
  [ "$status" -eq 69 ]
  [[ $output == *'start it'* ]]
}

@test "wrong settings are named by file, line and column, exit status 78" {
  printf 'prometheus: 127.0.0.1:0\nsave_intervall: 2s\n' >"$dir/statsd.yaml"
  run "$build/statsd" -n
  [ "$status" -eq 78 ]
  [[ $output == *'statsd.yaml:2:1: '*'did you mean "save_interval"'* ]]
  local wrong
  for wrong in 'prometheus: somewhere' 'prometheus: unix:/x' 'save_interval: 1ms' 'forget_after: 1s'; do
    echo "$wrong" >"$dir/statsd.yaml"
    run "$build/statsd" -n
    [ "$status" -eq 78 ]
    [[ $output == *"statsd.yaml:1:1: ${wrong%%:*}: "* ]] || { echo "$output"; false; }
  done
}

@test "SIGHUP takes over new settings and keeps the old ones where they are wrong" {
  start
  echo 'prometheus: nonsense' >"$dir/statsd.yaml"
  kill -HUP "$pid"
  until_true grep -q 'statsd.yaml:1:1: prometheus: expected ADDRESS:PORT' "$dir/err"
  curl -sf "http://$page/ready"
  echo 'save_interval: 5s' >"$dir/statsd.yaml"
  kill -HUP "$pid"
  until_true eval '! curl -s "http://$page/ready"'
}

@test "the settings that are shipped are right" {
  run "$build/statsd" -n -c "$BATS_TEST_DIRNAME/../../etc/statsd.yaml"
  [ "$status" -eq 0 ]
}

@test "a state file that cannot be read is set aside and does not stop it" {
  start
  mkdir -p "$dir/state/statsd/totals"  # in the file's way
  kill "$pid"
  until_true gone
  start
  grep -q 'cannot be restored' "$dir/err"
  curl -sf "http://$page/ready"
}

@test "damaged totals are kept aside, and all else goes on" {
  start
  kill "$pid"
  until_true gone
  local rot
  for rot in rot ''; do
    printf '%s' "$rot" >"$dir/state/statsd/totals"
    start
    curl -sf "http://$page/ready"
    kill "$pid"
    until_true gone
    [[ -n $rot ]] || continue
    grep -q 'totals cannot be restored.*/totals: is no state of statsd.*/totals.bad' "$dir/err"
    [ "$(cat "$dir/state/statsd/totals.bad")" = rot ]
  done
}
