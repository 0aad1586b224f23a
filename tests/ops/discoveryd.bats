#!/usr/bin/env bats
# discoveryd from a shell: services, endpoints, registrations, and life without
# configd.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
  dir=$(mktemp -d)
  mkdir -p "$dir/etc/config" "$dir/run"
  options=(--run-dir "$dir/run" --state-dir "$dir/state" --config-dir "$dir/etc" --user root)
  cat >"$dir/etc/config/reviews.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: demo}
spec:
  hosts: [reviews]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 20011}, labels: {app: reviews}, serviceAccount: reviews}
YAML
}

teardown() {
  [ -z "${configd:-}" ] || kill -9 "$configd" 2>/dev/null || true
  [ -z "${discoveryd:-}" ] || kill -9 "$discoveryd" 2>/dev/null || true
  rm -rf "$dir"
}

start() {  # start PROGRAM: its pid in the variable of that name
  "$build/$1" "${options[@]}" >>"$dir/$1.log" 2>&1 3>&- &
  printf -v "$1" %s "$!"
}

ask() { "$build/mesh" "$@" --run-dir "$dir/run"; }

until_true() {  # until_true COMMAND...: at most ten seconds
  local end=$((SECONDS + 10))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { cat "$dir"/*.log; return 1; }
    read -rt 0.05 <> <(:) || true
  done
}

addresses() { ask endpoints reviews -o name 2>/dev/null | sort | paste -sd ' '; }
has() { [ "$(addresses)" = "$1" ]; }

@test "-n checks the settings and names what is wrong" {
  echo 'absence_grace: 3s' >"$dir/etc/discoveryd.yaml"
  run "$build/discoveryd" "${options[@]}" -n
  [ "$status" -eq 0 ]
  echo 'absence_grace: soon' >"$dir/etc/discoveryd.yaml"
  run "$build/discoveryd" "${options[@]}" -n
  [ "$status" -eq 78 ]
  [[ "$output" == *"discoveryd.yaml:1:"* ]]
  echo 'trust_domain: "NOT GOOD"' >"$dir/etc/discoveryd.yaml"
  run "$build/discoveryd" "${options[@]}" -n
  [ "$status" -eq 78 ]
  [[ "$output" == *"discoveryd.yaml:1:1: trust_domain: "* ]]
}

@test "services and endpoints are those of the configuration, and registrations come and go" {
  start configd
  start discoveryd
  until_true has "127.0.0.1:20011"
  run ask services
  [[ "$output" == *"reviews  demo       80/HTTP          1        1"* ]]
  run ask endpoints nothing
  [ "$status" -eq 1 ]

  run ask register reviews-2 127.0.0.1 -n demo -p http=20012 -l app=reviews
  [ "$status" -eq 0 ]
  [[ "$output" == *" registered" ]]
  run ask register reviews-2 127.0.0.1 -n demo -p http=20012 -l app=reviews
  [ "$status" -eq 0 ]
  [[ "$output" == *" unchanged" ]]
  has "127.0.0.1:20011 127.0.0.1:20012"
  run ask register reviews-2 example.org -n demo
  [ "$status" -eq 1 ]
  [[ "$output" == *"expected an IP address"* ]]
  run ask register reviews-v1 127.0.0.1 -n demo
  [ "$status" -eq 1 ]
  [ "$output" = "mesh register: WorkloadEntry/demo/reviews-v1 is configured; change or delete that" ]
  run ask register reviews-9 127.0.0.1 -n demo -p http=20019 -l app=reviews --weight 0
  [ "$status" -eq 64 ]
  [[ "$output" == *"--weight: expected a whole number from 1 to 1000000"* ]]
  ask register reviews-2 127.0.0.1 -n demo -p http=20012 -l app=reviews --weight 7
  ask endpoints reviews -o json | grep 20012 | grep -q '"weight":7'
  run ask deregister reviews-2 -n demo
  [[ "$output" == *" deregistered" ]]
  has "127.0.0.1:20011"
  run ask deregister reviews-2 -n demo
  [ "$status" -eq 0 ]
  [[ "$output" == *" unchanged" ]]

  ask register reviews-3 127.0.0.1 -n demo -p http=20013 -l app=reviews --lease 1s
  has "127.0.0.1:20011 127.0.0.1:20013"
}

lapsed() { ask endpoints reviews -o wide | grep -q "20013.* lapsed"; }

@test "a lapsed lease withdraws nothing: renewed, taken back, or after a limit while others are well" {
  printf 'unconfirmed_max: 1h\nstart_grace: 0s\n' >"$dir/etc/discoveryd.yaml"
  start configd
  start discoveryd
  until_true has "127.0.0.1:20011"
  more=(reviews-3 127.0.0.1 -n demo -p http=20013 -l app=reviews --lease 1s)
  ask register "${more[@]}"
  until_true lapsed
  has "127.0.0.1:20011 127.0.0.1:20013"
  # Across a restart too.
  kill -9 "$discoveryd"
  start discoveryd
  until_true lapsed
  ask register "${more[@]}"
  ! lapsed
  ask deregister reviews-3 -n demo
  has "127.0.0.1:20011"
  ask register "${more[@]}"
  until_true lapsed
  printf 'unconfirmed_max: 1s\nstart_grace: 0s\n' >"$dir/etc/discoveryd.yaml"
  kill -HUP "$discoveryd"
  until_true has "127.0.0.1:20011"
}

@test "the last endpoint stays, however long its lease has lapsed" {
  echo 'unconfirmed_max: 0s' >"$dir/etc/discoveryd.yaml"
  sed -i '/^---/,$d' "$dir/etc/config/reviews.yaml"
  start configd
  start discoveryd
  until_true ask endpoints reviews
  ask register reviews-3 127.0.0.1 -n demo -p http=20013 -l app=reviews --lease 1s
  until_true lapsed
  ask register reviews-4 127.0.0.1 -n demo -p http=20014 -l app=reviews
  until_true has "127.0.0.1:20014"
}

@test "killed and started alone, it serves what it had" {
  start configd
  start discoveryd
  until_true has "127.0.0.1:20011"
  ask register reviews-2 127.0.0.1 -n demo -p http=20012 -l app=reviews
  until_true test -s "$dir/state/discoveryd/objects"
  kill -9 "$configd" "$discoveryd"
  start discoveryd
  until_true has "127.0.0.1:20011 127.0.0.1:20012"
  # And takes up again with configd, whose set has changed meanwhile.
  sed -i 's/20011/20019/' "$dir/etc/config/reviews.yaml"
  start configd
  until_true has "127.0.0.1:20012 127.0.0.1:20019"
}

@test "state that is not whole is left aside" {
  mkdir -p "$dir/state/discoveryd"
  echo garbage >"$dir/state/discoveryd/objects"
  echo garbage >"$dir/state/discoveryd/registrations"
  start configd
  start discoveryd
  until_true has "127.0.0.1:20011"
  grep -q "not whole" "$dir/discoveryd.log"
}

@test "without discoveryd the commands say so" {
  run ask services
  [ "$status" -eq 69 ]
  [[ "$output" == *"mesh up DIR"* ]]
}
