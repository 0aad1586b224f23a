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
  until_true log_says 'web.yaml:2:1: workload: changes with a restart only'
  until_true log_says 'the settings before stay in force'
  settings "$dir/b.sock" 'drain: 9h'
  kill -HUP "$forwarder"
  until_true log_says 'web.yaml:2:1: drain: expected 10ms to 1h'
  printf 'static_resources: {}\n' >"$dir/web.yaml"
  kill -HUP "$forwarder"
  until_true log_says 'this forwarder was started with settings'
  says_hello "$dir/a.sock"
  [ ! -e "$dir/b.sock" ]
}

# refuses LINE WANT: -n refuses settings of that one line with this text behind the file's name.
refuses() {
  printf '%s\n' "$1" >"$dir/wrong.yaml"
  run "$build/forwarder" -n -c "$dir/wrong.yaml"
  [[ $status -eq 78 && $output == *"wrong.yaml:$2"* ]] || { echo "$1: $status: $output"; return 1; }
}

@test "-n and SIGHUP refuse what discoveryd would, by its place" {
  refuses 'outbound: unix:/tmp/x.sock' '1:1: outbound: expected ADDRESS:PORT or a path'
  refuses 'outbound: foo:80' '1:1: outbound: expected ADDRESS:PORT or a path'
  refuses 'outbound_tcp: foo' '1:1: outbound_tcp: expected an IPv4 address, got "foo"'
  refuses 'outbound_mode: "999"' '1:1: outbound_mode: expected octal up to 0777'
  refuses 'outboundMode: "999"' '1:1: outboundMode: expected octal up to 0777'
  refuses 'proxy_protocol_peers: [192.0.2.1, foo]' '1:35: proxy_protocol_peers[1]: expected an IP address'
  refuses 'capture: {outbound: "15001"}' '1:11: capture.outbound: expected ADDRESS:PORT'
  refuses 'capture: {inbound_mode: both}' '1:11: capture.inbound_mode: expected redirect or tproxy'
  refuses 'admin: 0.0.0.0:20499' '1:1: admin: 0.0.0.0:20499 can be reached from outside'
  refuses 'admin: nowhere' '1:1: admin: expected IP:PORT'
  refuses 'concurrency: 65' '1:1: concurrency: expected at most 64'
  refuses 'namespace: a/b' '1:1: namespace: expected 1 to 253 of'
  refuses 'name: a b' '1:1: name: expected 1 to 253 of'
  refuses 'locality: a/b/c/d' '1:1: locality: expected REGION/ZONE/SUBZONE'
  refuses 'ports: {http: 80}' '1:1: ports: need address'
  refuses 'address: 192.0.2.7' '1:1: address: needs workload'
  refuses '{workload: web, address: notanip}' '1:17: address: expected an IP address, got "notanip"'
  refuses '{workload: web, address: 192.0.2.7, ports: {http: 99999}}' \
    '1:45: ports["http"]: expected a port from 1 to 65535'
  printf 'workload: web\naddress: 192.0.2.7\nports: {http: 80}\noutbound: "@web"\n' >"$dir/right.yaml"
  "$build/forwarder" -n -c "$dir/right.yaml"

  start_mesh
  settings unix:/tmp/x.sock
  kill -HUP "$forwarder"
  until_true log_says 'web.yaml:1:1: outbound: expected ADDRESS:PORT or a path'
  until_true log_says 'the settings before stay in force'
  says_hello "$dir/a.sock"
}

@test "an admin address that others can reach is refused in a bootstrap too: 78" {
  echo 'admin: {address: {socket_address: {address: 0.0.0.0, port_value: 20499}}}' >"$dir/boot.yaml"
  echo 'static_resources: {}' >>"$dir/boot.yaml"
  run "$build/forwarder" -n -c "$dir/boot.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *"boot.yaml: admin: 0.0.0.0:20499 can be reached from outside"* ]]
}
