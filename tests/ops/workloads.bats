#!/usr/bin/env bats
# Instances that register by a WorkloadGroup: from their forwarder's start to its end,
# and what their probe says meanwhile.

load common

setup() {
  scratch
  daemon_dirs
  printf 'identities: [{uid: %s, namespace: demo, service_account: reviews}]\n' "$(id -u)" \
    >"$dir/etc/certd.yaml"
  echo 'start_grace: 0s' >"$dir/etc/discoveryd.yaml"
  cat >"$dir/origin.py" <<'PY'
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        well = not os.path.exists(sys.argv[1] + "/ill") and self.headers["x-probe"] == "yes"
        self.send_response(204 if well else 503)
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
PY
  launch origin python3 "$dir/origin.py" "$dir"
  until_true log_says origin '^port'
  app=$(sed -n 's/^port //p' "$dir/origin.log")
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.9", 0)); print(s.getsockname()[1])')
  group v1
}

# is ADDRESS WORD...: the line of `mesh endpoints` has all of them.
is() {
  local line word
  line=$(mesh endpoints reviews -o wide 2>/dev/null | grep "^$1 ") || return 1
  for word in "${@:2}"; do [[ $line == *"$word"* ]] || return 1; done
}
nobody() { [ -z "$(mesh endpoints reviews -o name 2>/dev/null)" ]; }

group() {  # group VERSION
  cat >"$dir/etc/config/reviews.yaml" <<YAML
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
kind: WorkloadGroup
metadata: {name: reviews, namespace: demo}
spec:
  metadata: {labels: {app: reviews}}
  template: {ports: {http: $port}, labels: {version: $1}, serviceAccount: reviews, weight: 7}
  probe:
    periodSeconds: 1
    failureThreshold: 1
    httpGet: {path: /healthz, port: $app, httpHeaders: [{name: x-probe, value: "yes"}]}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress: [{port: {number: $port, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:$app"}]
YAML
}

up() {
  cat >"$dir/etc/reviews.yaml" <<YAML
name: reviews-a
namespace: demo
workload_group: reviews
address: 127.0.0.9
locality: eu/z1
drain: 2s
YAML
  start certd
  start configd
  start discoveryd
  until_true mesh endpoints reviews -q
  start forwarder -c "$dir/etc/reviews.yaml"
  endpoint=127.0.0.9:$port
}

@test "an instance registers by its group, follows it, and leaves before its forwarder ends" {
  up
  until_true is "$endpoint" HEALTHY forwarder version=v1 eu/z1 " 7 " \
    spiffe://cluster.local/ns/demo/sa/reviews
  group v2
  until_true is "$endpoint" HEALTHY version=v2
  kill -TERM "$forwarder"
  wait "$forwarder"
  until_true nobody
  ! log_says forwarder 'unconfirmed\|not all have confirmed'
}

@test "its probe says whether it is well: before the first success it is not" {
  touch "$dir/ill"
  up
  until_true is "$endpoint" UNHEALTHY
  # It has found so itself by now, and is well as soon as the application is.
  rm "$dir/ill"
  until_true is "$endpoint" HEALTHY
  touch "$dir/ill"
  until_true is "$endpoint" UNHEALTHY 503
  # Without a probe nobody says so.
  sed -i '/probe:/,/httpGet/d' "$dir/etc/config/reviews.yaml"
  until_true is "$endpoint" HEALTHY
}

@test "killed, it is withdrawn; discoveryd killed or without its state withdraws nobody" {
  echo 'start_grace: 30s' >"$dir/etc/discoveryd.yaml"
  up
  until_true is "$endpoint" HEALTHY
  kill -KILL "$discoveryd"
  rm -r "$dir/state/discoveryd"
  start discoveryd
  until_true is "$endpoint" HEALTHY
  kill -KILL "$forwarder"
  until_true nobody
}
