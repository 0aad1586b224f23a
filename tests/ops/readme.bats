#!/usr/bin/env bats
# The README's commands, as they stand there.

readme=$BATS_TEST_DIRNAME/../../README.md

# The Nth block of commands, behind the first, which sets up the directories.
block() {
  awk -v want="$1" '
    /^```sh$/ { n++; inside = 1; next }
    /^```$/ { inside = 0 }
    inside && (n == 1 || n == want)' "$readme"
}

# Runs it from the project's folder, with the programs under test as build/.
run_block() {
  cd "$BATS_TEST_DIRNAME/../.." || return
  {
    # What is still there when a command fails must not outlive the test.
    echo "trap 'kill \$(jobs -p) 2>/dev/null || :' EXIT"
    block "$1" | sed "s:\$PWD/build:$(realpath "${MESH_BUILD:-build}"):"
  } >"$BATS_TEST_TMPDIR/block"
  export TMPDIR=$BATS_TEST_TMPDIR
  run timeout 60 bash -eu "$BATS_TEST_TMPDIR/block" 3>&-
  echo "$output"
  [ "$status" -eq 0 ]
}

@test "README: six blocks, and each daemon has one" {
  [ "$(grep -c '^```sh$' "$readme")" -eq 6 ]
  for daemon in forwarder certd configd discoveryd statsd; do
    grep -q "^\*\*$daemon\*\*" "$readme"
  done
}

@test "README: forwarder alone" {
  run_block 2
  [[ $output == *"# mesh"* ]]
  [[ $output == *"app::127.0.0.1:8080::health_flags::healthy"* ]]
}

@test "README: forwarder alone, where the origin is slower to start" {
  # It starts when the forwarder has answered that it cannot be reached.
  mkdir "$BATS_TEST_TMPDIR/slow"
  cat >"$BATS_TEST_TMPDIR/slow/python3" <<EOF
#!/bin/bash
for _ in {1..500}; do
  [[ \$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:10000/) != 503 ]] || break
  read -rt 0.02 <> <(:) || :
done
exec $(command -v python3) "\$@"
EOF
  chmod +x "$BATS_TEST_TMPDIR/slow/python3"
  export PATH=$BATS_TEST_TMPDIR/slow:$PATH
  run_block 2
  [[ $output == *"# mesh"* ]]
}

@test "README: certd alone" {
  run_block 3
  [[ $output == *"svid.crt: OK"* ]]
  [[ $output == *spiffe://cluster.local/ns/default/sa/web* ]]
}

@test "README: configd as a validator" {
  run_block 4
  [[ $output == *"hosts:"* ]]
  [[ $output == *'expected a whole number, got "many"'*refused* ]]
}

@test "README: discoveryd as a registry" {
  run_block 5
  [[ $output == *10.0.0.9:9080* ]]
}

@test "README: statsd as a collector" {
  run_block 6
  [[ $output == *"istio_requests_total"* ]]
  [[ $output == *SOURCE* ]]
}
