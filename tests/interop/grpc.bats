#!/usr/bin/env bats
# gRPC's own client and server with two forwarders between them: every kind of
# method, statuses, deadlines, and what the forwarders say for themselves.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
  python=${PYTHON:-python3}
  "$python" -c 'import grpc' 2>/dev/null || skip "needs grpcio: pip install grpcio"
  [ -x "$build/forwarder" ]
  cd "$BATS_TEST_TMPDIR"
  pids=()
}

teardown() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
}

unused_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# forwarder NAME PORT UPSTREAM: begins one, HTTP/2 on both sides.
forwarder() {
  cat >"$1.yaml" <<EOF
admin: { address: { pipe: { path: $PWD/$1.sock } } }
static_resources:
  listeners:
  - name: front
    address: { socket_address: { address: 127.0.0.1, port_value: $2 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: $1
          route_config:
            name: all
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                route: { cluster: next, timeout: 0s }
          http_filters:
          - name: envoy.filters.http.grpc_stats
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig
              stats_for_all_methods: true
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: next
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    load_assignment:
      cluster_name: next
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: $3 } } }
EOF
  "$build/forwarder" -c "$1.yaml" >"$1.log" 2>&1 3>&- &
  pids+=($!)
  for _ in $(seq 100); do
    (: >"/dev/tcp/127.0.0.1/$2") 2>/dev/null && return
    sleep 0.1
  done
  cat "$1.log"
  return 1
}

@test "gRPC of every kind passes two forwarders" {
  "$python" "$root/tests/interop/grpc_peer.py" serve port >server.log 2>&1 3>&- &
  pids+=($!)
  for _ in $(seq 100); do [ -s port ] && break || sleep 0.1; done
  outer=$(unused_port) inner=$(unused_port)
  forwarder inner "$inner" "$(cat port)"
  forwarder outer "$outer" "$inner"
  run timeout 120 "$python" "$root/tests/interop/grpc_peer.py" check "$outer"
  echo "$output"
  [ "$status" -eq 0 ]
  stats=$(curl -sS --unix-socket "$PWD/outer.sock" http://forwarder/stats)
  grep grpc_requests <<<"$stats"
  for wanted in 'Unary.*: [2-9]' 'Fail.*: 1' 'Slow.*: 1' 'BreakOff.*: 1'; do
    grep -E "grpc_requests_total.*$wanted" <<<"$stats"
  done
}

@test "where nobody serves, the forwarder's answer is a gRPC status" {
  outer=$(unused_port)
  forwarder outer "$outer" "$(unused_port)"
  run timeout 60 "$python" "$root/tests/interop/grpc_peer.py" check "$outer" down
  echo "$output"
  [ "$status" -eq 0 ]
}
