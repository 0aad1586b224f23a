#!/usr/bin/env bats
# discoveryd's aggregated discovery service, with gRPC's own client as the witness.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
  python=${PYTHON:-python3}
  "$python" -c 'import grpc, envoy.service.discovery.v3.discovery_pb2' 2>/dev/null ||
    skip "needs grpcio and xds-protos: pip install grpcio xds-protos"
  dir=$(mktemp -d)
  mkdir -p "$dir/etc/config" "$dir/run"
  options=(--run-dir "$dir/run" --state-dir "$dir/state" --config-dir "$dir/etc" --user root)
  echo 'xds: {}' >"$dir/etc/discoveryd.yaml"
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
YAML
  cat >"$dir/etc/config/reviews-v1.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 20011}, labels: {app: reviews}}
YAML
  pids=()
  for daemon in configd discoveryd; do
    "$build/$daemon" "${options[@]}" >>"$dir/$daemon.log" 2>&1 3>&- &
    pids+=($!)
  done
  until_true served
}

teardown() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}

until_true() {
  local end=$((SECONDS + 15))
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || { cat "$dir"/*.log; return 1; }
    read -rt 0.05 <> <(:) || true
  done
}

served() { [ -S "$dir/run/xds.sock" ] && [ -n "$("$build/mesh" endpoints reviews -o name --run-dir "$dir/run" 2>/dev/null)" ]; }

witness() {
  run timeout 240 "$python" "$root/tests/interop/xds_client.py" \
    "$dir/run/xds.sock" "$dir/etc/config" "$dir/discoveryd.log" "$@"
  echo "$output"
  [ "$status" -eq 0 ] || { tail -n 20 "$dir/discoveryd.log"; return 1; }
  kill -0 "${pids[1]}"
}

@test "both variants: names and all, versions after a reconnect, what changed and nothing else" {
  witness whole incremental
}

@test "clusters and endpoints come before the routes that name them, and go after" {
  witness order
}

@test "what is refused is logged with node and resource, and not sent again before it changes" {
  witness refusal_whole refusal_incremental stale
}

@test "garbage, fat nodes, strangers' names and endless refusals harm nobody" {
  witness hostile whole
}

@test "a thousand streams and five thousand reconnects leave nothing behind" {
  before=$(ls "/proc/${pids[1]}/fd" | wc -l)
  witness thousand reconnects
  few() { [ "$(ls "/proc/${pids[1]}/fd" | wc -l)" -le $((before + 10)) ]; }
  until_true few
  nobody() { ! "$build/mesh" status --run-dir "$dir/run" 2>/dev/null | grep -q 'peer-.*@test'; }
  until_true nobody
  [ "$(awk '/VmRSS/ { print $2 }' "/proc/${pids[1]}/status")" -lt 200000 ]
}
