#!/usr/bin/env bats
# A stock Envoy as one of the mesh: beside a forwarder, served by the same discoveryd, with a
# certificate of the same certd, in both directions under STRICT mutual TLS.

load envoys
setup() { beside; }

attach_with_files() { attach --certificates "$dir/ratings" "$@"; }
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

@test "an Envoy on the Unix socket: requests in both directions, each side knows the other" {
  up '{}'
  attach_with_files
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
  attach_with_files
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
  attach_with_files
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
  attach_with_files --xds "127.0.0.1:$secure" --state-of-the-world
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
