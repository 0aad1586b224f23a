#!/usr/bin/env bats
# Services with resolution DNS and DNS_ROUND_ROBIN, from the YAML to the forwarder's connections:
# in namespaces of the test's own, where a DNS server of its own is the host's.

load common

setup() {
  [ "$(id -u)" -eq 0 ] || skip "needs root"
  scratch
  ending=TERM patience=20
  mkdir -p "$dir/config" "$dir/forwarders"
  printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$dir/resolv.conf"
  echo 'hosts: dns' >"$dir/nsswitch.conf"
  # shellcheck disable=SC2016
  launch place unshare --mount --net bash -c 'ip link set lo up && mount --bind "$1/resolv.conf" /etc/resolv.conf &&
    mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf && echo ready && exec sleep 600' - "$dir"
  until_true grep -q . "$dir/place.log"
  grep -q ready "$dir/place.log" || skip "namespaces are not to be had here: $(cat "$dir/place.log")"
  records
  within dns "$BATS_TEST_DIRNAME/fakes/dns" 127.0.0.1 53 "$dir/records"
  for name in 11 12 13; do
    within "origin$name" python3 -c "$(origin)" "127.0.0.$name"
    until_true grep -q ready "$dir/origin$name.log"
  done
  until_true grep -q ready "$dir/dns.log"
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  printf 'namespace: demo\noutbound: 127.0.0.1:15001\nconcurrency: 2\n' >"$dir/forwarders/web.yaml"
  cat >"$dir/config/mesh.yaml" <<'YAML'
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {dnsRefreshRate: 1s}
YAML
}

origin() {  # says its address
  cat <<'PY'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = sys.argv[1].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 8080), Handler)
print("ready", flush=True)
server.serve_forever()
PY
}

inside() { nsenter --mount --net --target "$place" "$@"; }
# within NAME COMMAND...: launch there.
within() { launch "$1" nsenter --mount --net --target "$place" "${@:2}"; }

records() { printf '%s\n' "$@" >"$dir/records.new" && mv "$dir/records.new" "$dir/records"; }

# service RESOLUTION [MORE]: shop.example, port 80, on 8080.
service() {
  cat >"$dir/config/shop.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop, namespace: demo}
spec:
  hosts: [shop.example]
  location: MESH_EXTERNAL
  resolution: $1
  ports: [{number: 80, targetPort: 8080, name: http, protocol: HTTP}]
  ${2:-}
YAML
  within up "$build/mesh" up "$dir"
  until_true grep -qx ready "$dir/up.log"
}

# Who answers, of some requests.
seen() {
  local i
  for i in {1..12}; do
    inside curl -s -m 5 -H 'host: shop.example' http://127.0.0.1:15001/
    echo
  done | sort -u | xargs
}
answered_by() { [ "$(seen)" = "$*" ]; }
questions() { grep -c "question ${1:-shop.example} 1" "$dir/dns.log"; }
asked_since() { (($(questions) > $1)); }

@test "DNS: all addresses are endpoints, they follow the answers, and stay while nobody answers" {
  records 'shop.example 127.0.0.11 127.0.0.12'
  service DNS
  until_true answered_by 127.0.0.11 127.0.0.12
  # After dnsRefreshRate, whatever the answer's TTL.
  records 'shop.example 127.0.0.13 127.0.0.12'
  until_true answered_by 127.0.0.12 127.0.0.13
  records silent
  asked=$(questions)
  until_true asked_since $((asked + 1))
  answered_by 127.0.0.12 127.0.0.13
  # A name that is gone is no reason either.
  records 'else.example 127.0.0.11'
  asked=$(questions)
  until_true asked_since $((asked + 1))
  answered_by 127.0.0.12 127.0.0.13
  records 'shop.example 127.0.0.11'
  until_true answered_by 127.0.0.11
}

@test "DNS: endpoints with names of their own" {
  records 'a.shop.example 127.0.0.11' 'b.shop.example 127.0.0.12 127.0.0.13'
  service DNS 'endpoints: [{address: a.shop.example}, {address: b.shop.example}]'
  until_true answered_by 127.0.0.11 127.0.0.12 127.0.0.13
  # One that nobody knows any more keeps its last address; the other moves.
  records 'b.shop.example 127.0.0.12'
  until_true answered_by 127.0.0.11 127.0.0.12
}

@test "DNS_ROUND_ROBIN: one address, which stays while it is among the answers" {
  records 'shop.example 127.0.0.11 127.0.0.12'
  service DNS_ROUND_ROBIN
  until_true answered_by 127.0.0.11
  records 'shop.example 127.0.0.12 127.0.0.11'
  asked=$(questions)
  until_true asked_since $((asked + 1))
  answered_by 127.0.0.11
  records 'shop.example 127.0.0.13'
  until_true answered_by 127.0.0.13
  records silent
  asked=$(questions)
  until_true asked_since $((asked + 1))
  answered_by 127.0.0.13
}
