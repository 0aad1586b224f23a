#!/usr/bin/env bats
# h2spec, the conformance test of HTTP/2, against a forwarder: in clear text and
# under TLS. Of its cases two are of the priority scheme that RFC 9113 drops.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
  h2spec=$(command -v h2spec || echo "$(go env GOPATH 2>/dev/null)/bin/h2spec")
  [ -x "$h2spec" ] ||
    skip "needs h2spec: go install github.com/summerwind/h2spec/cmd/h2spec@latest"
  [ -x "$build/forwarder" ]
  cd "$BATS_TEST_TMPDIR"
}

teardown() {
  [ -z "${pid:-}" ] || kill "$pid" 2>/dev/null || true
}

# bootstrap TLS: writes bootstrap.yaml; `TLS` stands in the filter chain.
bootstrap() {
  cat >bootstrap.yaml <<EOF
admin: { address: { pipe: { path: $PWD/admin.sock } } }
static_resources:
  listeners:
  - name: front
    address: { socket_address: { address: 127.0.0.1, port_value: $1 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            name: all
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                direct_response: { status: 200, body: { inline_string: "hello, hello, hello" } }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
$2
EOF
}

unused_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# run_h2spec FLAG...: all cases; fails but for the two of priorities.
run_h2spec() {
  "$build/forwarder" -c bootstrap.yaml >forwarder.log 2>&1 3>&- &
  pid=$!
  for _ in $(seq 100); do
    (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "$pid" || { cat forwarder.log; return 1; }
    sleep 0.1
  done
  "$h2spec" -h 127.0.0.1 -p "$port" -o 5 "$@" >out.txt 2>&1 || true
  tail -60 out.txt
  summary=$(grep -E '^[0-9]+ tests, [0-9]+ passed' out.txt)
  tests=${summary%% tests*}
  passed=$(sed -E 's/.* ([0-9]+) passed.*/\1/' <<<"$summary")
  echo "h2spec: $passed of $tests"
  [ "$tests" -ge 140 ]
  # What fails is of RFC 7540 section 5.3, or nothing does.
  [ $((tests - passed)) -le 2 ]
  run grep -E '^ *× ' out.txt
  while read -r line; do
    [[ -z "$line" || "$line" == *depends\ on\ itself* ]] || { echo "failed: $line"; return 1; }
  done <<<"$output"
}

@test "h2spec passes in clear text" {
  port=$(unused_port)
  bootstrap "$port" ""
  run_h2spec
}

@test "h2spec passes under TLS" {
  port=$(unused_port)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
    -subj /CN=localhost -keyout key.pem -out cert.pem 2>/dev/null
  bootstrap "$port" "      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates:
            - certificate_chain: { filename: $PWD/cert.pem }
              private_key: { filename: $PWD/key.pem }"
  run_h2spec -t -k
}
