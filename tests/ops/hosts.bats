#!/usr/bin/env bats
# Three hosts, network namespaces of the test's own, with an etcd of three members: one
# configuration, each other's instances, real traffic; and what is lost when something is.

load common

setup() {
  [ "$(id -u)" -eq 0 ] || skip "needs root"
  command -v etcd >/dev/null && command -v ip >/dev/null || skip "needs etcd and iproute2"
  scratch
  patience=30
  export MESH_USER=${MESH_USER:-$(id -un)} ETCDCTL_API=3
  made=()
  switch=mesh-s$$
  ip netns add "$switch" 2>/dev/null || skip "network namespaces are not to be had here"
  made+=("$switch")
  ip -n "$switch" link add mesh type bridge 2>/dev/null || skip "bridges are not to be had here"
  ip -n "$switch" link set mesh up
  local name number=0
  for name in a b c; do
    number=$((number + 1))
    ip netns add "mesh-$name$$"
    made+=("mesh-$name$$")
    ip -n "mesh-$name$$" link set lo up
    ip link add mesh0 netns "mesh-$name$$" type veth peer name "to-$name" netns "$switch"
    ip -n "$switch" link set "to-$name" master mesh up
    ip -n "mesh-$name$$" addr add 192.0.2.$number/24 dev mesh0
    ip -n "mesh-$name$$" link set mesh0 up
  done
}

teardown() {
  local pid name
  [[ -n ${dir:-} ]] || return 0
  for pid in "${pids[@]}"; do kill -CONT "$pid" 2>/dev/null || true; done
  end_all
  for name in "${made[@]}"; do ip netns del "$name"; done
  rm -rf "$dir"
}

# on HOST COMMAND...: there, with its directories.
on() {
  MESH_RUN_DIR=$dir/$1/run MESH_STATE_DIR=$dir/$1/state MESH_CONFIG_DIR=$dir/$1/etc \
    ip netns exec "mesh-$1$$" "${@:2}"
}
# launch HOST NAME COMMAND...: in the background; its pid in $NAME_HOST.
launch() {
  MESH_RUN_DIR=$dir/$1/run MESH_STATE_DIR=$dir/$1/state MESH_CONFIG_DIR=$dir/$1/etc \
    ip netns exec "mesh-$1$$" "${@:3}" >>"$dir/$2_$1.log" 2>&1 3>&- &
  printf -v "$2_$1" %s "$!"
  pids+=("$!")
}
mesh() { on "$1" "$build/mesh" "${@:2}"; }

member() {
  local number=$2
  launch "$1" etcd etcd --name "$1" --data-dir "$dir/$1/etcd" --log-level error \
    --heartbeat-interval 50 --election-timeout 500 \
    --listen-client-urls "http://127.0.0.1:2379,http://192.0.2.$number:2379" \
    --advertise-client-urls "http://192.0.2.$number:2379" \
    --listen-peer-urls "http://192.0.2.$number:2380" \
    --initial-advertise-peer-urls "http://192.0.2.$number:2380" --initial-cluster-state new \
    --initial-cluster "a=http://192.0.2.1:2380,b=http://192.0.2.2:2380,c=http://192.0.2.3:2380"
}
# A host's own member first.
endpoints() {
  echo '["http://127.0.0.1:2379", "http://192.0.2.1:2379", "http://192.0.2.2:2379", "http://192.0.2.3:2379"]'
}
daemons() {
  launch "$1" configd "$build/configd"
  launch "$1" discoveryd "$build/discoveryd"
}
three_hosts() {
  local name number=0
  for name in a b c; do
    number=$((number + 1))
    mkdir -p "$dir/$name"/{run,etc,state}
    echo "etcd: {endpoints: $(endpoints), timeout: 2s}" >"$dir/$name/etc/configd.yaml"
    printf '%s\n' "etcd: {endpoints: $(endpoints), timeout: 2s}" "host: host-$name" \
      "host_lease: 3s" "start_grace: 1s" >"$dir/$name/etc/discoveryd.yaml"
    member "$name" "$number"
    daemons "$name"
  done
  mkdir -p "$dir/a/etc/forwarders"
  printf '%s\n' 'outbound: 127.0.0.1:15001' 'concurrency: 1' >"$dir/a/etc/forwarders/web.yaml"
  launch a forwarder "$build/forwarder" --name web
  launch b origin "$BATS_TEST_DIRNAME/fakes/origin" http@192.0.2.2:8082
  launch c origin "$BATS_TEST_DIRNAME/fakes/origin" http@192.0.2.3:8083
  cat >"$dir/reviews.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
YAML
  until_true quietly mesh a apply -f "$dir/reviews.yaml"
  mesh b register reviews-b 192.0.2.2 -p http=8082 -l app=reviews
  mesh c register reviews-c 192.0.2.3 -p http=8083 -l app=reviews
  until_true answers 8082
  until_true answers 8083
  for name in b c; do until_true sees_web "$name"; done
}
sees_web() { mesh "$1" proxy-status | grep -q '^web'; }
get() { on a curl -s -m 5 -H 'Host: reviews' http://127.0.0.1:15001/; }
answers() { [[ $(get) == "http $1 "* ]]; }
# policy NAMESPACE: a file, its name on stdout.
policy() {
  {
    printf 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n'
    printf 'metadata: {name: default, namespace: %s}\nspec: {mtls: {mode: STRICT}}\n' "$1"
  } >"$dir/$1.yaml"
  echo "$dir/$1.yaml"
}
has() { mesh "$1" get PeerAuthentication -n "$2" -o name 2>/dev/null | grep -q "$2"; }
leader() {
  local name
  for name in a b c; do
    on "$name" etcdctl --endpoints http://127.0.0.1:2379 endpoint status -w json 2>/dev/null |
      python3 -c 'import json,sys; s=json.load(sys.stdin)[0]["Status"]; sys.exit(s["leader"] != s["header"]["member_id"])' \
      2>/dev/null && echo "$name" && return
  done
}
unconfirmed() { mesh a endpoints reviews -o json | grep -q 'lapsed'; }
confirmed() { ! unconfirmed; }

@test "hosts share configuration and instances; a wait is for all of them" {
  three_hosts
  mesh b apply -f "$(policy one)" --wait --timeout 10s
  has a one
  has c one

  # A forwarder of another host that does not answer is named.
  kill -STOP "$forwarder_a"
  run mesh c apply -f "$(policy two)" --wait --timeout 3s
  ((status != 0))
  [[ $output == *web@* ]] || { echo "$output"; return 1; }
  kill -CONT "$forwarder_a"
  mesh c wait --timeout 10s

  # What a forwarder remembers is known on its host; elsewhere that is said.
  [[ $(get) == "http 808"[23]" "* ]]
  cat >"$dir/change.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], http: [{timeout: 5s, route: [{destination: {host: reviews}}]}]}
YAML
  run mesh c plan -f "$dir/change.yaml"
  [[ $output == *"the change touches 0 of 0 forwarders here: "* ]] || { echo "$output"; return 1; }
  [[ $output == *"1 forwarders of "*" are left out: ask there, ssh HOST mesh plan"* ]]
  run mesh a plan -f - <"$dir/change.yaml"
  [[ $output == *"the change touches 1 of 1 forwarders here; "* && $output != *"left out"* ]] || { echo "$output"; return 1; }

  # Taking back is a word; traffic goes where it still can.
  mesh c deregister reviews-c
  gone() { ! mesh a endpoints reviews -o json | grep -q 192.0.2.3; }
  until_true gone
  for _ in 1 2 3 4; do answers 8082; done
}

@test "a member, the leader, a host and a link are lost, and come back" {
  three_hosts
  lost=$(leader)
  [[ -n $lost ]]
  local pid=etcd_$lost
  kill -KILL "${!pid}"
  until_true quietly mesh a apply -f "$(policy one)"
  until_true has b one
  until_true has c one
  [[ -n $(get) ]]
  member "$lost" "$((1 + $(printf 'abc' | grep -bo "$lost" | cut -d: -f1)))"

  # A host that dies says nothing of its instances: they stay while they answer. Nobody
  # is told that it has a generation in force.
  kill -KILL "$configd_c" "$discoveryd_c"
  until_true unconfirmed
  run mesh a wait --timeout 1s
  ((status != 0))
  [[ $output == *"host-c: was there, and has been away for "* ]] || { echo "$output"; return 1; }
  until_true answers 8083
  daemons c
  until_true confirmed
  until_true has c one

  # Cut off: what is in force stays, changes are refused there and made elsewhere.
  ip -n "$switch" link set to-b down
  refused() { run mesh b apply -f "$(policy three)"; ((status != 0)) && [[ $output == *etcd* ]]; }
  until_true refused
  has b one
  until_true quietly mesh a apply -f "$(policy two)"
  until_true has c two
  until_true unconfirmed
  ip -n "$switch" link set to-b up
  until_true has b two
  until_true confirmed
  until_true quietly mesh b apply -f "$(policy three)"
  until_true has a three
}
