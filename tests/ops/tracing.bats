#!/usr/bin/env bats
# Spans from the request to a collector: two forwarders, statsd, OTLP.

load common

setup() {
  scratch
  ending=TERM
  mkdir -p "$dir/config" "$dir/forwarders"
  read -r inbound outbound app collector_port < <(python3 - <<'PY'
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(s.getsockname()[1] for s in held))
PY
)
  cat >"$dir/forwarders/reviews-1.yaml" <<YAML
workload: reviews-1
namespace: demo
service_account: reviews
labels: {app: reviews}
concurrency: 2
YAML
  cat >"$dir/forwarders/web.yaml" <<YAML
namespace: demo
service_account: web
labels: {app: web}
outbound: 127.0.0.1:$outbound
concurrency: 1
YAML
  cat >"$dir/config/world.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: $inbound}, labels: {app: reviews}, serviceAccount: reviews}
---
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
kind: Sidecar
metadata: {name: reviews-1, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress: [{port: {number: $inbound, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:$app"}]
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec:
  extensionProviders: [{name: otel, opentelemetry: {}}]
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: spans, namespace: istio-system}
spec:
  tracing:
  - providers: [{name: otel}]
    randomSamplingPercentage: 100
    customTags:
      team: {literal: {value: shop}}
      user: {header: {name: x-user, defaultValue: nobody}}
YAML
  python3 - "$app" 3>&- <<'PY' &
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.headers.get("traceparent", "none").encode()
        self.send_response(int(self.path[1:4]))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
  pids+=("$!")
}

collect() {  # collect http|grpc: spans come to $dir/collector.log
  rm -f "$dir/collector.port"
  launch collector python3 "$BATS_TEST_DIRNAME/otlp_collector.py" "$1" "$dir/collector.port" "$collector_port"
  until_true test -e "$dir/collector.port" || { grep -qx 'no grpcio' "$dir/collector.log" && skip 'no grpcio'; }
}
settings() {  # settings LINE...: of otlp, in statsd.yaml
  printf 'prometheus: 127.0.0.1:0\notlp:\n' >"$dir/statsd.yaml"
  printf '  %s\n' "endpoint: http://127.0.0.1:$collector_port" "$@" >>"$dir/statsd.yaml"
}
get() { curl -s -m 5 -o "$dir/body" -w '%{http_code}' -H 'host: reviews' "http://127.0.0.1:$outbound$1" "${@:2}"; }
is() { [ "$(get "${@:2}")" = "$1" ]; }
# span SERVICE PATH FIELD: of the span of that request, once it has come.
span() {
  python3 - "$dir/collector.log" "$@" <<'PY'
import json
import sys
for line in open(sys.argv[1]):
    span = json.loads(line) if line.startswith("{") else {}
    if span.get("service") == sys.argv[2] and span["tags"]["http.url"].endswith(sys.argv[3]):
        value = span
        for name in sys.argv[4].split("/"):
            value = value.get(name, "")
        print(value)
        sys.exit(0)
sys.exit(1)
PY
}
collected() { span "$1" "$2" id >/dev/null; }
metrics() {
  curl -s -m 5 "http://$(sed -n 's/.*serving \/metrics address=//p' "$dir/run/log/statsd.log" | tail -1)/metrics"
}
shows() { metrics | grep -qE -- "$1"; }

one_trace() {  # one_trace: of a good request and of a bad one, as the collector has it
  until_true is 200 /200/first
  is 200 /200/a -H 'x-user: ann' -H 'user-agent: test'
  until_true collected reviews.demo /200/a
  until_true collected web.demo /200/a
  local trace
  trace=$(span web.demo /200/a trace)
  [[ $trace =~ ^[0-9a-f]{32}$ ]]
  [ "$(span reviews.demo /200/a trace)" = "$trace" ]
  [ "$(span reviews.demo /200/a parent)" = "$(span web.demo /200/a id)" ]
  [ -z "$(span web.demo /200/a parent)" ]
  [ "$(cat "$dir/body")" = "00-$trace-$(span reviews.demo /200/a id)-01" ]
  [ "$(span web.demo /200/a kind)" = SPAN_KIND_CLIENT ]
  [ "$(span reviews.demo /200/a kind)" = SPAN_KIND_SERVER ]
  [ "$(span web.demo /200/a status)" = UNSET ]
  [ "$(span web.demo /200/a sdk)" = mesh ]
  [ "$(span web.demo /200/a ns)" -gt 0 ]
  [ "$(span web.demo /200/a name)" = 'reviews:80/*' ]
  [ "$(span reviews.demo /200/a name)" = 'reviews:80/*' ]
  [ "$(span web.demo /200/a tags/upstream_cluster)" = 'outbound|80||reviews' ]
  [ "$(span web.demo /200/a tags/http.status_code)" = 200 ]
  [ "$(span web.demo /200/a tags/http.url)" = http://reviews/200/a ]
  [ "$(span web.demo /200/a tags/user_agent)" = test ]
  [ "$(span reviews.demo /200/a tags/user)" = ann ]
  [ "$(span reviews.demo /200/a tags/team)" = shop ]
  [ "$(span reviews.demo /200/a tags/istio.canonical_service)" = reviews ]
  [[ $(span reviews.demo /200/a tags/node_id) == reviews-1@* ]]
  is 404 /404/b
  until_true collected reviews.demo /404/b
  until_true collected web.demo /404/b
  [ "$(span web.demo /404/b status)" = STATUS_CODE_ERROR ]
  [ "$(span reviews.demo /404/b status)" = UNSET ]
}

@test "one trace over two forwarders reaches a collector over gRPC" {
  settings 'headers: {X-Key: secret}'
  collect grpc
  mesh_up
  one_trace
  [ "$(span web.demo /200/a headers/x-key)" = secret ]
  until_true shows '^mesh_statsd_spans_exported_total [1-9]'
  shows '^mesh_statsd_spans_dropped_total 0$'
  until_true shows '^envoy_tracing_opentelemetry_spans_sent[ {].*[1-9]'
  mesh describe workload reviews-1 --run-dir "$dir/run" >"$dir/described"
  grep -q 'spans to otel, samples 100 % of traces, 2 tags of spans' "$dir/described"
}

@test "one trace over two forwarders reaches a collector over HTTP" {
  settings 'protocol: http' 'headers: {x-key: secret}'
  collect http
  mesh_up
  one_trace
  [ "$(span web.demo /200/a headers/x-key)" = secret ]
}

@test "a collector that is away harms nobody, and gets what waited" {
  settings 'protocol: http' 'spans_max: 80'
  mesh_up
  until_true is 200 /200/first
  until_true shows '^mesh_statsd_span_exports_failed_total [1-9]'
  for _ in {1..100}; do is 200 /200/away; done
  until_true shows '^mesh_statsd_spans_dropped_total [1-9]'
  shows '^mesh_statsd_spans_exported_total 0$'
  grep -q 'the collector does not take spans' "$dir/run/log/statsd.log"
  collect http
  patience=40 until_true shows '^mesh_statsd_spans_exported_total [1-9]'
  grep -q 'spans are exported again' "$dir/run/log/statsd.log"
  is 200 /200/back
  patience=40 until_true collected reviews.demo /200/back
}

@test "without a collector spans are dropped and counted" {
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  mesh_up
  until_true is 200 /200/first
  until_true shows '^mesh_statsd_spans_dropped_total [1-9]'
  shows '^mesh_statsd_spans_exported_total 0$'
}

@test "a forwarder on a bootstrap exports its spans itself" {
  collect grpc
  cat >"$dir/bootstrap.yaml" <<YAML
node: {id: edge-1, cluster: edge}
static_resources:
  listeners:
  - name: front
    traffic_direction: INBOUND
    address: {socket_address: {address: 127.0.0.1, port_value: $outbound}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          tracing:
            provider:
              name: envoy.tracers.opentelemetry
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                service_name: edge
                grpc_service: {envoy_grpc: {cluster_name: collector}, initial_metadata: [{key: x-key, value: secret}]}
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: app}}]}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
  clusters:
  - {name: app, load_assignment: {cluster_name: app, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $app}}}}]}]}}
  - {name: collector, load_assignment: {cluster_name: collector, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $collector_port}}}}]}]}}
YAML
  start forwarder -c "$dir/bootstrap.yaml" --concurrency 2 --user "$(id -un)"
  until_true is 200 /200/first
  is 200 /200/a
  until_true collected edge /200/a
  [ "$(span edge /200/a tags/node_id)" = edge-1 ]
  [ "$(span edge /200/a headers/x-key)" = secret ]
  [ "$(span edge /200/a kind)" = SPAN_KIND_SERVER ]
}

@test "settings of otlp that are wrong are refused" {
  settings 'protocol: zipkin'
  run "$build/statsd" -n -c "$dir/statsd.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *'otlp.protocol: expected grpc or http, got "zipkin"'* ]]
}
