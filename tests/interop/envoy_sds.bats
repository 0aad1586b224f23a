#!/usr/bin/env bats
# A stock Envoy whose certificate, key and trust bundle come from certd by SDS, and never lie on
# a disk: beside a forwarder, in both directions under STRICT mutual TLS, while they are renewed.
# And gRPC's own client as a witness of what certd says, and to whom.

load envoys

serial() { curl -s --unix-socket "$dir/envoy.sock" http://envoy/certs | grep -o '"serial_number": "[0-9a-f]*"' | sort -u; }

@test "mutual TLS between an Envoy with SDS and a forwarder; renewal is pushed" {
  beside
  echo 'xds: {}' >"$dir/discoveryd.yaml"
  cat >"$dir/certd.yaml" <<YAML
sds: {}
leaf_lifetime: 12s
identities: [{uid: $(id -u), namespace: demo, service_account: ratings}]
YAML
  mesh_up
  up=${pids[-1]}
  attach --sds "$dir/run/sds.sock"
  both_ways
  grep -q 'x-forwarded-client-cert.*spiffe://cluster.local/ns/demo/sa/reviews' "$dir/answer"
  first=$(serial)
  [ -n "$first" ]
  renewed() { [ -n "$(serial)" ] && [ "$(serial)" != "$first" ]; }
  until_true renewed
  both_ways
  # The Envoy's key lies nowhere.
  run grep -rl 'PRIVATE KEY' "$dir/run" "$dir/envoys" "$dir/envoy.json" "$dir/state/certd" --exclude=root.key
  [ -z "$output" ]
  mesh cert list | grep 'sa/ratings'
  # certd is away for a while: what was pushed serves, and is renewed when it is back.
  kill -9 "$(pgrep -P "$up" -f "$build/certd ")"
  both_ways
  first=$(serial)
  until_true renewed
  both_ways
}

@test "who asks is who the kernel says; a key is made for whom a rule names, and for nobody else" {
  python3 -c 'import grpc, envoy.service.discovery.v3.discovery_pb2' 2>/dev/null ||
    skip "needs grpcio and xds-protos: pip install grpcio xds-protos"
  scratch
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  mkdir -p "$dir/run" "$dir/state"
  cat >"$dir/certd.yaml" <<YAML
sds: {}
leaf_lifetime: 4s
identities: [{uid: $(id -u), namespace: demo, service_account: ratings}]
YAML
  options=(--run-dir "$dir/run" --state-dir "$dir/state" --config-dir "$dir" --user "$(id -un)")
  start certd "${options[@]}"
  until_true test -S "$dir/run/sds.sock"
  run timeout 100 python3 "$root/tests/interop/sds_client.py" "$dir/run/sds.sock" \
    roots_alone own rotation both_variants unknown hostile
  echo "$output"
  [ "$status" -eq 0 ] || { tail "$dir/certd.log"; return 1; }
  # The rule goes: nobody is signed for, and nobody gets a key.
  echo 'sds: {}' >"$dir/certd.yaml"
  kill -HUP "$certd"
  until_true log_says certd 'settings read anew'
  run timeout 60 python3 "$root/tests/interop/sds_client.py" "$dir/run/sds.sock" refused roots_alone
  echo "$output"
  [ "$status" -eq 0 ]
  # Without the setting there is no socket.
  kill "$certd" && wait "$certd" || true
  echo '{}' >"$dir/certd.yaml"
  rm -f "$dir/run/sds.sock" "$dir/run/certd.sock"
  start certd "${options[@]}"
  until_true test -S "$dir/run/certd.sock"
  [ ! -e "$dir/run/sds.sock" ]
}
