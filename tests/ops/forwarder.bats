#!/usr/bin/env bats
# A forwarder of a mesh from a shell: its settings change while it runs.

load common

setup() {
  scratch
  daemon_dirs
  cat >"$dir/etc/config/hello.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: hello, namespace: default}
spec: {hosts: [hello], http: [{directResponse: {status: 200, body: {string: hello}}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: hello, namespace: default}
spec:
  hosts: [hello]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1}]
YAML
  settings "$dir/a.sock"
}

# settings OUTBOUND [LINE...]
settings() {
  printf 'outbound: %s\n' "$1" >"$dir/web.yaml"
  [ $# -eq 1 ] || printf '%s\n' "${@:2}" >>"$dir/web.yaml"
}

log_says() { grep -q -- "$1" "$dir/forwarder.log"; }
says_hello() { [[ $(curl -s --max-time 2 --unix-socket "$1" http://hello/) == hello ]]; }

start_mesh() {
  start configd
  start discoveryd
  start forwarder -c "$dir/web.yaml"
  until_true says_hello "$dir/a.sock"
}

@test "SIGHUP: listeners, logs and limits of a forwarder change while it runs" {
  start_mesh
  settings "$dir/b.sock" "access_log: $dir/access.log" 'connections_max: 1' 'drain: 2s'
  kill -HUP "$forwarder"
  until_true says_hello "$dir/b.sock"
  until_true log_says 'settings read anew'
  logged() { grep -q '"GET / HTTP/1.1" 200' "$dir/access.log"; }
  until_true logged
  refused() { ! says_hello "$dir/a.sock"; }
  until_true refused

  # One connection, and it is taken.
  exec {held}> >(exec python3 -c '
import socket, sys
while True:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(sys.argv[1])
        s.sendall(b"GET / HTTP/1.1\r\nhost: hello\r\n\r\n")
        if s.recv(99).startswith(b"HTTP/1.1 200"):
            break
    except OSError:
        pass
open(sys.argv[2], "w").close()
sys.stdin.read()' "$dir/b.sock" "$dir/held" 3>&-)
  until_true test -e "$dir/held"
  full() { ! says_hello "$dir/b.sock"; }
  until_true full
  settings "$dir/b.sock"
  kill -HUP "$forwarder"
  until_true says_hello "$dir/b.sock"
  exec {held}>&-
  kill -0 "$forwarder"
}

@test "SIGHUP: what needs a restart is said by its key, and nothing changes" {
  start_mesh
  settings "$dir/b.sock" 'workload: other'
  kill -HUP "$forwarder"
  until_true log_says 'workload: changes with a restart only'
  until_true log_says 'the settings before stay in force'
  settings "$dir/b.sock" 'drain: 9h'
  kill -HUP "$forwarder"
  until_true log_says 'drain: expected 10ms to 1h'
  printf 'static_resources: {}\n' >"$dir/web.yaml"
  kill -HUP "$forwarder"
  until_true log_says 'this forwarder was started with settings'
  says_hello "$dir/a.sock"
  [ ! -e "$dir/b.sock" ]
}
