#!/usr/bin/env bats
# Changes over live traffic: what a change would do (apply --dry-run, plan), and what
# daemons that die or lose their state take from it: nothing.

load common

setup() {
  scratch
  daemon_dirs
}

end() { kill -KILL "${!1}"; wait "${!1}" 2>/dev/null || true; }

# service NAME PORT: one of this host, outside the mesh.
service() {
  cat <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $1, namespace: demo}
spec:
  hosts: [$1.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $2}}]
YAML
}

# routes HTTP: a VirtualService of a.example.
routes() {
  cat <<YAML
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: demo}
spec:
  hosts: [a.example]
  http: $1
YAML
}

# An origin that answers everything, a mesh with two services of it, a and b, and a
# forwarder "web" with the outbound listener $port, in force.
start_mesh() {
  cat >"$dir/origin.py" <<'PY'
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
PY
  launch origin python3 "$dir/origin.py"
  until_true log_says origin '^port'
  local origin_port
  origin_port=$(sed -n 's/^port //p' "$dir/origin.log")
  service a "$origin_port" >"$dir/etc/config/a.yaml"
  service b "$origin_port" >"$dir/etc/config/b.yaml"
  port=$(free_port)
  printf 'outbound: 127.0.0.1:%s\nnamespace: demo\n%s\n' "$port" "${1:-}" >"$dir/web.yaml"
  start certd
  start configd
  start discoveryd
  until_true quietly mesh services
  start forwarder -c "$dir/web.yaml"
  until_true quietly get a.example /
  mesh wait -q
}

# get HOST PATH [CURL OPTIONS]: a request through the forwarder; fails but for 200.
get() {
  curl -fsS -m 5 -H "host: $1" "${@:3}" "http://127.0.0.1:$port$2"
}

node() { mesh status -o json | sed -n 's/.*"name":"\(web@[^"]*\)".*/\1/p'; }

@test "apply --dry-run names the resources that each forwarder would get" {
  start_mesh
  routes '[{timeout: 5s, route: [{destination: {host: a.example}}]}]' >"$dir/vs.yaml"
  before=$(mesh history -o name | head -1)
  run mesh apply --dry-run -f "$dir/vs.yaml"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "VirtualService/demo/a created" ]
  [ "${lines[2]}" = "forwarder $(node) RouteConfiguration outbound changed" ]
  [ "${lines[3]}" = "1 of 1 forwarders would get other resources" ]
  [ "${#lines[@]}" -eq 4 ]
  # It has not asked for b; once it has, it would lose it.
  run mesh delete --dry-run se/demo/b
  [[ $output != *"Cluster"* ]]
  get b.example /
  run mesh delete --dry-run se/demo/b
  [ "$status" -eq 0 ]
  [[ $output == *"Cluster outbound|80||b.example removed"* ]]
  [ "$(mesh history -o name | head -1)" = "$before" ]
  mesh apply -f "$dir/vs.yaml" --wait -q
  run mesh apply --dry-run -f "$dir/vs.yaml"
  [[ $output != *"forwarder "*changed* ]]
  run mesh rollback --dry-run @-1
  [[ $output == *"RouteConfiguration outbound changed"* ]]
}

@test "a dry run leaves the names alone that discoveryd answers" {
  local dns
  dns=$(python3 -c 'import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'dns: {listen: "127.0.0.1:%s"}\n' "$dns" >"$dir/etc/discoveryd.yaml"
  start_mesh
  cat >"$dir/ask.py" <<'PY'
# Whether a.example has an address.
import socket, struct, sys
query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + b"\x01a\x07example\x00" + struct.pack("!2H", 1, 1)
with socket.socket(type=socket.SOCK_DGRAM) as s:
    s.settimeout(2)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.send(query)
    flags, _, answers = struct.unpack("!3H", s.recv(1500)[2:8])
sys.exit(0 if flags & 15 == 0 and answers == 1 else 1)
PY
  until_true quietly python3 "$dir/ask.py" "$dns"
  mesh delete --dry-run se/demo/a | grep -q 'Cluster outbound|80||a.example removed'
  python3 "$dir/ask.py" "$dns"
}

@test "plan replays recent requests through the change" {
  start_mesh
  for i in 1 2 3; do get a.example /old; done
  get a.example /new -H 'end-user: jason'
  get b.example /
  # Nothing that moves.
  run mesh plan -f <(routes '[{timeout: 5s, route: [{destination: {host: a.example}}]}]')
  [ "$status" -eq 0 ]
  [[ $output == *" would go elsewhere, 0 fail, 0 be newly denied, 0 be newly allowed"* ]]
  [[ $output == *"the change touches 1 of 1 forwarders here; of their "*" recent requests 0 would go elsewhere"* ]]
  # Nothing that is touched.
  run mesh plan -f <(printf 'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: x, namespace: demo}\nspec: {address: 127.0.0.1, labels: {app: x}}\n')
  [ "$status" -eq 0 ]
  [[ $output == *"the change touches 0 of 1 forwarders here: no recent request would go otherwise"* ]]
  # A header, then a path, then nothing.
  routes '[{match: [{headers: {end-user: {exact: jason}}}], route: [{destination: {host: b.example}}]},
    {match: [{uri: {exact: /old}}], route: [{destination: {host: a.example}}]}]' >"$dir/vs.yaml"
  run mesh plan -f "$dir/vs.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *" 1 would go elsewhere, "* ]]
  mesh plan -q -f "$dir/vs.yaml" -o json >"$dir/plan.json" || true
  python3 - "$dir/plan.json" <<'PY'
import json, sys
rows = {row["request"]: row for row in map(json.loads, open(sys.argv[1]))}
moved = rows.pop("GET a.example/new")
assert moved["what"] == "elsewhere" and moved["requests"] == 1, moved
assert moved["from"] == "outbound|80||a.example" and moved["to"] == "outbound|80||b.example", moved
# What start_mesh() asked finds no route any more.
fails = rows.pop("GET a.example/")
assert fails["what"] == "fails" and fails["requests"] >= 1, fails
assert not rows, rows
PY
  # By weight: a share of the requests.
  run mesh plan -o json -f <(routes '[{match: [{uri: {exact: /old}}], route: [{destination: {host: a.example}, weight: 33},
    {destination: {host: b.example}, weight: 67}]}, {route: [{destination: {host: a.example}}]}]')
  [[ $output == *'"what":"elsewhere","requests":2,'* ]]
  [[ $output == *'"to":"outbound|80||a.example=33%,outbound|80||b.example=67%"'* ]]
  # Refused as apply would refuse it.
  run mesh plan -f <(routes '[{route: [{destination: {}}]}]')
  [ "$status" -eq 1 ]
  [ "$(mesh get vs -o name)" = "" ]
}

@test "plan says who left while it asked" {
  start_mesh
  local other
  other=$(free_port)
  printf 'outbound: 127.0.0.1:%s\nnamespace: demo\n' "$other" >"$dir/xlast.yaml"
  launch later "$build/forwarder" -c "$dir/xlast.yaml"
  until_true quietly curl -fsS -m 5 -H 'host: a.example' "http://127.0.0.1:$other/"
  mesh wait -q
  # The first is asked, and does not answer before the second is gone.
  kill -STOP "$forwarder"
  routes '[{route: [{destination: {host: b.example}}]}]' >"$dir/vs.yaml"
  launch plan "$build/mesh" plan --timeout 20s -f "$dir/vs.yaml"
  # It waits for somebody who takes no connections: others do at once.
  asks() { ss -xp | awk -v pid="pid=$plan," 'index($0, pid) && $8 == 0 && $4 > 0 {f = 1} END {exit !f}'; }
  asked() { asks && asks && asks; }
  until_true asked
  kill -TERM "$later"
  wait "$later" || true
  gone() { ! mesh proxy-status | grep -q '^xlast@[^ ]* *\(SYNCED\|LAGS\)'; }
  until_true gone
  kill -CONT "$forwarder"
  local status=0
  wait "$plan" || status=$?
  [ "$status" -le 1 ]
  log_says plan '^xlast@.* is left out: no forwarder "xlast@' || { cat "$dir/plan.log"; return 1; }
}

@test "a wait names who lags, and a later one by @N returns when it has caught up" {
  start_mesh
  name=$(node)
  kill -STOP "$forwarder"
  run mesh apply --wait --timeout 3s -f <(routes '[{route: [{destination: {host: b.example}}]}]')
  kill -CONT "$forwarder"
  [ "$status" -eq 75 ]
  [[ $output == *"$name: has $(mesh history -o name | sed -n 2p) in force"* ]]
  run mesh wait @-0
  [ "$status" -eq 0 ]
  [[ $output == *"in force at 1 forwarders after "* ]]
}

@test "a forwarder that keeps no facts is left out by name" {
  start_mesh 'request_facts_off: true'
  run mesh plan -f <(routes '[{route: [{destination: {host: b.example}}]}]')
  [ "$status" -eq 0 ]
  [[ $output == *"web@"*" is left out: "*"request_facts_off"* ]]
}

@test "configd and discoveryd killed, emptied, damaged: no request fails, nothing is withdrawn" {
  start_mesh
  cat >"$dir/load.py" <<'PY'
# Asks until it is told to end; every answer must be 200.
import http.client, os, sys
port, stop = int(sys.argv[1]), sys.argv[2]
done = 0
while not os.path.exists(stop):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/", headers={"host": "a.example", "connection": "close"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b"ok\n", (done, answer.status)
    connection.close()
    done += 1
print("asked", done)
PY
  launch load python3 "$dir/load.py" "$port" "$dir/stop"
  generation=$(mesh history -o name | head -1)
  settled() { quietly mesh wait "$generation" --timeout 500ms; }
  local what
  for what in configd discoveryd; do
    # Only killed; with an empty state; with a damaged one.
    end "$what"
    get a.example / >/dev/null
    start "$what"
    until_true settled
    end "$what"
    rm -rf "${dir:?}/state/$what"
    start "$what"
    until_true settled
    end "$what"
    find "$dir/state/$what" -type f -exec sh -c 'echo rot >"$1"' - {} \;
    start "$what"
    until_true settled
  done
  # Both at once, both empty, discoveryd first: it has nothing to say, and says nothing.
  end configd
  end discoveryd
  rm -rf "$dir/state/configd" "$dir/state/discoveryd"
  start discoveryd
  until_true quietly mesh services
  watched() { mesh status -o json 2>/dev/null | grep -q '"name":"web@'; }
  until_true watched
  get a.example / >/dev/null
  start configd
  until_true settled
  touch "$dir/stop"
  wait "$load" || { cat "$dir/load.log"; return 1; }
  log_says load '^asked [1-9]'
}

@test "a forwarder with damaged state starts, says which file, and keeps the rest" {
  echo "identities: [{uid: $(id -u), namespace: demo, service_account: web}]" \
    >"$dir/etc/certd.yaml"
  start_mesh
  local state=$dir/state/forwarder file
  [[ -f $state/resources ]] || state=$(dirname "$(find "$dir/state" -name svid.key | head -1)")
  enrolled() { [[ -s $state/svid.crt && -s $state/bundle.crt && -s $state/resources ]]; }
  until_true enrolled
  for file in resources svid.crt bundle.crt svid.key; do
    kill -TERM "$forwarder"
    wait "$forwarder"
    rm -rf "$dir/before"
    cp -a "$state" "$dir/before"
    : >"$dir/forwarder.log"
    echo rot >"$state/$file"
    start forwarder -c "$dir/web.yaml"
    until_true quietly get a.example /
    log_says forwarder "/$file: "
    mended() { ! grep -qx rot "$state/$file" && enrolled; }
    until_true mended
    [[ $file != svid.key ]] || { log_says forwarder 'enrolling with a new key' && continue; }
    cmp "$dir/before/svid.key" "$state/svid.key"
  done
  # The certificate is of the new key.
  grep -qx rot "$state/svid.key.damaged"
  of_key() {
    cmp <(openssl x509 -in "$state/svid.crt" -noout -pubkey) <(openssl pkey -in "$state/svid.key" -pubout)
  }
  until_true of_key
}
