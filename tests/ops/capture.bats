#!/usr/bin/env bats
# Connections that the kernel redirects to a forwarder, in network namespaces of the test's own.

setup() {
  [ "$(id -u)" -eq 0 ] || skip "needs root"
  command -v nft >/dev/null && command -v ip >/dev/null || skip "needs nftables and iproute2"
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=$(realpath "${MESH_BUILD:-build}")
  dir=$(mktemp -d "${TMPDIR:-/tmp}/mesh-XXXXXX")
  host=mesh-h$$ peer=mesh-p$$
  pids=()
  made=()
  local name
  for name in "$host" "$peer"; do
    ip netns add "$name" 2>/dev/null || skip "network namespaces are not to be had here"
    made+=("$name")
    ip -n "$name" link set lo up
  done
  ip link add mesh0 netns "$host" type veth peer name mesh0 netns "$peer" 2>/dev/null ||
    skip "veth is not to be had here"
  here ip addr add 192.0.2.1/24 dev mesh0
  here ip addr add 2001:db8::1/64 dev mesh0 nodad
  there ip addr add 192.0.2.2/24 dev mesh0
  there ip addr add 2001:db8::2/64 dev mesh0 nodad
  # Addresses of services and of others, all of them at the peer's.
  for name in 198.51.100.7 203.0.113.5; do there ip addr add $name/32 dev lo; done
  there ip addr add 2001:db8:5::5/128 dev lo nodad
  for name in here there; do $name ip link set mesh0 up; done
  here ip route add default via 192.0.2.2
  here ip -6 route add default via 2001:db8::2
  here nft 'table inet probe { chain c { type nat hook output priority 0; tcp dport 1 redirect to :2; }; }' \
    2>/dev/null || skip "the kernel has no redirection"
  here nft delete table inet probe
  mkdir -p "$dir/config" "$dir/forwarders"
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
}

teardown() {
  local pid name
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  for name in "${made[@]}"; do ip netns del "$name"; done
  [[ -z ${dir:-} ]] || rm -rf "$dir"
}

here() { ip netns exec "$host" "$@"; }   # where the mesh is
there() { ip netns exec "$peer" "$@"; }  # the rest of the world
# within NAMESPACE LOG COMMAND...: in the background; not by the functions above, which would
# stand between us and its pid.
within() {
  : >"$dir/$2"
  ip netns exec "$1" "${@:3}" >>"$dir/$2" 2>&1 3>&- &
  pids+=("$!")
}
as_app() { here setpriv --reuid=4242 --clear-groups "$@"; }
mesh() { MESH_RUN_DIR=$dir/run MESH_STATE_DIR=$dir/state MESH_CONFIG_DIR=$dir "$build/mesh" "$@"; }

until_true() {
  local deadline=$((SECONDS + 20))
  until "$@"; do
    ((SECONDS < deadline)) || {
      echo "still not so: $*"
      tail -n 20 "$dir"/*.log "$dir"/run/log/*.log "$dir"/access
      return 1
    }
    read -rt 0.02 <> <(:) || true
  done
}

# origin NAMESPACE PLACE...: tests/ops/fakes/origin there.
origin() {
  within "$1" origin.log "$BATS_TEST_DIRNAME/fakes/origin" "${@:2}"
  until_true grep -q ready "$dir/origin.log"
}

# capture OPTION...: the forwarder app-1 captures, and the kernel redirects.
capture() {
  within "$host" up.log "$build/mesh" up "$dir"
  until_true grep -qx ready "$dir/up.log"
  until_true listening
  here "$root/contrib/capture" on "$@"
}
listening() { here curl -s 127.0.0.1:15000/listeners | grep -q virtual; }

# fetch WHO ADDRESS PORT [HOST]: a request's answer, and its status.
fetch() {
  local name=$2
  [[ $name != *:* ]] || name="[$name]"
  "$1" curl -s -m 15 -w '%{http_code}\n' ${4:+-H "Host: $4"} "http://$name:$3/" || true
}
# hear WHO ADDRESS PORT: what a server says that speaks first.
hear() { "$1" timeout 20 socat -u "TCP:$([[ $2 != *:* ]] || echo '[')$2$([[ $2 != *:* ]] || echo ']'):$3" - || true; }
logged() { grep -q -- "$1" "$dir/access"; }

services() {
  cat >"$dir/config/services.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop}
spec:
  hosts: [shop.example]
  resolution: STATIC
  location: MESH_EXTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.2, ports: {http: 8081}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.example]
  addresses: [203.0.113.80, "2001:db8:80::80"]
  resolution: STATIC
  location: MESH_EXTERNAL
  ports: [{number: 5432, name: tcp, protocol: TCP}]
  endpoints: [{address: 192.0.2.2, ports: {tcp: 5433}}]
YAML
}

forwarder() {
  printf '%s\n' "labels: {app: app}" "admin: 127.0.0.1:15000" "concurrency: 2" \
    "access_log: $dir/access" "$@" >"$dir/forwarders/app-1.yaml"
}

policy() {
  cat >"$dir/policy.yaml" <<YAML
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {outboundTrafficPolicy: {mode: $1}, protocolDetectionTimeout: 300ms}
YAML
  mesh apply -f "$dir/policy.yaml" --wait
}

outbound_works() {  # outbound_works OPTION...: those of capture
  origin "$peer" http@192.0.2.2:8081 first@192.0.2.2:5433 'http@[::]:80' 'first@[::]:7000' \
    'http@[::]:7001'
  capture --outbound 15001 --only-user 4242 "$@"

  # A service: by its Host wherever the connection was going, and by its address.
  [ "$(fetch as_app 203.0.113.99 80 shop.example)" = $'http 8081 from 192.0.2.1\n200' ]
  until_true logged 'outbound|80||shop.example'
  [ "$(hear as_app 203.0.113.80 5432)" = "first 5433 from 192.0.2.1" ]
  [ "$(hear as_app 2001:db8:80::80 5432)" = "first 5433 from 192.0.2.1" ]
  until_true logged 'outbound|5432||db.example'

  # Nobody's: where it was going.
  for address in 203.0.113.5 2001:db8:5::5; do
    [[ $(hear as_app $address 7000) == "first 7000 from "* ]]
    [[ $(fetch as_app $address 7001) == "http 7001 from "*200 ]]
    [[ $(fetch as_app $address 80 nobody.example) == "http 80 from "*200 ]]
    until_true logged "$address.*PassthroughCluster\|PassthroughCluster.*$address"
  done
  # Who is not captured notices nothing.
  [ "$(fetch here 203.0.113.5 7001)" = $'http 7001 from 192.0.2.1\n200' ]

  policy REGISTRY_ONLY
  for address in 203.0.113.5 2001:db8:5::5; do
    [ -z "$(hear as_app $address 7000)" ]
    [ "$(fetch as_app $address 80 nobody.example)" = 502 ]
    until_true logged "BlackHoleCluster.*$address\|$address.*BlackHoleCluster"
  done
  [ "$(fetch as_app 203.0.113.99 80 shop.example)" = $'http 8081 from 192.0.2.1\n200' ]
  [ "$(hear as_app 203.0.113.80 5432)" = "first 5433 from 192.0.2.1" ]

  policy ALLOW_ANY
  [[ $(hear as_app 203.0.113.5 7000) == "first 7000 from "* ]]
}

@test "outbound, REDIRECT: services by host and by address, the rest passes or is blocked" {
  services
  forwarder 'capture: {outbound: "[::]:15001"}'
  outbound_works
}

@test "outbound, TPROXY: the same" {
  services
  forwarder 'capture: {outbound: "[::]:15001", outbound_mode: tproxy}'
  outbound_works --outbound-tproxy
}

@test "outbound: hosts of a domain and PASSTHROUGH go where they were going" {
  services
  cat >"$dir/config/wild.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wild}
spec:
  hosts: ["*.wild.example"]
  location: MESH_EXTERNAL
  ports:
  - {number: 80, name: http, protocol: HTTP}
  - {number: 7000, name: tls, protocol: TLS}
YAML
  cat >"$dir/shop.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: shop}
spec: {host: shop.example, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}
YAML
  forwarder 'capture: {outbound: "0.0.0.0:15001"}' 'outbound: 127.0.0.1:15080'
  origin "$peer" http@192.0.2.2:8081 http@203.0.113.5:80 echo@203.0.113.5:7000
  capture --outbound 15001 --only-user 4242
  policy REGISTRY_ONLY
  [ "$(fetch as_app 203.0.113.5 80 a.wild.example)" = $'http 80 from 192.0.2.1\n200' ]
  until_true logged 'outbound|80||\*.wild.example'
  [ "$(fetch as_app 203.0.113.5 80 wild.example)" = 502 ]
  as_app timeout 20 openssl s_client -connect 203.0.113.5:7000 -servername a.wild.example \
    </dev/null >"$dir/tls" 2>&1 || true  # the peer is no TLS server
  until_true logged 'outbound|7000||\*.wild.example'

  [ "$(fetch as_app 203.0.113.5 80 shop.example)" = $'http 8081 from 192.0.2.1\n200' ]
  mesh apply -f "$dir/shop.yaml" --wait
  [ "$(fetch as_app 203.0.113.5 80 shop.example)" = $'http 80 from 192.0.2.1\n200' ]
  # Nobody redirected this one: there is no address that it was going to.
  [[ $(fetch here 127.0.0.1 15080 shop.example) == *503 ]]
}

@test "outbound: a server that speaks first at a port of HTTP services is waited for once" {
  services
  forwarder 'capture: {outbound: "0.0.0.0:15001"}'
  origin "$peer" first@203.0.113.5:80
  capture --outbound 15001 --only-user 4242
  policy ALLOW_ANY
  [ "$(hear as_app 203.0.113.5 80)" = "first 80 from 192.0.2.1" ]
  here curl -s 127.0.0.1:15000/listeners | grep -q '0.0.0.0_80.*the server speaks first: 80'
}

inbound() {
  cat >"$dir/config/app.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: app-1}
spec: {address: 192.0.2.1, labels: {app: app}, serviceAccount: app}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: app}
spec:
  hosts: [app.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {number: 8080, name: http, protocol: HTTP}
  - {number: 8090, name: any}
  workloadSelector: {labels: {app: app}}
YAML
  origin "$host" http@192.0.2.1:8080 http@192.0.2.1:8090 'http@[::]:8085' 'echo@[::]:8086'
}

inbound_works() {
  # The application sees that it was passed on: Istio's 127.0.0.6.
  [ "$(fetch there 192.0.2.1 8080)" = $'http 8080 from 127.0.0.6\n200' ]
  until_true logged 'inbound|8080||'
  # No protocol is declared: found out.
  [ "$(fetch there 192.0.2.1 8090)" = $'http 8090 from 127.0.0.6\n200' ]
  until_true logged 'GET.*inbound|8090||'
  # Of no service.
  [ "$(fetch there 192.0.2.1 8085)" = $'http 8085 from 127.0.0.6\n200' ]
  [ "$(echo hello | there timeout 20 socat - TCP:192.0.2.1:8086)" = hello ]
  until_true logged InboundPassthroughCluster
  # Its own port leads nowhere.
  [ -z "$(hear there 192.0.2.1 15006)" ]
  cat >"$dir/strict.yaml" <<'YAML'
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
YAML
  mesh apply -f "$dir/strict.yaml" --wait
  [ "$(fetch there 192.0.2.1 8080)" = 000 ]
  [ "$(fetch there 192.0.2.1 8085)" = 000 ]
}

@test "inbound, REDIRECT: ports of services, ports of nobody, and STRICT for both" {
  forwarder 'workload: app-1' 'service_account: app' 'capture: {inbound: "0.0.0.0:15006"}'
  inbound
  capture --inbound 15006
  inbound_works
}

@test "inbound, TPROXY: the same" {
  forwarder 'workload: app-1' 'service_account: app' \
    'capture: {inbound: "0.0.0.0:15006", inbound_mode: tproxy}'
  inbound
  capture --inbound 15006 --tproxy
  inbound_works
}

@test "inbound, TPROXY: IPv6" {
  forwarder 'workload: app-1' 'service_account: app' \
    'capture: {inbound: "[::]:15006", inbound_mode: tproxy}'
  inbound
  capture --inbound 15006 --tproxy
  [[ $(fetch there 2001:db8::1 8085) == "http 8085 from "*200 ]]
  [[ $(fetch there 192.0.2.1 8080) == "http 8080 from "*200 ]]
  [ "$(echo hello | there timeout 20 socat - 'TCP:[2001:db8::1]:8086')" = hello ]
  until_true logged InboundPassthroughCluster
}

@test "alone: original destinations of a bootstrap" {
  cat >"$dir/bootstrap.yaml" <<YAML
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 15000}}}
static_resources:
  listeners:
  - name: virtual
    address: {socket_address: {address: "::", port_value: 15001, ipv4_compat: true}}
    use_original_dst: true
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: passthrough
          cluster: passthrough
  - name: web
    address: {socket_address: {address: "::", port_value: 80, ipv4_compat: true}}
    bind_to_port: false
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 418}}]}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - {name: passthrough, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, connect_timeout: 5s}
YAML
  origin "$peer" 'first@[::]:7000'
  within "$host" forwarder.log "$build/forwarder" -c "$dir/bootstrap.yaml"
  until_true listening
  here "$root/contrib/capture" on --outbound 15001 --only-user 4242
  for address in 203.0.113.5 2001:db8:5::5; do
    [[ $(hear as_app $address 7000) == "first 7000 from "* ]]
    [ "$(fetch as_app $address 80)" = 418 ]
  done
  # Not excluded, the forwarder meets itself: refused, and not for ever.
  here "$root/contrib/capture" on --outbound 15001 --user 4243
  [ -z "$(hear as_app 203.0.113.5 7000)" ]
  here curl -s 127.0.0.1:15000/stats/prometheus | grep -q '^mesh_forwarder_capture_loops_refused_total [1-9]'
}
