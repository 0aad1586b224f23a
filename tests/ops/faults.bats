#!/usr/bin/env bats
# Bad input and faults, on real daemons: a clear error that names the place, and
# everything else goes on as it was.

load common

setup() {
  scratch
  daemon_dirs
  echo 'prometheus: 127.0.0.1:0' >"$dir/etc/statsd.yaml"
  mounted=
}

teardown() {
  end_all
  [[ -z $mounted ]] || umount "$mounted"
  rm -rf "$dir"
}

is_ready() { log_says "$1" ' ready'; }
alive() { kill -0 "$1" 2>/dev/null; }
answers() {
  case $1 in
    configd) quietly mesh get ;;
    discoveryd) quietly mesh services ;;
    certd) quietly mesh cert list ;;
    statsd) quietly mesh top --once ;;
  esac
}

# policy NAMESPACE MODE
policy() {
  printf 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n'
  printf 'metadata: {name: default, namespace: %s}\nspec:\n  mtls: {mode: %s}\n' "$1" "$2"
}

# bootstrap PORT UPSTREAM [TRANSPORT_SOCKET]: an Envoy bootstrap.
bootstrap() {
  cat <<YAML
static_resources:
  listeners:
  - name: front
    address: {socket_address: {address: 127.0.0.1, port_value: $1}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: app}}]}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
${3:-}
  clusters:
  - name: app
    connect_timeout: 1s
    load_assignment:
      cluster_name: app
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $2}}}}]}]
YAML
}

# An HTTP server of directory $dir/www; its port in $origin_port.
start_origin() {
  mkdir -p "$dir/www"
  echo hello >"$dir/www/index.html"
  cat >"$dir/origin.py" <<'PY'
import http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_address[1], flush=True)
server.serve_forever()
PY
  launch origin env -C "$dir/www" python3 "$dir/origin.py"
  until_true log_says origin '^port'
  origin_port=$(sed -n 's/^port //p' "$dir/origin.log")
}

small_disk() {
  ((EUID == 0)) || skip "needs root to mount"
  mkdir -p "$1"
  mount -t tmpfs -o size=64k,mode=700 tmpfs "$1" 2>/dev/null || skip "cannot mount a tmpfs here"
  mounted=$1
}

@test "garbage on the bus leaves every daemon answering" {
  local name
  for name in certd configd discoveryd statsd; do start "$name"; done
  for name in certd configd discoveryd statsd; do until_true answers "$name"; done
  cat >"$dir/garbage.py" <<'PY'
import os, random, socket, struct, sys
random.seed(7)
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16) + b"\0" + bytes(31)
READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06DEALER"
for path in sys.argv[1:]:
    for n in range(60):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        try:
            if n % 4 == 0:  # no ZMTP at all
                s.sendall(random.randbytes(random.randrange(1, 4096)))
            elif n % 4 == 1:  # cut greeting
                s.sendall(GREETING[: random.randrange(1, 64)])
            elif n % 4 == 2:  # frames that are no envelope
                s.sendall(GREETING + READY)
                for _ in range(50):
                    body = random.randbytes(random.randrange(0, 200))
                    s.sendall(bytes([random.choice((0, 1)), len(body)]) + body)
            else:  # a length that nothing follows
                s.sendall(GREETING + READY + b"\x02" + struct.pack(">Q", 1 << 62) + b"x" * 100)
        except OSError:
            pass  # refused in the middle: its right
        s.close()
PY
  python3 "$dir/garbage.py" "$dir"/run/{certd,configd,discoveryd,statsd}.sock
  for name in certd configd discoveryd statsd; do
    alive "${!name}" || { cat "$dir/$name.log"; return 1; }
    answers "$name" || { echo "$name does not answer"; cat "$dir/$name.log"; return 1; }
  done
}

@test "half-written YAML in the directory changes nothing until it is whole" {
  policy default STRICT >"$dir/etc/config/a.yaml"
  start configd
  until_true answers configd
  before=$(mesh get -o yaml)
  policy other PERMISSIVE >"$dir/whole"
  head -c -14 "$dir/whole" >"$dir/etc/config/b.yaml"  # ends in "mtls: {m"
  until_true log_says configd 'b.yaml:[0-9]*:[0-9]*: '
  [ "$(mesh get -o yaml)" = "$before" ]
  cat "$dir/whole" >"$dir/etc/config/b.yaml"
  has_both() { [ "$(mesh get -o name | wc -l)" -eq 2 ]; }
  until_true has_both
}

@test "an unknown key: 78 with its place at start; on SIGHUP the settings before stay" {
  local name
  for name in certd configd discoveryd statsd; do
    cp -f "$BATS_TEST_DIRNAME/../../etc/$name.yaml" "$dir/etc/$name.yaml"
    [[ $name != statsd ]] || echo 'prometheus: 127.0.0.1:0' >"$dir/etc/statsd.yaml"
    start "$name"
    until_true answers "$name"
    printf 'wrong_key_here: 1\n' >>"$dir/etc/$name.yaml"
    line=$(wc -l <"$dir/etc/$name.yaml")
    kill -HUP "${!name}"
    until_true log_says "$name" "$name.yaml:$line:1: unknown field \"wrong_key_here\""
    until_true log_says "$name" "the settings before stay in force"
    answers "$name"
    run "$build/$name" -n
    [ "$status" -eq 78 ]
    [[ $output == *"$name.yaml:$line:1: unknown field"* ]]
  done
  printf 'workload: web\nworkloads: web\n' >"$dir/web.yaml"
  run "$build/forwarder" -c "$dir/web.yaml"
  [ "$status" -eq 78 ]
  [[ $output == *'web.yaml:2:1: unknown field "workloads"; did you mean "workload"?'* ]]
}

@test "wrong options: 64, and what is known is named" {
  local name
  for name in certd configd discoveryd statsd forwarder; do
    run "$build/$name" --frobnicate
    [ "$status" -eq 64 ]
    [[ $output == "$name: unknown option --frobnicate"*"--help"* ]]
    run "$build/$name" word
    [ "$status" -eq 64 ]
    [[ $output == *'unexpected argument "word"'* ]]
    run "$build/$name" -c
    [ "$status" -eq 64 ]
    run "$build/$name" -c "$dir/nowhere.yaml"
    [ "$status" -eq 78 ]
    [[ $output == *"nowhere.yaml"*"No such file"* ]]
    run "$build/$name" --help
    [ "$status" -eq 0 ]
    run "$build/$name" --version
    [ "$status" -eq 0 ]
  done
  run "$build/forwarder" -c "$dir/x.yaml" --concurrency many
  [ "$status" -ne 0 ]
}

@test "a full disk: apply is refused with the reason, nothing accepted is lost" {
  small_disk "$dir/state"
  start configd
  until_true answers configd
  mesh apply -f <(policy kept STRICT) >/dev/null
  before=$(mesh get -o yaml)
  dd if=/dev/zero of="$dir/state/full" bs=1k count=1000 2>/dev/null || true
  run mesh apply -f <(policy more STRICT)
  [ "$status" -ne 0 ]
  [[ $output == *"No space left on device"* ]]
  [ "$(mesh get -o yaml)" = "$before" ]
  kill -KILL "$configd"
  wait "$configd" || true
  start configd
  until_true answers configd
  [ "$(mesh get -o yaml)" = "$before" ]
  rm "$dir/state/full"
  mesh apply -f <(policy more STRICT)
  [ "$(mesh get -o name | wc -l)" -eq 2 ]
}

@test "a full disk: certd signs nothing it cannot remember, and goes on after" {
  small_disk "$dir/state"
  start certd
  until_true answers certd
  mesh cert token default/web >"$dir/token" 2>/dev/null
  chmod 600 "$dir/token"
  dd if=/dev/zero of="$dir/state/full" bs=1k count=1000 2>/dev/null || true
  run env -C "$dir" "$build/mesh" cert request web --token-file "$dir/token"
  [ "$status" -ne 0 ]
  [[ $output == *"No space left on device"* ]]
  answers certd
  rm "$dir/state/full"
  env -C "$dir" "$build/mesh" cert request web --token-file "$dir/token" -q
  [ "$(mesh cert list -o name | wc -l)" -eq 1 ]
}

@test "a full disk: a forwarder serves on, and keeps its resources once there is room" {
  mkdir "$dir/small"
  small_disk "$dir/small"
  policy a STRICT >"$dir/etc/config/a.yaml"
  printf 'outbound: %s/out.sock\n' "$dir" >"$dir/web.yaml"
  for name in certd configd discoveryd; do start "$name"; done
  until_true answers discoveryd
  start forwarder -c "$dir/web.yaml" --state-dir "$dir/small"
  kept=$dir/small/forwarder/web/resources
  until_true test -s "$kept"
  dd if=/dev/zero of="$dir/small/full" bs=1k count=1000 2>/dev/null || true
  mesh apply --wait -f <(policy b STRICT) | tee "$dir/applied"
  until_true log_says forwarder 'cannot keep the resources.*No space left'
  test -S "$dir/out.sock"
  rm "$dir/small/full"
  until_true log_says forwarder 'kept for a restart again'
  grep -q "$(sed -n 's/^generation \([0-9a-f]*\)$/\1/p' "$dir/applied")" "$kept"
}

@test "a taken port: the daemon that wants it names address and setting" {
  start_origin
  echo "prometheus: 127.0.0.1:$origin_port" >"$dir/etc/statsd.yaml"
  run "$build/statsd"
  [ "$status" -eq 1 ]
  [[ $output == *"prometheus"*"127.0.0.1:$origin_port"*"Address already in use"* ]]

  printf 'workload: web\nadmin: 127.0.0.1:%s\n' "$origin_port" >"$dir/web.yaml"
  run "$build/forwarder" -c "$dir/web.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *"admin"*"127.0.0.1:$origin_port"*"Address already in use"* ]]

  bootstrap "$origin_port" 1 >"$dir/boot.yaml"
  run "$build/forwarder" -c "$dir/boot.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *"listener front"*"127.0.0.1:$origin_port"*"Address already in use"* ]]
}

@test "a taken outbound port is refused by name, and apply --wait says by whom" {
  start_origin
  start configd
  start discoveryd
  start certd
  until_true answers discoveryd
  policy a STRICT >"$dir/etc/config/a.yaml"
  printf 'outbound: 127.0.0.1:%s\n' "$origin_port" >"$dir/web.yaml"
  start forwarder -c "$dir/web.yaml"
  until_true log_says forwarder "127.0.0.1:$origin_port.*Address already in use"
  run mesh apply -f <(policy b STRICT) --wait --timeout 3s
  [ "$status" -ne 0 ]
  [[ $output == *"web@"*"127.0.0.1:$origin_port"*"Address already in use"* ]]
  alive "$forwarder"
  start statsd
  told() { run mesh status; [[ $output == *"listener outbound: "*"Address already in use"* ]]; }
  until_true told
  kill "$origin"
  # Bound once it is free; then nobody complains of it any more.
  until_true log_says forwarder "listening now.*outbound"
  quiet() { run mesh status; [[ $output != *"Address already in use"* ]]; }
  until_true quiet
  run mesh apply -f <(policy c STRICT) --wait --timeout 10s
  [ "$status" -eq 0 ]
}

@test "certificate files of a bootstrap: missing, unreadable by rule, broken" {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 1 \
    -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
  tls="      transport_socket:
        name: tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificates:
            - {certificate_chain: {filename: $dir/cert.pem}, private_key: {filename: $dir/key.pem}}"
  bootstrap 0 1 "$tls" >"$dir/boot.yaml"
  chmod 644 "$dir/key.pem"
  run "$build/forwarder" -c "$dir/boot.yaml"
  [ "$status" -ne 0 ]
  [[ $output == *"listener front"*"$dir/key.pem has mode 0644"* ]]
  chmod 600 "$dir/key.pem"
  mv "$dir/cert.pem" "$dir/away.pem"
  run "$build/forwarder" -c "$dir/boot.yaml"
  [ "$status" -ne 0 ]
  [[ $output == *"listener front"*"$dir/cert.pem: No such file"* ]]
  mv "$dir/away.pem" "$dir/cert.pem"
  start forwarder -c "$dir/boot.yaml"
  until_true is_ready forwarder
  # What is wrong later is refused, and the one before stays.
  echo garbage >"$dir/cert.pem"
  kill -HUP "$forwarder"
  until_true log_says forwarder "the settings before stay in force"
  alive "$forwarder"
}

@test "descriptors used up: accepting pauses, what stands is served, it recovers by itself" {
  skip_sanitized "it opens files of its own where none is left"
  start_origin
  port=$(free_port)
  bootstrap "$port" "$origin_port" >"$dir/boot.yaml"
  launch forwarder bash -c 'ulimit -n 64; exec "$@"' - "$build/forwarder" -c "$dir/boot.yaml" --concurrency 1
  until_true is_ready forwarder
  cat >"$dir/many.py" <<'PY'
import socket, sys, time
port = int(sys.argv[1])
ASK = b"GET /index.html HTTP/1.1\r\nhost: app\r\n\r\n"
def ask(s):
    s.sendall(ASK)
    answer = b""
    while not answer.endswith(b"hello\n"):
        got = s.recv(4096)
        if not got: return answer
        answer += got
    return answer
def connect():
    s = socket.create_connection(("127.0.0.1", port)); s.settimeout(10); return s
first = connect()
assert b"200 OK" in ask(first), "before"
crowd = [connect() for _ in range(120)]  # the queue takes what is not accepted
print("crowd", flush=True)
sys.stdin.readline()
assert b"200 OK" in ask(first), "while descriptors are used up"
for s in crowd: s.close()
late = connect()
assert b"200 OK" in ask(late), "after"
print("recovered", flush=True)
PY
  coproc MANY { python3 "$dir/many.py" "$port" 2>"$dir/many.log" 3>&-; }
  pids+=("$MANY_PID")
  local said
  read -rt 10 said <&"${MANY[0]}"
  [ "$said" = crowd ]
  until_true log_says forwarder 'cannot accept: paused until descriptors are free.*listener=front'
  echo >&"${MANY[1]}"
  read -rt 15 said <&"${MANY[0]}" || { cat "$dir/many.log" "$dir/forwarder.log"; return 1; }
  [ "$said" = recovered ]
  log_says forwarder 'accepting again'
}

@test "any order of start: all come up, also after kill -9" {
  policy a STRICT >"$dir/etc/config/a.yaml"
  printf 'outbound: %s/out.sock\n' "$dir" >"$dir/web.yaml"
  in_force() { mesh status -o json 2>/dev/null | grep -q '"name":"web@[^}]*"generation":"[0-9a-f]'; }
  local order name
  for order in "forwarder statsd discoveryd configd certd" "certd configd discoveryd statsd forwarder" \
    "discoveryd forwarder certd configd statsd"; do
    rm -f "$dir"/*.log
    pids=()
    for name in $order; do
      if [ "$name" = forwarder ]; then start forwarder -c "$dir/web.yaml"; else start "$name"; fi
      read -rt 0.05 <> <(:) || true
    done
    for name in certd configd discoveryd statsd; do until_true answers "$name"; done
    until_true is_ready forwarder
    until_true test -S "$dir/out.sock"
    for name in $order; do kill -KILL "${!name}"; wait "${!name}" 2>/dev/null || true; done
  done
}

@test "SIGHUP and SIGTERM under load lose no request" {
  start_origin
  port=$(free_port)
  bootstrap "$port" "$origin_port" >"$dir/boot.yaml"
  start forwarder -c "$dir/boot.yaml" --drain-time-s 5
  until_true is_ready forwarder
  cat >"$dir/load.py" <<'PY'
# Asks until nobody listens any more; a request that was taken must be answered.
import http.client, sys
port = int(sys.argv[1])
done = 0
while True:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.connect()
    except ConnectionRefusedError:
        break
    connection.request("GET", "/index.html", headers={"connection": "close"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b"hello\n"
    connection.close()
    done += 1
    if done == 20:
        print("under load", flush=True)
print("asked", done)
PY
  launch load python3 "$dir/load.py" "$port"
  until_true log_says load 'under load'
  local reload
  for reload in 1 2 3; do
    kill -HUP "$forwarder"
    reloads() { [ "$(grep -c 'settings read anew' "$dir/forwarder.log")" -ge "$reload" ]; }
    until_true reloads
  done
  kill -TERM "$forwarder"
  wait "$forwarder"
  wait "$load" || { cat "$dir/load.log" "$dir/forwarder.log"; return 1; }
  log_says load '^asked [1-9]'
}
