#!/usr/bin/env bats
# A forwarder that runs short says so to who asks, sheds, and recovers alone.

load common

setup() {
  scratch
  ending=TERM
  mkdir -p "$dir/config" "$dir/forwarders"
  read -r port app < <(python3 - <<'PY'
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))
PY
)
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  cat >"$dir/config/a.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a, namespace: demo}
spec:
  hosts: [a.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $app}}]
YAML
  launch origin python3 -m http.server --bind 127.0.0.1 --directory "$dir/config" "$app"
}

# up SETTINGS: a mesh with the forwarder "web", which listens at $port.
up() {
  printf 'namespace: demo\nname: web\noutbound: 127.0.0.1:%s\n%s\n' "$port" "$1" >"$dir/forwarders/web.yaml"
  mesh_up
  until_true answers
}

answers() { curl -fsS -m 5 -o "$dir/body" -H 'host: a.example' "http://127.0.0.1:$port/a.yaml" 2>/dev/null; }
refused() { ! answers; }
status_of() { "$build/mesh" status --run-dir "$dir/run" "$@"; }
state_is() { status_of -o json 2>/dev/null | grep -q "\"name\":\"web@[^\"]*\",\"state\":\"$1\""; }

@test "a forwarder at its limit of connections is overloaded in mesh status, and recovers alone" {
  up 'connections_max: 3'
  until_true state_is up
  exec 5<>"/dev/tcp/127.0.0.1/$port" 6<>"/dev/tcp/127.0.0.1/$port" 7<>"/dev/tcp/127.0.0.1/$port"
  until_true refused
  until_true state_is overloaded
  run status_of
  [ "$status" -eq 1 ]
  [[ "$output" =~ web@[^\ ]*\ +overloaded\  ]]
  [[ "$output" =~ web@[^\ ]*' sheds load: reject_incoming_connections' ]]
  # One that goes makes room for another, and the state follows.
  exec 5>&- 6>&-
  until_true answers
  until_true state_is up
  status_of
  exec 7>&-
}

@test "a forwarder over its share of memory refuses requests, says so, and recovers alone" {
  up ''
  # Any process has more memory than this.
  echo 'overload: {memory_bytes_max: 65536, memory_percent: 90}' >>"$dir/forwarders/web.yaml"
  pid=$(status_of -o json | sed -nE 's/.*"name":"web@[^"]*","state":"[a-z]*","pid":([0-9]+).*/\1/p')
  kill -HUP "$pid"
  until_true state_is overloaded
  run status_of
  [ "$status" -eq 1 ]
  [[ "$output" =~ web@[^\ ]*' sheds load: stop_accepting_requests' ]]
  [ "$(curl -s -m 5 -o "$dir/body" -w '%{http_code}' -H 'host: a.example' "http://127.0.0.1:$port/a.yaml")" = 503 ]
  sed -i '/^overload/d' "$dir/forwarders/web.yaml"
  kill -HUP "$pid"
  until_true state_is up
  until_true answers
}
