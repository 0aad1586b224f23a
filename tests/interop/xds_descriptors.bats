#!/usr/bin/env bats
# The xDS subset is Envoy's, field by field.

setup() {
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
}

@test "lib/api/envoy keeps Envoy's names, numbers and types" {
  (cd "$root/lib/api" && protoc -I. --include_imports \
    --descriptor_set_out="$BATS_TEST_TMPDIR/ours.binpb" \
    $(find envoy xds -name '*.proto' | sort))
  run "${PYTHON:-python3}" "$root/tests/interop/xds_descriptors.py" "$BATS_TEST_TMPDIR/ours.binpb"
  echo "$output"
  [ "$status" -ne 77 ] || skip "needs Envoy's descriptors: pip install xds-protos"
  [ "$status" -eq 0 ]
  [[ "$output" == *"messages and enums compared"* ]]
}
