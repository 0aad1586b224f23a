#!/usr/bin/env bats
# Go's gRPC, with Envoy's own Go messages, as a witness of discoveryd's xDS: on the Unix socket
# and under mutual TLS.

load envoys

setup_file() {
  export GO_CLIENT=$BATS_FILE_TMPDIR/go_client
  (cd "$BATS_TEST_DIRNAME/go_client" && export GOFLAGS=-buildvcs=false &&
    timeout 120 go mod download && timeout 400 go build -o "$GO_CLIENT" .) >&2 3>&- || rm -f "$GO_CLIENT"
}

setup() {
  [ -x "$GO_CLIENT" ] || skip "needs go, and the modules of tests/interop/go_client"
  services
}

client() {  # client TARGET CHECK...
  run timeout 200 "$GO_CLIENT" -config "$dir/config" -log "$dir/run/log/discoveryd.log" "$@"
  echo "$output"
  [ "$status" -eq 0 ] || { tail -n 20 "$dir/run/log/discoveryd.log"; return 1; }
}

@test "Go's client on the Unix socket: both variants, names, refusals, versions, reconnects" {
  up '{}'
  client "unix:$dir/run/xds.sock" whole incremental named refused versions reconnects
}

@test "Go's client under mutual TLS; a client without a certificate, or of another namespace, is not served" {
  up "{listen: \"127.0.0.1:$secure\", token_file: $dir/discoveryd.token}"
  client -identity "$dir/ratings" "dns:///127.0.0.1:$secure" whole incremental named refused versions strangers
}

@test "five thousand streams at once, more than are taken, and readers that do not read: all are served in the end" {
  up '{}'
  client "unix:$dir/run/xds.sock" refuser slow crowd
  discoveryd=$(pgrep -P "$up" -f "$build/discoveryd ")
  [ "$(awk '/VmHWM/ { print $2 }' "/proc/$discoveryd/status")" -lt 400000 ]
  few() { [ "$(ls "/proc/$discoveryd/fd" | wc -l)" -lt 100 ]; }
  until_true few
  nobody() { ! mesh status 2>/dev/null | grep -q 'go-.*@test'; }
  until_true nobody
}

bootstrap() {  # bootstrap NODE: of gRPC's own xDS client
  cat <<JSON
{"xds_servers": [{"server_uri": "unix:$dir/run/xds.sock", "channel_creds": [{"type": "insecure"}],
                  "server_features": ["xds_v3"]}],
 "node": {"id": "$1", "metadata": {"namespace": "demo"}},
 "certificate_providers": {"default": {"plugin_name": "file_watcher", "config": {
   "certificate_file": "$dir/ratings/svid.crt", "private_key_file": "$dir/ratings/svid.key",
   "ca_certificate_file": "$dir/ratings/bundle.crt", "refresh_interval": "600s"}}}}
JSON
}

@test "gRPC without a proxy: xds:///one:80 has endpoints, routes, timeouts and faults of the mesh" {
  up '{}'
  bootstrap alone >"$dir/grpc.json"
  export GRPC_XDS_BOOTSTRAP=$dir/grpc.json
  client "unix:$dir/run/xds.sock" proxyless
}

@test "gRPC without a proxy: mutual TLS to a forwarder by ISTIO_MUTUAL, and nobody in clear" {
  launch greeter "$GO_CLIENT" serve "$dir/greeter.port"
  until_true test -s "$dir/greeter.port"
  instance greeter "$(unused_port)" | sed 's/http/grpc/g; s/HTTP/GRPC/g' >"$dir/config/greeter.yaml"
  echo "{workload: greeter-1, namespace: demo, service_account: greeter}" >"$dir/forwarders/greeter-1.yaml"
  up '{}'
  bootstrap alone >"$dir/grpc.json"
  export GRPC_XDS_BOOTSTRAP=$dir/grpc.json
  client "unix:$dir/run/xds.sock" proxyless_tls
}
