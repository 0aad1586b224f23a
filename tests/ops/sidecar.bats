#!/usr/bin/env bats
# What a Sidecar says of a workload's own forwarder: limits towards the application,
# certificates of its own, and where unknown traffic goes.

load common

setup() {
  scratch
  ending=TERM patience=20
  mkdir -p "$dir/config" "$dir/forwarders"
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  port=$(free_port) application=$(free_port) out=$(free_port)
  export MESH_RUN_DIR=$dir/run
  cat >"$dir/forwarders/shop.yaml" <<YAML
workload: shop
namespace: demo
service_account: shop
labels: {app: shop}
outbound: 127.0.0.1:$out
concurrency: 1
YAML
}

# An application that holds each request to /slow until $dir/go is there, and counts them.
serve_application() {
  cat >"$dir/application.py" <<'PY'
import http.server, os, sys, time
folder = sys.argv[2]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            open(f"{folder}/held", "w").close()
            deadline = time.monotonic() + 20
            while not os.path.exists(f"{folder}/go") and time.monotonic() < deadline:
                time.sleep(0.01)
        self.send_response(200)
        body = f"the application: {self.headers['host']}\n".encode()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
  launch origin python3 "$dir/application.py" "$application" "$dir"
}

# objects PROTOCOL MODE INGRESS [SIDECAR]: the workload, its service, and what its Sidecar says.
objects() {
  cat >"$dir/config/shop.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop, namespace: demo}
spec:
  hosts: [shop.internal]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: web, protocol: $1}]
  workloadSelector: {labels: {app: shop}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: shop, namespace: demo}
spec: {address: 127.0.0.1, ports: {web: $port}, labels: {app: shop}, serviceAccount: shop}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: shop, namespace: demo}
spec: {selector: {matchLabels: {app: shop}}, portLevelMtls: {$port: {mode: $2}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: shop, namespace: demo}
spec:
  workloadSelector: {labels: {app: shop}}
  ingress:
  - port: {number: $port, protocol: $1, name: web}
    defaultEndpoint: 127.0.0.1:$application
$3
${4:-}
YAML
}

# status URL [CURL OPTION...]: the answer's status, or 000.
status() { curl -sS -m 10 -o "$dir/body" -w '%{http_code}' "${@:2}" "$1" 2>>"$dir/curl.log" || true; }
answers() { [[ $(status "${@:2}") == "$1" ]]; }

@test "limits towards the application: a port's, the Sidecar's, the service's DestinationRule's" {
  serve_application
  # The number of retries tells which of them is in force.
  pool() { echo "{tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1, maxRetries: $1}}"; }
  in_force() { mesh proxy-config clusters shop -o json | grep -qE "\"max_?[rR]etries\": ?$1\b"; }
  answered() { [[ $(cat "$dir"/code.? 2>/dev/null | grep -c "$1") -ge $2 ]]; }
  # While one request is at the application one more may wait, and others are refused.
  limited() {
    rm -f "$dir"/held "$dir"/go "$dir"/code.? "$dir"/head.?
    curl -sS -m 20 -o /dev/null "http://127.0.0.1:$port/slow" 2>/dev/null 3>&- &
    pids+=("$!")
    until_true test -e "$dir/held"
    local i
    for i in 1 2 3; do
      curl -sS -m 20 -o /dev/null -w '%{http_code}\n' -D "$dir/head.$i" "http://127.0.0.1:$port/" \
        >"$dir/code.$i" 2>/dev/null 3>&- &
      pids+=("$!")
    done
    until_true answered 503 2
    touch "$dir/go"
    until_true answered 200 1
    cat "$dir"/head.? | grep -qi '^x-envoy-overloaded: true'
  }
  objects HTTP DISABLE "    connectionPool: $(pool 11)" "  inboundConnectionPool: {http: {maxRetries: 12}}"
  mesh_up
  until_true answers 200 "http://127.0.0.1:$port/"
  in_force 11
  limited
  objects HTTP DISABLE "" "  inboundConnectionPool: $(pool 12)"
  until_true in_force 12
  limited
  cat >"$dir/config/rule.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop, namespace: demo}
spec: {host: shop.internal, trafficPolicy: {connectionPool: $(pool 13)}}
YAML
  objects HTTP DISABLE ""
  inbound_in_force() {
    mesh proxy-config clusters shop -o json | grep '"inbound|' | grep -qE "\"max_?[rR]etries\": ?13\b"
  }
  until_true inbound_in_force
  limited
}

@test "a port shows certificates of its own where the mesh has no TLS there" {
  serve_application
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/ca.key" \
    -subj /CN=ca -days 1 -out "$dir/ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/own.key" \
    -subj /CN=own -out "$dir/own.csr" 2>/dev/null
  openssl x509 -req -in "$dir/own.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial \
    -days 1 -extfile <(echo subjectAltName=DNS:shop.example) -out "$dir/own.pem" 2>/dev/null
  chmod 600 "$dir/own.key"
  local files="serverCertificate: $dir/own.pem, privateKey: $dir/own.key"
  local to=(--cacert "$dir/ca.pem" --resolve "shop.example:$port:127.0.0.1")
  objects HTTPS DISABLE "    tls: {mode: SIMPLE, $files}"
  mesh_up
  until_true answers 200 "https://shop.example:$port/" "${to[@]}"
  grep -q "the application: shop.example:$port" "$dir/body"
  answers 200 "https://shop.example:$port/" "${to[@]}" --http2
  answers 000 "http://127.0.0.1:$port/"
  # Of clients one too.
  objects HTTPS DISABLE "    tls: {mode: MUTUAL, $files, caCertificates: $dir/ca.pem}"
  until_true answers 000 "https://shop.example:$port/" "${to[@]}"
  answers 200 "https://shop.example:$port/" "${to[@]}" --cert "$dir/own.pem" --key "$dir/own.key"
  # TLS of bytes ends here too.
  objects TLS DISABLE "    tls: {mode: SIMPLE, $files}"
  until_true answers 200 "https://shop.example:$port/" "${to[@]}"
  # Where the mesh speaks its own, that is what is spoken.
  objects HTTPS STRICT "    tls: {mode: SIMPLE, $files}"
  until_true answers 000 "https://shop.example:$port/" "${to[@]}"
}

@test "requests to hosts that nobody has go to the egress proxy" {
  serve_application
  objects HTTP DISABLE ""
  cat >"$dir/config/proxy.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: proxy, namespace: demo}
spec:
  hosts: [proxy.internal]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 3128, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $application}}]
YAML
  mesh_up
  out() { answers "$1" "http://127.0.0.1:$out/" -H "host: $2"; }
  until_true out 200 shop.internal
  out 404 nobody.example
  objects HTTP DISABLE "" \
    "  outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: proxy.internal, port: {number: 3128}}}"
  until_true out 200 nobody.example
  grep -q 'the application: nobody.example' "$dir/body"
  out 200 shop.internal
  # On demand too: nobody names the proxy, and it is there.
  echo 'subscribe: on_demand' >>"$dir/forwarders/shop.yaml"
  end_all
  pids=()
  serve_application
  mesh_up
  until_true out 200 other.example
  grep -q 'the application: other.example' "$dir/body"
}
