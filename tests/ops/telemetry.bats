#!/usr/bin/env bats
# Telemetry on real daemons: which requests are logged, and who makes trace contexts.

load common

setup() {
  scratch
  ending=TERM
  mkdir -p "$dir/config" "$dir/forwarders"
  read -r inbound app < <(python3 - <<'PY'
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))
PY
)
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  cat >"$dir/forwarders/reviews-1.yaml" <<YAML
workload: reviews-1
namespace: demo
service_account: reviews
labels: {app: reviews}
access_log: $dir/access.log
concurrency: 1
YAML
  cat >"$dir/config/reviews.yaml" <<YAML
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
YAML
  # Answers the status that the path names, and the trace context that it was given.
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


http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
  pids+=("$!")
}

telemetry() {  # telemetry SPEC: in force when this returns
  printf 'apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t, namespace: demo}\nspec: {%s}\n' \
    "$1" >"$dir/t.yaml"
  "$build/mesh" apply -f "$dir/t.yaml" --wait --run-dir "$dir/run"
}

get() { curl -s -m 5 -o "$dir/body" -w '%{http_code}' "http://127.0.0.1:$inbound$1" "${@:2}"; }
is() { [ "$(get "${@:2}")" = "$1" ]; }
logged() { grep -q -- "$1" "$dir/access.log"; }

@test "a log takes what its expression holds for" {
  mesh_up
  until_true is 200 /200
  until_true logged 'GET /200 '
  telemetry "accessLogging: [{filter: {expression: \"response.code >= 400 || request.headers['x-log'] == 'yes'\"}}]"
  is 200 /200/unseen
  is 200 /200/asked -H 'x-log: yes'
  is 404 /404/lost
  until_true logged 'GET /404/lost '
  logged 'GET /200/asked '
  ! logged unseen
}

@test "a log that is switched off takes nothing, and the nearest Telemetry decides" {
  mesh_up
  until_true is 200 /200
  telemetry 'accessLogging: [{disabled: true}]'
  is 200 /200/off
  telemetry 'selector: {matchLabels: {app: reviews}}, accessLogging: [{disabled: false, match: {mode: SERVER}}]'
  is 200 /200/on
  until_true logged 'GET /200/on '
  ! logged /200/off
}

@test "requests get a trace context where Telemetry says so" {
  mesh_up
  until_true is 200 /200
  [ "$(cat "$dir/body")" = none ]
  telemetry 'tracing: [{disableSpanReporting: true}]'
  is 200 /200
  [[ $(cat "$dir/body") =~ ^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$ ]]
  telemetry 'tracing: [{disableContextPropagation: true}]'
  is 200 /200
  [ "$(cat "$dir/body")" = none ]
}

metrics() {
  curl -s -m 5 "http://$(sed -n 's/.*serving \/metrics address=//p' "$dir/run/log/statsd.log" | tail -1)/metrics"
}
shows() { metrics | grep -qE -- "$1"; }
no_more() { ! shows "$1"; }

@test "traces that begin here are sampled as Telemetry says" {
  mesh_up
  telemetry 'tracing: [{randomSamplingPercentage: 100}]'
  until_true is 200 /200
  for _ in 1 2 3 4 5; do
    is 200 /200
    [[ $(cat "$dir/body") == *-01 ]]
  done
  telemetry 'tracing: [{randomSamplingPercentage: 0}]'
  for _ in 1 2 3 4 5; do
    is 200 /200
    [[ $(cat "$dir/body") == *-00 ]]
  done
  is 200 /200 -H 'x-client-trace-id: 1'
  [[ $(cat "$dir/body") == *-01 ]]
  # A decision that comes with the request stays.
  is 200 /200 -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  [ "$(cat "$dir/body")" = 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 ]
}

@test "metrics are shown as Telemetry says, on the page that Prometheus reads" {
  mesh_up
  until_true is 200 /200
  until_true shows '^istio_requests_total\{.*response_code="200"'
  shows '^istio_request_bytes_count'
  telemetry "metrics: [{providers: [{name: prometheus}], overrides: [
    {match: {metric: REQUEST_SIZE}, disabled: true},
    {match: {metric: REQUEST_COUNT, mode: SERVER}, tagOverrides: {
      response_code: {operation: REMOVE}, method: {value: request.method},
      user: {value: \"request.headers['x-user']\"}, team: {value: \"'shop'\"}}}]}]"
  get /200 -H 'x-user: ann' -X GET
  get /404 -H 'x-user: ann'
  until_true shows '^istio_requests_total\{.*,method="GET",team="shop",user="ann"\} 2$'
  no_more '^istio_requests_total\{.*response_code='
  no_more '^istio_request_bytes_count'
  shows '^istio_request_duration_milliseconds_count\{.*response_code="404"'
  no_more '^istio_request_duration_milliseconds_count\{.*user='
  "$build/mesh" delete telemetry/demo/t --wait --run-dir "$dir/run"
  until_true shows '^istio_requests_total\{.*response_code="404"'
  until_true no_more 'user="ann"'
  until_true shows '^istio_request_bytes_count'
}

@test "what Telemetry cannot choose is refused with its place" {
  printf 'apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t}\nspec:\n  accessLogging:\n  - filter:\n      expression: "connection.mtls"\n' \
    >"$dir/t.yaml"
  run "$build/mesh" validate "$dir/t.yaml"
  [ "$status" -ne 0 ]
  [[ "$output" == *'t.yaml:7:7: Telemetry default/t: spec.accessLogging[0].filter.expression: at byte 1: expected'* ]]
}
