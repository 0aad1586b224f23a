#!/usr/bin/env bats
# A forwarder subscribes on demand: it gets what its own requests name, and keeps it.

load common

setup() {
  scratch
  daemon_dirs
  # Services whose routes answer by themselves, each with a cluster of its own.
  for n in {0..29}; do service "svc-$n"; done >"$dir/etc/config/mesh.yaml"
  settings
}

service() {  # service HOST
  cat <<YAML
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $1, namespace: default}
spec:
  hosts: [$1]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: 1}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $1, namespace: default}
spec: {hosts: [$1], http: [{directResponse: {status: 200, body: {string: $1}}}]}
YAML
}

settings() {  # settings [LINE...]
  printf '%s\n' "outbound: $dir/out.sock" "admin: $dir/admin.sock" "access_log: $dir/access.log" \
    'concurrency: 2' "$@" >"$dir/web.yaml"
}

stop() {  # stop PID SIGNAL
  kill "-$2" "$1"
  wait "$1" 2>/dev/null || true
}

start_mesh() {
  start configd
  start discoveryd
  start forwarder -c "$dir/web.yaml"
  until_true serves
}

serves() { [[ $(curl -s -o /dev/null -w '%{http_code}' -m 5 --unix-socket "$dir/out.sock" http://nobody/) == 404 ]]; }
url() { [[ $1 == */* ]] && echo "http://$1" || echo "http://$1/"; }
get() { curl -s -m 10 --unix-socket "$dir/out.sock" "$(url "$1")"; }
status() { curl -s -o /dev/null -m 10 -w '%{http_code}' --unix-socket "$dir/out.sock" "$(url "$1")"; }
says() { [[ $(get "$1") == "$2" ]]; }
node() { mesh proxy-status -o name | head -1; }
holds() { mesh proxy-config clusters "$(node)" -o json | grep -q "|$1\""; }
lacks() { mesh proxy-config clusters "$(node)" -o json >"$dir/held" && ! grep -q "$1" "$dir/held"; }
count() {  # count METRIC [LABEL]
  curl -s --unix-socket "$dir/admin.sock" http://admin/stats/prometheus |
    awk -v metric="$1" -v label="${2:-}" \
      'index($0, metric) == 1 && index($0, label) { sum += $NF } END { print sum + 0 }'
}
count_is() { [[ $(count "$1" "${3:-}") == "$2" ]]; }
logged() { grep -q -- "$1" "$dir/access.log"; }

@test "the first request to a host waits for it, the second does not; others are not there" {
  start_mesh
  local waits
  count_is mesh_forwarder_on_demand_hosts 0
  waits=$(count mesh_forwarder_on_demand_waits_total)
  says svc-3 svc-3
  count_is mesh_forwarder_on_demand_waits_total $((waits + 1))
  count_is mesh_forwarder_on_demand_answers_total 1 found
  for _ in 1 2 3 4 5; do says svc-3 svc-3; done
  count_is mesh_forwarder_on_demand_waits_total $((waits + 1))
  count_is mesh_forwarder_on_demand_hosts 1
  holds svc-3
  lacks svc-4
  mesh proxy-status -o json | grep -q '"hosts":\["svc-3"\]'

  # At once by many: asked for once, and all are answered.
  seq 20 | xargs -P 20 -I{} curl -s -m 10 --unix-socket "$dir/out.sock" http://svc-7/ >"$dir/many"
  [ "$(sed 's/svc-7/&\n/g' "$dir/many" | grep -c svc-7)" -eq 20 ]
  count_is mesh_forwarder_on_demand_hosts 2

  # Nobody has it: 404 as ever; then it is there, and is found without delay.
  [ "$(status later)" = 404 ]
  until_true logged route_not_found
  waits=$(count mesh_forwarder_on_demand_waits_total)
  [ "$(status later)" = 404 ]
  count_is mesh_forwarder_on_demand_hosts 2
  service later | mesh apply -f - --wait >/dev/null
  until_true says later later
  # A port that it does not have is no reason to wait.
  [ "$(status svc-3:9999)" = 404 ]
}

@test "ten thousand names that nobody has leave nothing behind, and disturb nobody" {
  start_mesh
  says svc-3 svc-3
  local before after
  before=$(awk '/^VmRSS/ { print $2 }' "/proc/$forwarder/status")
  python3 - "$dir/out.sock" >"$dir/statuses" <<'PY'
import http.client, socket, sys, threading
counts, lock = {}, threading.Lock()
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(sys.argv[1])
def run(first):
    c = Connection("x")
    for i in range(first, 10000, 10):
        c.request("GET", "/", headers={"host": "made-up-%d.example" % i})
        r = c.getresponse(); r.read()
        with lock: counts[r.status] = counts.get(r.status, 0) + 1
threads = [threading.Thread(target=run, args=(i,)) for i in range(10)]
for t in threads: t.start()
for t in threads: t.join()
assert sum(counts.values()) == 10000 and set(counts) <= {404, 503}, counts
assert 404 in counts, counts
print(counts)
PY
  says svc-3 svc-3
  count_is mesh_forwarder_on_demand_hosts 1
  count_is mesh_forwarder_on_demand_requests_waiting 0
  after=$(awk '/^VmRSS/ { print $2 }' "/proc/$forwarder/status")
  lacks made-up
  # What is not a name is not asked for.
  [ "$(curl -s -o /dev/null -w '%{http_code}' -m 10 --unix-socket "$dir/out.sock" \
    -H "host: $(printf 'a%.0s' {1..254})" http://x/)" = 404 ]
  until_true says svc-5 svc-5
  skip_sanitized "what was freed is kept for a while"
  [ $((after - before)) -lt 16384 ]
}

@test "a restart comes up with what was asked for, though discoveryd is away" {
  settings 'on_demand: {wait: 300ms}'
  start_mesh
  says svc-3 svc-3
  says svc-9 svc-9
  kept() { grep -raq svc-9 --include=resources "$dir/state"; }
  until_true kept
  stop "$forwarder" TERM
  stop "$discoveryd" KILL
  start forwarder -c "$dir/web.yaml"
  until_true says svc-3 svc-3
  says svc-9 svc-9
  count_is mesh_forwarder_on_demand_waits_total 0
  # What is not known is answered in bounded time, and says why.
  [ "$(status svc-4)" = 503 ]
  until_true logged 'on_demand_timeout\|on_demand_unavailable'
  unavailable() { [ "$(status svc-4)" = 503 ] && logged on_demand_unavailable; }
  until_true unavailable
  # discoveryd is back: what was kept is asked for still, and the rest can be.
  start discoveryd
  until_true says svc-4 svc-4
  says svc-9 svc-9
  asked() { mesh proxy-status -o json | grep -q '"hosts":\["svc-3","svc-4","svc-9"\]'; }
  until_true asked
}

@test "hosts that no request goes to are given up, and come back when one does" {
  settings 'on_demand: {forget: 1s, hosts_max: 2}'
  start_mesh
  says svc-3 svc-3
  count_is mesh_forwarder_on_demand_hosts 1
  until_true count_is mesh_forwarder_on_demand_hosts 0
  until_true lacks svc-3
  says svc-3 svc-3
  # Over the limit what was not used for longest goes.
  for n in 1 2 4; do says "svc-$n" "svc-$n"; done
  (($(count mesh_forwarder_on_demand_hosts) <= 2))
}

@test "mesh why tells of a host that is not asked for yet what would happen, live and offline" {
  start_mesh
  says svc-3 svc-3
  run mesh why GET http://svc-4/ --from "$(node)"
  [ "$status" -eq 0 ]
  [[ $output == *"ANSWERED 200"* && $output == *"mesh.yaml:"* ]]
  [[ $output == *"subscribes on demand and has not asked for svc-4 yet"* ]]
  mesh snapshot >"$dir/mesh.json"
  run mesh why GET http://svc-4/ --snapshot "$dir/mesh.json"
  [ "$status" -eq 0 ]
  [[ $output == *"ANSWERED 200"* && $output == *"has not asked for svc-4 yet"* ]]
  # Of one that it has, and of one that nobody has, nothing of the kind is told.
  run mesh why GET http://svc-3/ --snapshot "$dir/mesh.json"
  [[ $status -eq 0 && $output != *"has not asked"* ]]
  run mesh why GET http://later/
  [[ $status -eq 1 && $output == *"route_not_found"* && $output != *"has not asked"* ]]
  # Nobody asked for it by asking.
  lacks svc-4
  mesh proxy-status -o json | grep -q '"hosts":\["svc-3"\]'
}

@test "apply --dry-run and plan are of the hosts that were asked for, and plan of those recorded" {
  start_mesh
  says svc-3 svc-3
  [ "$(status later)" = 404 ]
  answers() {  # answers HOST STATUS
    printf '%s\n' 'apiVersion: networking.istio.io/v1' 'kind: VirtualService' \
      "metadata: {name: $1, namespace: default}" \
      "spec: {hosts: [$1], http: [{directResponse: {status: $2}}]}"
  }
  run mesh apply --dry-run -f <(answers svc-3 410)
  [[ $output == *"RouteConfiguration outbound changed"* ]]
  run mesh apply --dry-run -f <(answers svc-4 410)
  [[ $output == *"0 of 1 forwarders would get other resources"* ]]
  run mesh delete --dry-run se/default/svc-3 vs/default/svc-3
  [[ $output == *"Cluster outbound|80||svc-3 removed"* ]]
  run mesh delete --dry-run se/default/svc-4 vs/default/svc-4
  [[ $output == *"0 of 1 forwarders would get other resources"* ]]
  run mesh plan -f <(answers svc-3 410)
  [[ $status -eq 1 && $output == *"GET svc-3/"* ]]
  # It has nothing of this host, which is there with the change, and was asked for in vain.
  service later >"$dir/later.yaml"
  run mesh plan -f "$dir/later.yaml" -o json
  [ "$status" -eq 1 ]
  [[ $output == *'"what":"elsewhere"'*'"request":"GET later/"'* ]]
  run mesh plan -f <(answers svc-4 410)
  [ "$status" -eq 0 ]
}

@test "the first request waits for the first checks of a host too, and longer than for discoveryd" {
  settings 'on_demand: {wait: 1s}'
  cat >"$dir/slow.py" <<'PY'
# Checks are answered late, and after the file is there; the rest at once.
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/healthz":
            print("checked", flush=True)
            deadline = time.monotonic() + 4
            while not os.path.exists(sys.argv[1]) and time.monotonic() < deadline: time.sleep(0.01)
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"warm\n")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
PY
  launch slow python3 "$dir/slow.py" "$dir/go"
  until_true log_says slow '^port'
  cat >>"$dir/etc/config/mesh.yaml" <<YAML
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: slow, namespace: default}
spec:
  hosts: [slow]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $(sed -n 's/^port //p' "$dir/slow.log")}}]
---
apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: slow, namespace: default}
spec:
  host: slow
  healthChecks:
  - {http: {path: /healthz}, timeout: 4s, interval: 10s, unhealthyThreshold: 1, healthyThreshold: 1}
YAML
  start_mesh
  says svc-3 svc-3
  launch first curl -sS -m 10 --unix-socket "$dir/out.sock" http://slow/
  launch second curl -sS -m 10 --unix-socket "$dir/out.sock" http://slow/
  until_true log_says slow checked
  until_true count_is mesh_forwarder_warming_requests_waiting 2
  # Who is known goes on meanwhile; and who waits does so for longer than for discoveryd, which
  # the clock alone can tell.
  local started
  started=$(date +%s%N)
  late() { says svc-3 svc-3 && (($(date +%s%N) - started > 1200000000)); }
  until_true late
  count_is mesh_forwarder_warming_requests_waiting 2
  touch "$dir/go"
  wait "$first" && wait "$second"
  log_says first warm
  log_says second warm
  count_is mesh_forwarder_on_demand_answers_total 0 timeout
}

@test "a host whose requests are answered by its routes alone stays while they come" {
  settings 'on_demand: {forget: 3s}'
  start_mesh
  says svc-3 svc-3
  says svc-4 svc-4
  local waits
  waits=$(count mesh_forwarder_on_demand_waits_total)
  given_up() { says svc-3 svc-3 && lacks svc-4; }
  until_true given_up
  holds svc-3
  count_is mesh_forwarder_on_demand_waits_total "$waits"
}

@test "names that nobody has take no place of hosts that are there" {
  settings 'on_demand: {hosts_max: 1}'
  start_mesh
  says svc-3 svc-3
  local waits
  for n in {1..20}; do [ "$(status "made-up-$n")" = 404 ]; done
  waits=$(count mesh_forwarder_on_demand_waits_total)
  says svc-3 svc-3
  count_is mesh_forwarder_on_demand_waits_total "$waits"
  says svc-5 svc-5
  until_true lacks svc-3
}

# origin: answers with the host and path that it was asked for, and logs them.
origin() {
  cat >"$dir/origin.py" <<'PY'
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        text = (self.headers["host"] + self.path).encode()
        print("asked", text.decode(), flush=True)
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
PY
  launch origin python3 "$dir/origin.py"
  until_true log_says origin '^port'
}

backend() {  # backend NAME HOST: a service of the origin
  cat <<YAML
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $1, namespace: default}
spec:
  hosts: ["$2"]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $(sed -n 's/^port //p' "$dir/origin.log")}}]
YAML
}

routing() {  # routing NAME SPEC
  printf '%s\n' --- 'apiVersion: networking.istio.io/v1' 'kind: VirtualService' \
    "metadata: {name: $1, namespace: default}" "spec: $2"
}

@test "a host whose routes stand in a delegate, and what changes in it" {
  origin
  {
    backend api api.example
    backend old old.example
    backend new new.example
    routing api '{hosts: [api.example], http: [{match: [{uri: {prefix: /shop}}], delegate: {name: shop, namespace: default}}]}'
    routing shop '{http: [{route: [{destination: {host: old.example}}]}]}'
  } >>"$dir/etc/config/mesh.yaml"
  start_mesh
  says api.example/shop api.example/shop
  holds old.example
  lacks new.example
  # Beside what the delegate has there is nothing, and nobody waits for it anew.
  local waits
  waits=$(count mesh_forwarder_on_demand_waits_total)
  [ "$(status api.example/)" = 404 ]
  count_is mesh_forwarder_on_demand_waits_total "$waits"
  routing shop '{http: [{route: [{destination: {host: new.example}}], rewrite: {uri: /new}}]}' |
    mesh apply -f - --wait >/dev/null
  says api.example/shop api.example/new
  holds new.example
  # A delegate is no host: nobody can ask for it.
  [ "$(status shop)" = 404 ]
  # Back, and with its own routes again.
  routing shop '{http: [{route: [{destination: {host: old.example}}]}]}' |
    mesh apply -f - --wait >/dev/null
  says api.example/shop api.example/shop
}

@test "a host whose requests are mirrored: the first one is, too" {
  origin
  {
    backend front front.example
    backend shadow shadow.example
    backend third third.example
    routing front '{hosts: [front.example], http: [{route: [{destination: {host: front.example}}], mirrors: [{destination: {host: shadow.example}}]}]}'
  } >>"$dir/etc/config/mesh.yaml"
  start_mesh
  says front.example/one front.example/one
  until_true log_says origin '^asked front.example-shadow/one$'
  holds shadow.example
  lacks third.example
  # The mirror's own host was not asked for by a request, and serves one at once.
  count_is mesh_forwarder_on_demand_hosts 1
  says shadow.example/ shadow.example/
  routing front '{hosts: [front.example], http: [{route: [{destination: {host: front.example}}], mirrors: [{destination: {host: third.example}}]}]}' |
    mesh apply -f - --wait >/dev/null
  holds third.example
  says front.example/two front.example/two
  until_true log_says origin '^asked front.example-shadow/two$'
}

@test "hosts of a wildcard: each gets its answer, and the more exact one its own routes" {
  origin
  {
    backend wild '*.wild.example'
    backend exact exact.wild.example
    routing exact '{hosts: [exact.wild.example], http: [{route: [{destination: {host: exact.wild.example}}], rewrite: {uri: /exact}}]}'
    backend tame tame.example
  } >>"$dir/etc/config/mesh.yaml"
  start_mesh
  local waits n
  says a.wild.example/ a.wild.example/
  # The wildcard came with what is more exact within it; no other of its hosts waits.
  waits=$(count mesh_forwarder_on_demand_waits_total)
  for n in b c.d exact; do
    [[ $n == exact ]] || says "$n.wild.example/" "$n.wild.example/"
    [[ $n != exact ]] || says "$n.wild.example/" "$n.wild.example/exact"
  done
  count_is mesh_forwarder_on_demand_waits_total "$waits"
  lacks tame.example
  # The suffix itself is none of them.
  [ "$(status wild.example)" = 404 ]
  says tame.example/ tame.example/
  # Another more exact one comes, and is found at once.
  {
    backend late late.wild.example
    routing late '{hosts: [late.wild.example], http: [{directResponse: {status: 200, body: {string: late}}}]}'
  } | mesh apply -f - --wait >/dev/null
  says late.wild.example/ late
  says a.wild.example/ a.wild.example/
}

@test "a host with a circuit breaker: where its fallback leads comes with it" {
  origin
  {
    service broken | head -n 10
    backend spare spare.example
    cat <<'YAML'
---
apiVersion: mesh/v1
kind: CircuitBreaker
metadata: {name: broken, namespace: default}
spec:
  host: broken
  thresholds: {errorPercent: 1}
  minimumCalls: 1
  openDuration: 60s
  fallback: {destination: {host: spare.example}}
YAML
  } >>"$dir/etc/config/mesh.yaml"
  start_mesh
  # Nobody listens there: the breaker opens.
  until_true says broken broken/
  holds spare.example
  lacks svc-4
}

@test "settings that cannot be are refused" {
  settings 'on_demand: {wait: 0s}'
  run "$build/forwarder" -n -c "$dir/web.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *"on_demand.wait"* ]]
  printf 'subscribe: sometimes\n' >"$dir/web.yaml"
  run "$build/forwarder" -n -c "$dir/web.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *"expected on_demand or all"* ]]
  # They may stand there before they are of use.
  printf 'on_demand: {wait: 1s}\n' >"$dir/web.yaml"
  "$build/forwarder" -n -c "$dir/web.yaml"
}

@test "the first request to a host under a VirtualService's wildcard waits for it, others do not" {
  start_mesh
  cat <<'YAML' | mesh apply -f - --wait >/dev/null
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: legacy, namespace: default}
spec:
  hosts: ["*.legacy.example.org", one.bare.example.org]
  http: [{directResponse: {status: 200, body: {string: moved}}}]
YAML
  until_true says x.legacy.example.org moved
  local waits
  waits=$(count mesh_forwarder_on_demand_waits_total)
  says y.legacy.example.org moved
  count_is mesh_forwarder_on_demand_waits_total "$waits"
  says one.bare.example.org moved
  [ "$(status legacy.example.org)" = 404 ]
}
