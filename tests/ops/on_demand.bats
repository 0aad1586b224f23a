#!/usr/bin/env bats
# A forwarder that subscribes on demand: it gets what its own requests name, and keeps it.

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
    'concurrency: 2' 'subscribe: on_demand' "$@" >"$dir/web.yaml"
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
get() { curl -s -m 10 --unix-socket "$dir/out.sock" "http://$1/"; }
status() { curl -s -o /dev/null -m 10 -w '%{http_code}' --unix-socket "$dir/out.sock" "http://$1/"; }
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
  run mesh why GET http://svc-4/ --from "$(node)"
  [[ $output == *"subscribes on demand"* ]]

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
  [ $((after - before)) -lt 16384 ]
  lacks made-up
  # What is not a name is not asked for.
  [ "$(curl -s -o /dev/null -w '%{http_code}' -m 10 --unix-socket "$dir/out.sock" \
    -H "host: $(printf 'a%.0s' {1..254})" http://x/)" = 404 ]
  until_true says svc-5 svc-5
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

@test "settings that cannot be are refused" {
  settings 'on_demand: {wait: 0s}'
  run "$build/forwarder" -n -c "$dir/web.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *"on_demand.wait"* ]]
  printf 'subscribe: sometimes\n' >"$dir/web.yaml"
  run "$build/forwarder" -n -c "$dir/web.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *"expected all or on_demand"* ]]
  # They may stand there before they are of use.
  printf 'on_demand: {wait: 1s}\n' >"$dir/web.yaml"
  "$build/forwarder" -n -c "$dir/web.yaml"
}
