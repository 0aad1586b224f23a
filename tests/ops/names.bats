#!/usr/bin/env bats
# Names of the mesh, as discoveryd answers them.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
  dir=$(mktemp -d)
  mkdir -p "$dir/etc/config" "$dir/run"
  options=(--run-dir "$dir/run" --state-dir "$dir/state" --config-dir "$dir/etc" --user root)
  echo 'dns: {listen: "127.0.0.1:0", addresses: 127.240.0.0/16, ttl: 2s}' >"$dir/etc/discoveryd.yaml"
  cat >"$dir/etc/config/names.yaml" <<'YAML'
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
kind: ServiceEntry
metadata: {name: db, namespace: demo}
spec:
  hosts: [db.example.org]
  location: MESH_INTERNAL
  resolution: STATIC
  addresses: [192.0.2.7, "2001:db8::7"]
  ports: [{number: 5432, name: tcp-db, protocol: TCP}]
  endpoints: [{address: 192.0.2.8}]
YAML
}

teardown() {
  [ -z "${configd:-}" ] || kill -9 "$configd" 2>/dev/null || true
  [ -z "${discoveryd:-}" ] || kill -9 "$discoveryd" 2>/dev/null || true
  [ -z "${forwarder:-}" ] || kill -9 "$forwarder" 2>/dev/null || true
  [ -z "${origin:-}" ] || kill -9 "$origin" 2>/dev/null || true
  rm -rf "$dir"
}

start() {  # start PROGRAM: its pid in the variable of that name
  "$build/$1" "${options[@]}" >>"$dir/$1.log" 2>&1 3>&- &
  printf -v "$1" %s "$!"
}

until_true() {  # until_true COMMAND...: at most ten seconds
  local end=$((SECONDS + 10))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { cat "$dir"/*.log; return 1; }
    read -rt 0.05 <> <(:) || true
  done
}

# The address that discoveryd said last.
server() { sed -n 's/.*names are answered.*address=\([0-9.:]*\).*/\1/p' "$dir/discoveryd.log" | tail -1; }
answers() { [ -n "$(server)" ]; }
name() { "$root/tests/ops/fakes/ask_name" "$(server)" "$@" | paste -sd ' '; }
says() { [ "$(name "$1" "$2" 2>/dev/null)" = "$3" ]; }

up() {
  start configd
  start discoveryd
  until_true answers
  until_true says db.example.org A "0 192.0.2.7"
}

@test "names of the mesh have addresses and ports; others are refused" {
  up
  says db.example.org AAAA "0 2001:db8::7"
  says DB.Example.Org A "0 192.0.2.7"
  says db.example.org MX "0"
  says _tcp-db._tcp.db.example.org SRV "0 0 1 5432 db.example.org"
  says www.example.org A "5"
  says example.org A "5"
  says nobody.demo.svc.cluster.local A "3"
  run name +tcp db.example.org A
  [ "$output" = "0 192.0.2.7" ]
  [[ "$(name reviews A)" == "0 127.240."* ]]
  [ "$(name reviews A)" = "$(name reviews.demo.svc.cluster.local A)" ]
}

@test "an automatic address is the same after a restart, and names follow the configuration" {
  up
  before=$(name reviews A)
  kill -9 "$discoveryd"
  : >"$dir/discoveryd.log"
  start discoveryd
  until_true answers
  until_true says reviews A "$before"
  sed 's/reviews/ratings/g; /^---/,$d' "$dir/etc/config/names.yaml" >"$dir/etc/config/more.yaml"
  until_true says ratings MX "0"
  says reviews A "$before"
  rm "$dir/etc/config/more.yaml"
  until_true says ratings A "5"
}

@test "hostile packets are answered with an error or not at all" {
  up
  run name +raw 00
  [ "$output" = silence ]
  run name +raw 123481000001000000000000  # an answer
  [ "$output" = silence ]
  run name +raw 123428000001000000000000  # an update
  [ "$output" = 4 ]
  run name +raw 123401000001000000000000c00c00010001  # a name that points at itself
  [ "$output" = 1 ]
  run name +raw 1234010000010000000000000361626300000100ff  # another class than IN
  [ "$output" = 5 ]
  address=$(server)
  head -c 500000 /dev/urandom >"/dev/udp/127.0.0.1/${address##*:}"
  says db.example.org A "0 192.0.2.7"
}

@test "a service of TCP is reached by its name, at its automatic address" {
  cat >"$dir/origin.py" <<'PY'
import socket
server = socket.create_server(("127.0.0.1", 0))
other = socket.create_server(("127.0.0.1", 0))
print("ports", server.getsockname()[1], other.getsockname()[1], flush=True)
other.close()
while True:
    server.accept()[0].sendall(b"hello\n")
PY
  python3 "$dir/origin.py" >"$dir/origin.log" 2>&1 3>&- &
  origin=$!
  until_true grep -q ports "$dir/origin.log"
  read -r _ behind port <"$dir/origin.log"
  cat >"$dir/etc/config/greet.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: greet, namespace: demo}
spec:
  hosts: [greet.example.org]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: $port, name: tcp-greet, protocol: TCP}]
  endpoints: [{address: 127.0.0.1, ports: {tcp-greet: $behind}}]
YAML
  up
  printf 'namespace: demo\noutbound_tcp: 127.0.0.1\n' >"$dir/web.yaml"
  "$build/forwarder" -c "$dir/web.yaml" "${options[@]}" >>"$dir/forwarder.log" 2>&1 3>&- &
  forwarder=$!
  address=$(name greet.example.org A)
  [[ $address == "0 127.240."* ]]
  greeted() {
    local line
    exec {greeting}<>"/dev/tcp/${address#0 }/$port" || return 1
    read -rt 5 line <&"$greeting"
    exec {greeting}<&-
    [ "$line" = hello ]
  } 2>/dev/null
  until_true greeted
}

@test "settings that cannot be are refused" {
  echo 'dns: {listen: "127.0.0.1", addresses: 127.240.0.0/16}' >"$dir/etc/discoveryd.yaml"
  run "$build/discoveryd" "${options[@]}" -n
  [ "$status" -eq 78 ]
  [[ "$output" == *"discoveryd.yaml:1:7: dns.listen: expected ADDRESS:PORT"* ]]
  echo 'dns: {addresses: 127.240.0.1/16}' >"$dir/etc/discoveryd.yaml"
  run "$build/discoveryd" "${options[@]}" -n
  [ "$status" -eq 78 ]
  [[ "$output" == *"discoveryd.yaml:1:7: dns.addresses: "* ]]
}
