#!/usr/bin/env bats
# mesh analyze: files, the accepted configuration, codes and exit statuses.

bats_require_minimum_version 1.5.0

setup() {
  build=$(realpath "${MESH_BUILD:-build}")
  mesh=$build/mesh
  dir=$(mktemp -d "${TMPDIR:-/tmp}/mesh-XXXXXX")
  mkdir -p "$dir/config" "$dir/state"
  cat >"$dir/web.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web}
spec:
  hosts: [web]
  resolution: STATIC
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
YAML
  cat >"$dir/routes.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - match: [{uri: {prefix: /a}}]
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /a/b}}]
    route: [{destination: {host: web}}]
YAML
  pids=()
}

teardown() {
  local pid
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}

@test "a set that makes sense exits 0 and prints nothing" {
  run --separate-stderr "$mesh" analyze "$dir/web.yaml"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  [ "$stderr" = '1 objects: 0 errors, 0 warnings' ]
}

@test "warnings exit 0, errors and --strict exit 1; each has its place and its code" {
  run --separate-stderr "$mesh" analyze "$dir/web.yaml" "$dir/routes.yaml"
  [ "$status" -eq 0 ]
  [ "$output" = "$dir/routes.yaml:9:5: warning M201: VirtualService default/web: spec.http[1]: never reached: http[0] before it takes every such request" ]
  run "$mesh" analyze -q --strict "$dir/web.yaml" "$dir/routes.yaml"
  [ "$status" -eq 1 ]
  run --separate-stderr "$mesh" analyze "$dir/routes.yaml"
  [ "$status" -eq 1 ]
  [ "$(head -1 <<<"$output")" = "$dir/routes.yaml:8:14: error M101: VirtualService default/web: spec.http[0].route[0].destination.host: no ServiceEntry has the host web" ]
}

@test "objects that are wrong in themselves are told beside the others, as JSON too" {
  sed 's/prefix: \/a}/prefx: \/a}/' "$dir/routes.yaml" >"$dir/wrong.yaml"
  run --separate-stderr "$mesh" analyze -o json "$dir/web.yaml" "$dir/wrong.yaml"
  [ "$status" -eq 1 ]
  python3 - "$output" "$dir/wrong.yaml" <<'PY'
import json, sys
lines = [json.loads(line) for line in sys.argv[1].splitlines()]
assert [(l['code'], l['severity'], l['file'], l['line'], l['column']) for l in lines] == [
    ('M001', 'error', sys.argv[2], 7, 20)], lines
assert 'did you mean' in lines[0]['text']
PY
  run --separate-stderr "$mesh" analyze -o json "$dir/routes.yaml" "$dir/web.yaml"
  python3 - "$output" <<'PY'
import json, sys
one = json.loads(sys.argv[1])
assert one['object'] == 'VirtualService/default/web' and one['path'] == 'spec.http[1]', one
assert one['name'] == 'UnreachableRule', one
PY
  run --separate-stderr "$mesh" analyze -o name "$dir/routes.yaml" "$dir/web.yaml"
  [ "$output" = VirtualService/default/web ]
}

@test "every code is in mesh-analyze(1), with its severity and meaning, and no other" {
  "$mesh" analyze --codes | awk 'NR > 1 {print $1, $2, $3}' >"$dir/said"
  [ "$(wc -l <"$dir/said")" -ge 20 ]
  sed -nE 's/^\.It (M[0-9]{3}) ([A-Za-z]+) Pq (error|warning).*/\1 \3 \2/p' \
    "$BATS_TEST_DIRNAME/../../man/mesh-analyze.1" | diff "$dir/said" -
  # What apply refuses is marked.
  diff <("$mesh" analyze --codes | awk '$4 == "refuses" {print $1}') \
    <(sed -nE 's/^\.It (M[0-9]{3}) .*refused.*/\1/p' "$BATS_TEST_DIRNAME/../../man/mesh-analyze.1")
}

@test "--live puts files over what is accepted" {
  run "$mesh" analyze --run-dir "$dir"
  [ "$status" -eq 69 ]
  cp "$dir/web.yaml" "$dir/config/"
  local user=()
  ((EUID != 0)) || user=(--user root)
  "$build/configd" "${user[@]}" --run-dir "$dir" --state-dir "$dir/state" --config-dir "$dir" >"$dir/log" 2>&1 3>&- &
  pids+=("$!")
  local deadline=$((SECONDS + 20))
  until "$mesh" --run-dir "$dir" get se/default/web -o name 2>/dev/null | grep -q web; do
    ((SECONDS < deadline)) || { cat "$dir/log"; return 1; }
    read -rt 0.05 <> <(:) || true
  done
  run --separate-stderr "$mesh" analyze --run-dir "$dir"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  run --separate-stderr "$mesh" analyze --run-dir "$dir" --live "$dir/routes.yaml"
  [ "$status" -eq 0 ]
  [[ $output == *" warning M201: "* && $(wc -l <<<"$output") -eq 1 ]]
}

@test "instances that registered themselves are known with --live" {
  cp "$dir/web.yaml" "$dir/config/"
  sed -i 's/location: MESH_INTERNAL/location: MESH_INTERNAL\n  workloadSelector: {labels: {app: web}}/' "$dir/config/web.yaml"
  local user=()
  ((EUID != 0)) || user=(--user root)
  for daemon in configd discoveryd; do
    "$build/$daemon" "${user[@]}" --run-dir "$dir" --state-dir "$dir/state" --config-dir "$dir" \
      >>"$dir/log" 2>&1 3>&- &
    pids+=("$!")
  done
  live() { run --separate-stderr "$mesh" analyze --run-dir "$dir" --live; [[ $output == $1 ]]; } # a pattern
  local deadline=$((SECONDS + 20))
  until live '*warning M202*app=web*'; do
    ((SECONDS < deadline)) || { echo "$output $stderr"; cat "$dir/log"; return 1; }
    read -rt 0.05 <> <(:) || true
  done
  until "$mesh" --run-dir "$dir" register web-1 127.0.0.1 --label app=web --port http=8080; do
    ((SECONDS < deadline)) || { cat "$dir/log"; return 1; }
    read -rt 0.05 <> <(:) || true
  done
  live ''
}
