#!/usr/bin/env bats
# What mesh status, proxy-status and waits say of forwarders that are not as they should
# be: of another's name, silent, ending.

load common

setup() {
  scratch
  ending=TERM patience=30
  mkdir -p "$dir/config" "$dir/forwarders"
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  export MESH_RUN_DIR=$dir/run
  out=$(free_port) admin=$(free_port) port=$(free_port) holder_port=$(free_port)
  cat >"$dir/config/web.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: demo}
spec:
  hosts: [web]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: web}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: $port}, labels: {app: web}, serviceAccount: web}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: held, namespace: demo}
spec:
  hosts: [held.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $holder_port}}]
YAML
  cat >"$dir/forwarders/web-1.yaml" <<YAML
workload: web-1
namespace: demo
service_account: web
labels: {app: web}
outbound: 127.0.0.1:$out
admin: 127.0.0.1:$admin
drain: 60s
concurrency: 1
YAML
}

# exits STATUS COMMAND...: its output is in $output.
exits() { run "${@:2}"; [ "$status" -eq "$1" ]; }
says() { run "${@:2}"; [[ $output == *"$1"* ]]; }
# is NAME STATE: what mesh status says, and its exit status is $3.
is() { run mesh status; [ "$status" -eq "$3" ] && grep -q "^$1@[^ ]* *$2 " <<<"$output"; }
endpoint_is() { mesh endpoints web 2>/dev/null | grep "^127.0.0.1:$port " | grep -qw "$1"; }
pid_of() { mesh status -o json | sed -n "s/.*\"name\":\"$1@[^}]*\"pid\":\([0-9]*\).*/\1/p"; }
# The outbound listener of web-1 is where it was.
serves() { [[ $(curl -sS -m 5 -o "$dir/body" -w '%{http_code}' -H "host: $1" "127.0.0.1:$out") == "$2" ]]; }

@test "a second forwarder of a name is refused, is named, and takes nothing from the first" {
  mesh_up
  until_true exits 0 mesh status
  until_true serves nobody.example 404
  until_true endpoint_is HEALTHY
  local first
  first=$(pid_of web-1)
  grep -vE '^(outbound|admin):' "$dir/forwarders/web-1.yaml" >"$dir/web-2.yaml"
  echo "outbound: 127.0.0.1:$(free_port)" >>"$dir/web-2.yaml"
  cp "$dir/web-2.yaml" "$dir/forwarders/web-2.yaml"
  until_true says " REFUSED " mesh proxy-status
  exits 1 mesh proxy-status
  [[ $output == *"web-1@"*" SYNCED "* ]]
  [[ $output == *"is refused by discoveryd: the name "*"(pid $first, uid $(id -u))"*"another name:"* ]]
  says '"state":"REFUSED"' mesh proxy-status -o json
  says ' SYNCED ' mesh proxy-status

  until_true is web-2 refused 1
  [[ $output == *"is refused by discoveryd: the name "* ]]
  is web-1 up 1
  exits 1 mesh wait
  [[ $output == *"web-1@"*" is refused by discoveryd: the name "*"pid $first"* ]]
  printf '%s\n' 'apiVersion: networking.istio.io/v1' 'kind: ServiceEntry' \
    'metadata: {name: other, namespace: demo}' \
    'spec: {hosts: [other.example], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}' \
    >"$dir/other.yaml"
  exits 1 mesh apply -f "$dir/other.yaml" --wait
  [[ $output == *"is refused by discoveryd"* ]]

  # Its log says so once, and nothing of the first is another's now.
  [ "$(grep -c 'discoveryd refuses this forwarder.*pid '"$first" "$dir/run/log/web-2.log")" = 1 ]
  endpoint_is HEALTHY
  serves nobody.example 404

  # It ends, and says that its workload does.
  rm "$dir/forwarders/web-2.yaml"
  until_true exits 0 mesh proxy-status
  until_true exits 0 mesh status
  mesh wait
  endpoint_is HEALTHY
  serves nobody.example 404

  # Whoever comes second is served when the first has ended.
  cp "$dir/web-2.yaml" "$dir/forwarders/web-2.yaml"
  until_true is web-2 refused 1
  rm "$dir/forwarders/web-1.yaml"
  until_true exits 0 mesh proxy-status
  until_true is web-2 up 0
  until_true endpoint_is HEALTHY
  grep -q 'discoveryd serves this forwarder now' "$dir/run/log/web-2.log"
}

@test "a forwarder killed and started again at once is served at once, by its name" {
  mesh_up
  until_true exits 0 mesh status
  local old
  old=$(pid_of web-1)
  kill -KILL "$old"
  another() { local now; now=$(pid_of web-1); [[ -n $now && $now != "$old" ]]; }
  until_true another
  until_true exits 0 mesh proxy-status
  ! grep -q 'discoveryd refuses' "$dir/run/log/web-1.log"
}

@test "mesh status asks the forwarders themselves: silent, draining, up again" {
  launch holder python3 -c "
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(('127.0.0.1', $holder_port))
server.listen()
held = []
print('listening', flush=True)
while True:
    held.append(server.accept())
    print('held', flush=True)
"
  until_true log_says holder listening
  mesh_up
  until_true is web-1 up 0
  local pid
  pid=$(pid_of web-1)
  kill -STOP "$pid"
  until_true is web-1 silent 1
  kill -CONT "$pid"
  until_true is web-1 up 0

  # In its own words it is not to be called.
  curl -fsS -m 5 -X POST "127.0.0.1:$admin/healthcheck/fail"
  until_true is web-1 draining 0
  curl -fsS -m 5 -X POST "127.0.0.1:$admin/healthcheck/ok"
  until_true is web-1 up 0

  # It ends once its request has.
  held() { log_says holder held; }
  launch request curl -sS -m 60 -H 'host: held.example' "127.0.0.1:$out"
  until_true held
  kill -TERM "$pid"
  until_true is web-1 draining 0
  kill -KILL "$holder"
  another() { local now; now=$(pid_of web-1); [[ -n $now && $now != "$pid" ]]; }
  until_true another
  until_true is web-1 up 0
}
