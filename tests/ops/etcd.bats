#!/usr/bin/env bats
# Hosts that share their configuration through a real etcd.

load common

setup() {
  command -v etcd >/dev/null && command -v etcdctl >/dev/null || skip "no etcd"
  scratch
  patience=20
  export MESH_USER=${MESH_USER:-$(id -un)} ETCDCTL_API=3
  port=$(free_port)
  peer=$(free_port)
}

# start_etcd [SCHEME FLAGS...]: one member, always with the same data.
start_etcd() {
  scheme=${1:-http}
  launch etcd etcd --data-dir "$dir/data" --name one --log-level error \
    --listen-client-urls "$scheme://127.0.0.1:$port" \
    --advertise-client-urls "$scheme://127.0.0.1:$port" \
    --listen-peer-urls "http://127.0.0.1:$peer" \
    --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "one=http://127.0.0.1:$peer" "${@:2}"
}
ctl() { etcdctl --endpoints "127.0.0.1:$port" "$@"; }
# on HOST COMMAND...: as that host has it.
on() {
  local host=$1
  shift
  MESH_RUN_DIR=$dir/$host/run MESH_STATE_DIR=$dir/$host/state MESH_CONFIG_DIR=$dir/$host/etc "$@"
}
# host NAME [SETTING...]: its configd, with these lines below etcd:
host() {
  local name=$1
  mkdir -p "$dir/$name/run" "$dir/$name/etc" "$dir/$name/state"
  {
    echo "etcd:"
    echo "  endpoints: [$scheme://127.0.0.1:$port]"
    printf '  %s\n' "${@:2}"
  } >"$dir/$name/etc/configd.yaml"
  on "$name" launch "configd_$name" "$build/configd"
}
mesh_on() { on "$1" "$build/mesh" "${@:2}"; }
has() { mesh_on "$1" get PeerAuthentication -n "$2" -o name 2>/dev/null | grep -q "$2"; }
has_not() { ! has "$@"; }
# policy NAMESPACE MODE: a file, its name on stdout.
policy() {
  {
    printf 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n'
    printf 'metadata: {name: default, namespace: %s}\nspec:\n  mtls: {mode: %s}\n' "$1" "$2"
  } >"$dir/$1.yaml"
  echo "$dir/$1.yaml"
}
answers() { quietly mesh_on "$1" get; }

@test "what is applied on one host is what all have; etcd's loss freezes changes only" {
  start_etcd
  host a
  host b
  until_true answers a
  until_true answers b
  until_true mesh_on a apply -f "$(policy one STRICT)"
  until_true has b one
  mesh_on b apply -f "$(policy two PERMISSIVE)"
  until_true has a two

  # The same objects have the same generation, in a directory or in etcd.
  ctl get --prefix /mesh/config/ --keys-only | grep -q '^/mesh/config/.*one.*yaml$'

  # By hand, and wrong: named by key and line; what was right stays.
  printf 'apiVersion: security.istio.io/v1\nkind: Nonsense\n' | ctl put /mesh/config/bad.yaml
  until_true log_says configd_a 'bad.yaml:'
  has a one
  has b two
  run mesh_on a apply -f "$(policy three STRICT)"
  ((status != 0))
  [[ $output == *bad.yaml* ]]
  ctl del /mesh/config/bad.yaml
  until_true mesh_on a apply -f "$(policy three STRICT)"
  until_true has b three

  kill -KILL "$etcd"
  until_true log_says configd_a 'etcd'
  has a one
  run mesh_on a apply -f "$(policy four STRICT)"
  ((status != 0))
  [[ $output == *'etcd does not answer'* ]]
  # A host that starts meanwhile serves what it had.
  kill -KILL "$configd_b"
  on b launch configd_b "$build/configd"
  until_true has b three

  start_etcd
  until_true mesh_on a apply -f "$(policy four STRICT)"
  until_true has b four
  mesh_on b delete PeerAuthentication/four/default
  until_true has_not a four
}

@test "the same files on two hosts, or in etcd, are one generation, and mesh status shows it" {
  local name
  start_etcd
  host c
  for name in a b; do
    mkdir -p "$dir/$name/run" "$dir/$name/etc/config" "$dir/$name/state"
  done
  cp "$(policy one STRICT)" "$(policy two PERMISSIVE)" "$dir/a/etc/config/"
  cp -r "$dir/a/etc/config/." "$dir/b/etc/config/"
  on a launch configd_a "$build/configd"
  on b launch configd_b "$build/configd"
  until_true answers c
  until_true mesh_on c apply -q -f "$dir/a/etc/config"
  digest() { mesh_on "$1" status -o json 2>/dev/null | sed -n 's/.*"configd".*"generation":"\([0-9a-f]\{8,\}\)".*/\1/p'; }
  shown() { [ -n "$(digest "$1")" ]; }
  until_true shown a
  until_true shown b
  until_true shown c
  [ "$(digest a)" = "$(digest b)" ]
  [ "$(digest a)" = "$(digest c)" ]
}

# many NUMBER MODE: so many policies in one file.
many() {
  for ((i = 0; i < $1; ++i)); do
    printf -- '---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n'
    printf 'metadata: {name: default, namespace: n%d}\nspec: {mtls: {mode: %s}}\n' "$i" "$2"
  done >"$dir/many.yaml"
  echo "$dir/many.yaml"
}
generations() { mesh_on "$1" history -o json | wc -l; }
# in_place: nothing is left of how a large edit was made.
in_place() {
  [ "$(ctl get --prefix /mesh/config/. --keys-only | grep -c .)" -eq 1 ] # .serial
}
counted() { [ "$(mesh_on "$1" get PeerAuthentication -o name | grep -c .)" -eq "$2" ]; }
agreed() {
  [ "$(mesh_on a history -o json | head -n 1 | grep -o '"generation":"[^"]*"')" = \
    "$(mesh_on b history -o json | head -n 1 | grep -o '"generation":"[^"]*"')" ]
}

@test "an edit of more keys than a transaction takes is one, on all hosts; what others do meanwhile stays" {
  start_etcd
  host a
  host b
  until_true answers a
  until_true answers b
  until_true mesh_on a apply -f "$(policy one STRICT)"
  until_true has b one
  local before_a before_b
  before_a=$(generations a) before_b=$(generations b)
  mesh_on a apply -f "$(many 450 STRICT)"
  until_true counted b 451
  until_true agreed
  [ "$(generations a)" -eq $((before_a + 1)) ]
  [ "$(generations b)" -eq $((before_b + 1)) ]
  until_true in_place
  [ "$(ctl get --prefix /mesh/config/ --keys-only | grep -c yaml)" -eq 451 ]

  # Changed and removed at once, from the other host; then at once an edit that must wait.
  mesh_on b apply -f "$(many 450 PERMISSIVE)"
  mesh_on a apply -f "$(policy two STRICT)" || until_true mesh_on a apply -f "$(policy two STRICT)"
  until_true has b two
  until_true in_place
  mesh_on a delete -f "$(many 450 PERMISSIVE)"
  until_true counted b 2
  until_true in_place
  until_true agreed

  # One that was staged and whose host went away before it was in place: another does it.
  ctl put /mesh/config/.staged/0123/peerauthentication.three.default.yaml "+$(cat "$(policy three STRICT)")"
  ctl put /mesh/config/.staged/0123/peerauthentication.two.default.yaml -
  counted a 2
  ctl put /mesh/config/.edit 0123
  until_true has a three
  until_true has_not b two
  until_true in_place
  has b three
}

@test "a file that is deleted by hand while a large edit is made is not brought back" {
  start_etcd
  "$BATS_TEST_DIRNAME/fakes/hold" "$port" "$dir/hold" >"$dir/proxy.log" 2>&1 3>&- &
  pids+=("$!")
  until_true log_says proxy '^port'
  port=$(sed -n 's/^port //p' "$dir/proxy.log") host a
  until_true answers a
  many 150 STRICT
  until_true quietly mesh_on a apply -f "$dir/many.yaml"
  until_true in_place
  many 150 PERMISSIVE
  # apply_over TEXT FILE: the edit, which FILE is deleted before what has TEXT goes to etcd.
  apply_over() {
    echo "$1" >"$dir/hold"
    mesh_on a apply -f "$dir/many.yaml" >"$dir/apply.log" 2>&1 3>&- &
    local apply=$!
    pids+=("$apply")
    until_true test -e "$dir/hold.held"
    ctl del "/mesh/config/$2"
    rm "$dir/hold" "$dir/hold.held"
    wait "$apply"
  }
  # Before it is staged: refused, and nothing is left of it.
  run apply_over .staged/ peerauthentication.n7.default.yaml
  ((status != 0))
  log_says apply 'changed the same meanwhile; try again'
  until_true counted a 149
  until_true in_place
  [ "$(mesh_on a get PeerAuthentication -o json | grep -c PERMISSIVE)" -eq 0 ]
  # Before it is in force: the others are as it says.
  apply_over config/.edit peerauthentication.n8.default.yaml
  until_true in_place
  until_true counted a 149
  [ "$(mesh_on a get PeerAuthentication -o json | grep -c PERMISSIVE)" -eq 149 ]
  has_not a n8
  has a n7
}

@test "TLS, a login and a prefix of its own" {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=etcd \
    -addext subjectAltName=DNS:etcd.test,IP:127.0.0.1 \
    -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
  start_etcd https --cert-file "$dir/cert.pem" --key-file "$dir/key.pem"
  secured() {
    etcdctl --endpoints "https://127.0.0.1:$port" --cacert "$dir/cert.pem" "$@"
  }
  until_true quietly secured endpoint health
  secured user add root:secret
  secured user add mesh:word
  secured role add mesh
  secured role grant-permission mesh --prefix=true readwrite /ours/
  secured user grant-role mesh mesh
  secured user grant-role root root
  secured auth enable
  (umask 077 && echo word >"$dir/password" && echo wrong >"$dir/wrong")

  tls=("caFile: $dir/cert.pem" "serverName: etcd.test" "prefix: /ours/" "user: mesh")
  host a "${tls[@]}" "passwordFile: $dir/password"
  until_true answers a
  until_true mesh_on a apply -f "$(policy one STRICT)"
  secured --user mesh:word get --prefix /ours/config/ --keys-only | grep -q one

  host b "${tls[@]}" "passwordFile: $dir/wrong"
  until_true log_says configd_b 'authentication failed'
  tls[1]="serverName: another.test"
  host c "${tls[@]}" "passwordFile: $dir/password"
  until_true log_says configd_c 'another.test\|certificate'
}

@test "wrong settings are told by their field" {
  scheme=http
  mkdir -p "$dir/x/run" "$dir/x/etc" "$dir/x/state"
  refuse() {
    printf '%s\n' "$1" >"$dir/x/etc/configd.yaml"
    run on x "$build/configd" --check
    ((status != 0))
    [[ $output == *"$2"* ]] || { echo "$output"; return 1; }
  }
  refuse 'etcd: {endpoints: []}' 'configd.yaml:1:8: etcd.endpoints: expected 1 to 16'
  refuse 'etcd: {endpoints: ["etcd.example:2379"]}' 'endpoints[0]: expected http://HOST:PORT'
  local wrong
  for wrong in etcd.example etcd.example:0 10.0.0.300:2379 'a b:2379' :2379 a..b:2379; do
    refuse "etcd: {endpoints: [\"http://$wrong\"]}" 'an IP address or a host name, and a port'
  done
  refuse 'etcd: {endpoints: ["http://127.0.0.1:1", "https://127.0.0.1:2"]}' 'endpoints[1]'
  refuse 'etcd: {endpoints: ["http://127.0.0.1:1"], caFile: x}' 'configd.yaml:1:43: etcd.caFile: goes with https'
  refuse 'etcd: {endpoints: ["https://127.0.0.1:1"]}' 'ca_file: is needed'
  refuse 'etcd: {endpoints: ["http://127.0.0.1:1"], user: x}' 'goes with password_file'
  refuse 'etcd: {endpoints: ["http://127.0.0.1:1"], prefix: /x}' 'prefix'
}
