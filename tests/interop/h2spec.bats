#!/usr/bin/env bats
# h2spec, the conformance test of HTTP/2, against a forwarder: in clear text and
# under TLS. In clear text HTTP/1.1 is spoken on the same port: what does not begin
# as HTTP/2 does is answered in its words, with 400 and the end.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
  h2spec=$(command -v h2spec || echo "$(go env GOPATH 2>/dev/null)/bin/h2spec")
  [ -x "$h2spec" ] ||
    skip "needs h2spec: go install github.com/summerwind/h2spec/cmd/h2spec@latest"
  [ -x "$build/forwarder" ]
  cd "$BATS_TEST_TMPDIR"
  pids=()
  # Answers when the request is whole: an answer before that would end the
  # streams whose states are tested.
  cat >origin.py <<'EOF'
import http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            while self.rfile.readline().strip():
                pass
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b"hello, hello, hello"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_HEAD = do_PUT = do_OPTIONS = answer

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open("origin.port", "w") as file:
    file.write(str(server.server_address[1]))
server.serve_forever()
EOF
  python3 origin.py >origin.log 2>&1 3>&- &
  pids+=($!)
  for _ in $(seq 100); do [ -s origin.port ] && break || sleep 0.1; done
}

teardown() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
}

# bootstrap PORT TLS: writes bootstrap.yaml; TLS stands in the filter chain.
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
                route: { cluster: origin }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
$2
  clusters:
  - name: origin
    type: STATIC
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: $(cat origin.port) } } }
EOF
}

unused_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# run_h2spec EXCEPT FLAG...: all cases pass, but one whose name holds EXCEPT.
run_h2spec() {
  except=$1
  shift
  "$build/forwarder" -c bootstrap.yaml >forwarder.log 2>&1 3>&- &
  pids+=($!)
  for _ in $(seq 100); do
    (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    kill -0 "${pids[-1]}" || { cat forwarder.log; return 1; }
    sleep 0.1
  done
  "$h2spec" -h 127.0.0.1 -p "$port" -o 5 "$@" >out.txt 2>&1 || true
  tail -60 out.txt
  summary=$(grep -E '^[0-9]+ tests, [0-9]+ passed' out.txt)
  tests=${summary%% tests*}
  passed=$(sed -E 's/.* ([0-9]+) passed.*/\1/' <<<"$summary")
  echo "h2spec: $passed of $tests"
  [ "$tests" -ge 140 ]
  run grep -E '^ *× ' out.txt
  while read -r line; do
    [[ -z "$line" || (-n "$except" && "$line" == *"$except"*) ]] || { echo "failed: $line"; return 1; }
  done <<<"$output"
}

@test "h2spec passes in clear text" {
  port=$(unused_port)
  bootstrap "$port" ""
  run_h2spec "Sends invalid connection preface"
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
  run_h2spec "" -t -k
}
