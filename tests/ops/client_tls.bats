#!/usr/bin/env bats
# TLS towards hosts that are not of the mesh, and PROXY protocol headers: trafficPolicy of
# DestinationRules, on real daemons.

load common

setup() {
  scratch
  ending=TERM patience=20
  mkdir -p "$dir/config" "$dir/forwarders" "$dir/pem"
  export MESH_RUN_DIR=$dir/run MESH_STATE_DIR=$dir/state MESH_CONFIG_DIR=$dir
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  authority ca
  authority other
  leaf ca server DNS:secure.example,DNS:alias.example
  leaf ca client DNS:client.example
  read -r port tls_port mutual_port proxy_port < <(free_ports)
  export ORIGIN_PEM=$dir/pem/server.pem
  start origin "$BATS_TEST_DIRNAME/fakes/origin" \
    tls@127.0.0.1:"$tls_port" proxy@127.0.0.1:"$proxy_port"
  ORIGIN_CA=$dir/pem/ca.pem start mutual "$BATS_TEST_DIRNAME/fakes/origin" tls@127.0.0.1:"$mutual_port"
  printf '%s\n' "outbound: 127.0.0.1:$port" 'outbound_tcp: 127.0.0.1' "access_log: $dir/access" \
    >"$dir/forwarders/app.yaml"
  service secure "$tls_port" HTTP >"$dir/config/services.yaml"
  service mutual "$mutual_port" HTTP >>"$dir/config/services.yaml"
  start up "$build/mesh" up "$dir"
}

# start NAME COMMAND...: in the background, until it prints "ready".
start() {
  : >"$dir/$1.log"  # what an earlier one said must not be taken for its word
  launch "$@"
  until_true grep -qx ready "$dir/$1.log"
}
free_ports() {
  python3 -c '
import socket
all = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(s.getsockname()[1] for s in all))'
}

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
    -subj "/CN=$1" -keyout "$dir/pem/$1.key" -out "$dir/pem/$1.pem" 2>/dev/null
}
# leaf AUTHORITY NAME SAN: NAME.crt, NAME.key, and both in NAME.pem.
leaf() {
  local to=$dir/pem/$2
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" \
    -keyout "$to.key" -out "$to.csr" 2>/dev/null
  openssl x509 -req -in "$to.csr" -CA "$dir/pem/$1.pem" -CAkey "$dir/pem/$1.key" -days 1 \
    -extfile <(echo "subjectAltName=$3") -out "$to.crt" 2>/dev/null
  cat "$to.crt" "$to.key" >"$to.pem"
}

# service NAME PORT PROTOCOL: NAME.example, at that port of this host.
service() {
  cat <<YAML
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $1}
spec:
  hosts: [$1.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: $(($2)), name: port, protocol: $3}]
  endpoints: [{address: 127.0.0.1}]
YAML
}
# policy NAME POLICY: the trafficPolicy of NAME.example, in force when it returns.
policy() {
  printf 'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: %s}\nspec:\n' \
    "$1" >"$dir/rule.yaml"
  printf '  host: %s.example\n  trafficPolicy: %s\n' "$1" "$2" >>"$dir/rule.yaml"
  mesh apply -f "$dir/rule.yaml" --wait
}
get() { curl -s -m 15 -w '%{http_code}\n' -H "Host: $1.example" "http://127.0.0.1:$port/"; }

@test "SIMPLE: the server's certificate is verified, by its host's name unless others are given" {
  local ca=$dir/pem/ca.pem
  [[ $(get secure) == *503 ]] # clear text to a TLS port
  policy secure "{tls: {mode: SIMPLE, caCertificates: $ca}}"
  [ "$(get secure)" = "tls $tls_port sni=secure.example alpn=http/1.1 client=None"$'\n200' ]
  policy secure "{tls: {mode: SIMPLE, caCertificates: $ca, sni: else.where, subjectAltNames: [alias.example]}}"
  [ "$(get secure)" = "tls $tls_port sni=else.where alpn=http/1.1 client=None"$'\n200' ]
  # Another's name, another's authority, the system's authorities.
  for tls in "caCertificates: $ca, subjectAltNames: [other.example]" \
    "caCertificates: $dir/pem/other.pem" 'sni: secure.example'; do
    policy secure "{tls: {mode: SIMPLE, $tls}}"
    answer=$(get secure)
    echo "$tls: $answer"
    [[ $answer == *503 ]]
  done
  until_true grep -q '503 UF.*is signed by another CA' "$dir/access"
  policy secure "{tls: {mode: SIMPLE, insecureSkipVerify: true}}"
  [[ $(get secure) == "tls $tls_port "*200 ]]
  policy secure "{tls: {mode: DISABLE}}"
  [[ $(get secure) == *503 ]]
}

@test "MUTUAL: the forwarder shows the certificate that is named" {
  local pem=$dir/pem
  policy mutual "{tls: {mode: SIMPLE, caCertificates: $pem/ca.pem, subjectAltNames: [secure.example]}}"
  [[ $(get mutual) == *503 ]]
  policy mutual "{tls: {mode: MUTUAL, caCertificates: $pem/ca.pem, clientCertificate: $pem/client.crt, privateKey: $pem/client.key, subjectAltNames: [secure.example]}}"
  [ "$(get mutual)" = "tls $mutual_port sni=mutual.example alpn=http/1.1 client=client"$'\n200' ]
}

@test "credentialName: the forwarder shows, and verifies by, what its directory has" {
  policy mutual "{tls: {mode: MUTUAL, credentialName: out, subjectAltNames: [secure.example]}}"
  [[ $(get mutual) == *503 ]]
  mkdir -p "$dir/credentials/new"
  cp "$dir/pem/client.crt" "$dir/credentials/new/tls.crt"
  install -m 600 "$dir/pem/client.key" "$dir/credentials/new/tls.key"
  cp "$dir/pem/ca.pem" "$dir/credentials/new/ca.crt"
  mv "$dir/credentials/new" "$dir/credentials/out"
  shown() { [ "$(get mutual)" = "tls $mutual_port sni=mutual.example alpn=http/1.1 client=client"$'\n200' ]; }
  until_true shown
}

@test "a file that is not there is a fault of that host alone" {
  policy mutual "{tls: {mode: MUTUAL, caCertificates: $dir/pem/ca.pem, clientCertificate: $dir/none.crt, privateKey: $dir/none.key}}"
  [[ $(get mutual) == *503 ]]
  policy secure "{tls: {mode: SIMPLE, caCertificates: $dir/pem/ca.pem}}"
  [[ $(get secure) == *200 ]]
  grep -q "a cluster's TLS cannot be set up.*mutual.example" "$dir/run/log/app.log"
}

@test "proxyProtocol: the host is told who the client is, by version 1 or 2" {
  service told "$proxy_port" TCP | sed 's/^  hosts/  addresses: [127.0.0.9]\n  hosts/' >"$dir/told.yaml"
  mesh apply -f "$dir/told.yaml" --wait
  policy told '{proxyProtocol: {version: V1}}'
  [ "$(socat -u TCP:127.0.0.9:"$proxy_port",bind=127.0.0.77 -)" = "v1 127.0.0.77" ]
  policy told '{proxyProtocol: {version: V2}}'
  [ "$(socat -u TCP:127.0.0.9:"$proxy_port",bind=127.0.0.77 -)" = "v2 127.0.0.77" ]
}
