#!/usr/bin/env bats
# What a forwarder listens on by a Sidecar's egress, ports whose protocol nobody declares, and how
# many connections a workload takes: on real daemons.

load common

setup() {
  scratch
  ending=TERM patience=20
  mkdir -p "$dir/config" "$dir/forwarders"
  export MESH_RUN_DIR=$dir/run MESH_STATE_DIR=$dir/state MESH_CONFIG_DIR=$dir
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  read -r port admin web any app < <(python3 -c '
import socket
all = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(s.getsockname()[1] for s in all))')
  printf '%s\n' 'labels: {app: client}' "outbound: 127.0.0.1:$port" "admin: 127.0.0.1:$admin" \
    >"$dir/forwarders/client.yaml"
  cat >"$dir/config/mesh.yaml" <<YAML
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {protocolDetectionTimeout: 300ms}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec:
  hosts: [web.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: $web, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: any}
spec:
  hosts: [any.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: $any, name: any}]
  endpoints: [{address: 127.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: client}
spec:
  workloadSelector: {labels: {app: client}}
  egress:
  - {port: {number: $web, protocol: HTTP, name: web}, bind: 127.0.0.5, hosts: ["./web.example"]}
  - {port: {number: 0, protocol: HTTP, name: path}, bind: "unix://$dir/web.sock", hosts: ["./web.example"]}
  - {port: {number: $any, name: any}, bind: 127.0.0.6, hosts: ["./any.example"]}
  - {hosts: ["./none.example"]}
YAML
}

# start NAME COMMAND...: in the background, until it prints "ready".
start() {
  : >"$dir/$1.log"  # what an earlier one said must not be taken for its word
  launch "$@"
  until_true grep -qx ready "$dir/$1.log"
}
origin() { start origin "$BATS_TEST_DIRNAME/fakes/origin" "$@"; }
status() { curl -s -m 15 -o /dev/null -w '%{http_code}' "$@"; }
page() { curl -s "127.0.0.1:$admin/$1"; }

@test "egress listeners have their hosts, at an address and on a path; the forwarder's own the rest" {
  origin http@127.0.0.1:"$web"
  start up "$build/mesh" up "$dir"
  [ "$(status "127.0.0.5:$web" -H 'Host: web.example')" = 200 ]
  [ "$(status "127.0.0.5:$web" -H 'Host: any.example')" = 404 ]
  [ "$(status --unix-socket "$dir/web.sock" http://web.example/)" = 200 ]
  [ "$(status "127.0.0.1:$port" -H 'Host: web.example')" = 404 ]
  page listeners | grep -q "^127.0.0.5_$web::127.0.0.5:$web"
}

@test "a port without a protocol takes requests, bytes, and servers that speak first, whom it learns" {
  origin first@127.0.0.1:"$any"
  start up "$build/mesh" up "$dir"
  for _ in 1 2; do
    [ "$(timeout 15 socat -u TCP:127.0.0.6:"$any" -)" = "first $any from 127.0.0.1" ]
  done
  page listeners | grep -q "^127.0.0.6_$any::.*(the server speaks first: $any)"
  kill "${pids[0]}"
  wait "${pids[0]}" || true
  origin http@127.0.0.1:"$any"
  [ "$(status "127.0.0.6:$any" -H 'Host: any.example')" = 200 ]
}

@test "inboundConnections: so many at once, and so many in a time" {
  cat >"$dir/config/app.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: app-1}
spec: {address: 127.0.0.7, ports: {tcp: $app}, labels: {app: app}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: app}
spec:
  hosts: [app.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: $app, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: app}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: app}
spec:
  workloadSelector: {labels: {app: app}}
  ingress: [{port: {number: $app, protocol: TCP, name: tcp}, defaultEndpoint: "127.0.0.1:$app"}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: DISABLE}}
---
apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: app}
spec: {host: app.example, inboundConnections: {max: 1}}
YAML
  rm "$dir/forwarders/client.yaml"
  printf '%s\n' 'workload: app-1' 'labels: {app: app}' "admin: 127.0.0.1:$admin" 'concurrency: 2' \
    >"$dir/forwarders/app-1.yaml"
  origin echo@127.0.0.1:"$app"
  start up "$build/mesh" up "$dir"
  say() { timeout 15 socat - TCP:127.0.0.7:"$app" <<<hello 2>/dev/null; }
  counts() { page stats/prometheus | grep -q "^$1.*inbound|$app||.* $2\$"; }
  exec 9<>/dev/tcp/127.0.0.7/"$app"
  echo first >&9
  read -rt 15 answer <&9
  [ "$answer" = first ]
  [ -z "$(say)" ]
  counts envoy_connection_limit_limited_connections 1
  exec 9>&-
  until_true counts envoy_connection_limit_active_connections 0
  [ "$(say)" = hello ]

  cat >"$dir/policy.yaml" <<'YAML'
apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: app}
spec: {host: app.example, inboundConnections: {rate: {connections: 2, per: 1h}}}
YAML
  mesh apply -f "$dir/policy.yaml" --wait
  [ "$(say)" = hello ]
  [ "$(say)" = hello ]
  [ -z "$(say)" ]
  counts envoy_local_rate_limit_rate_limited 1
}
