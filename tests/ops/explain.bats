#!/usr/bin/env bats
# mesh explain: what the kinds' messages say of themselves.

bats_require_minimum_version 1.5.0

setup() { mesh=$(realpath "${MESH_BUILD:-build}")/mesh; }

@test "a kind: what it is, and its fields" {
  run "$mesh" explain vs
  [ "$status" -eq 0 ]
  [[ ${lines[0]} == 'KIND '*'VirtualService, networking.istio.io/v1, short vs' ]]
  grep -qE '^  exportTo +list of text' <<<"$output"
  # In any case and number, as everywhere.
  diff <("$mesh" explain VirtualServices) <(echo "$output")
}

@test "a field: type, default and unit; by either name, with an index or without" {
  run "$mesh" explain vs.spec.http.retries.backoff
  [ "$status" -eq 0 ]
  grep -qxE 'TYPE +duration' <<<"$output"
  grep -qxE 'DEFAULT +25 ms' <<<"$output"
  grep -qE '^UNIT +as 300ms' <<<"$output"
  diff <("$mesh" explain 'vs.http[0].retries.backoff') <(echo "$output")
  run "$mesh" explain gw.servers.tls.min_protocol_version
  grep -qxE 'FIELD +spec.servers.tls.minProtocolVersion' <<<"$output"
  grep -qxE '  TLSV1_0 +not supported: TLS 1.0 is broken; use TLSV1_2' <<<"$output"
  run "$mesh" explain vs.http.redirect.port
  grep -qxE 'EXCLUDES +derivePort' <<<"$output"
}

@test "a field that is not supported: what to use instead, exit 1" {
  run --separate-stderr "$mesh" explain gw.servers.defaultEndpoint
  [ "$status" -eq 1 ]
  grep -qE '^REASON +a fixed destination; bind a VirtualService' <<<"$output"
  run "$mesh" explain EnvoyFilter
  [ "$status" -eq 1 ]
  [[ $output == *'not supported: kind EnvoyFilter'*ServicePolicy* ]]
}

@test "-o json: an object a line, of a field, a kind, its fields, all kinds; -o yaml and name too" {
  local field
  field=$("$mesh" explain vs.http.retries.backoff -o json)
  [ "$(wc -l <<<"$field")" -eq 1 ]
  python3 - "$field" <<'EOF'
import json, sys
said = json.loads(sys.argv[1])
assert said["kind"] == "VirtualService" and said["shortName"] == "vs", said
assert said["field"] == "spec.http.retries.backoff" and said["type"] == "duration", said
assert said["default"] == "25 ms" and said["unit"].startswith("as 300ms"), said
EOF
  "$mesh" explain gw.servers.tls -o json | python3 -c '
import json, sys
fields = {field["name"]: field for field in json.load(sys.stdin)["fields"]}
assert "meaning" in fields["serverCertificate"], fields
assert "refused" in fields["insecureSkipVerify"] and "type" not in fields["insecureSkipVerify"], fields'
  run --separate-stderr "$mesh" explain gw.servers.defaultEndpoint -o json
  [ "$status" -eq 1 ]
  [[ $output == *'"refused":"a fixed destination'* ]]
  diff <("$mesh" explain vs --fields -o json | python3 -c '
import json, sys
for line in sys.stdin:
  field = json.loads(line)
  print(field["field"] + "  " + (field["type"] if "type" in field else "refused: " + field["refused"]))') \
    <("$mesh" explain vs --fields)
  diff <("$mesh" explain -o json | python3 -c '
import json, sys
for line in sys.stdin:
  kind = json.loads(line)
  print(kind["kind"], kind["shortName"], kind["apiVersion"])') <("$mesh" explain)
  diff <("$mesh" explain -o name) <("$mesh" explain | cut -d' ' -f1)
  grep -qx 'kind: "VirtualService"' <("$mesh" explain vs.http.timeout -o yaml)
}

@test "a mistyped name suggests the nearest, exit 1" {
  run "$mesh" explain vs.http.retrys
  [ "$status" -eq 1 ]
  [ "$output" = 'mesh explain: spec.http has no field "retrys"; did you mean retries?' ]
  run "$mesh" explain vs.hosts.a
  [ "$status" -eq 1 ]
  [[ $output == *'spec.hosts is a plain value'* ]]
}

@test "what is said of a field calls others as they are written in YAML" {
  cd "$BATS_TEST_DIRNAME/../../lib/api"
  named() { find istio k8s mesh/v1 -name '*.proto' -exec cat {} + | grep -oE "$1" | grep -oE "$2" | sort -u; }
  named '^ +[^/=]* [a-z0-9]+_[a-z0-9_]+ = [0-9]+' '[a-z0-9]+_[a-z0-9_]+' >"$BATS_TEST_TMPDIR/fields"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/fields")" -gt 200 ]
  run comm -12 "$BATS_TEST_TMPDIR/fields" <(named '//.*|unsupported.*' '\b[a-z0-9]+_[a-z0-9_]+\b')
  echo "$output"
  [ -z "$output" ]
}

@test "every field, and what is refused, stands in mesh-config(5): contrib/fields-table writes it" {
  local top=$BATS_TEST_DIRNAME/../..
  sed -n '/^\.\\" Made by contrib\/fields-table/,/^\.\\" to here/p' "$top/man/mesh-config.5" \
    >"$BATS_TEST_TMPDIR/page"
  [ "$(grep -c '^\.It Ic ' "$BATS_TEST_TMPDIR/page")" -eq "$("$mesh" explain | wc -l)" ]
  "$top/contrib/fields-table" "$mesh" | diff "$BATS_TEST_TMPDIR/page" -
}

@test "every line fits 80 columns, of every kind and its fields" {
  for kind in $("$mesh" explain | cut -d' ' -f2); do
    "$mesh" explain "$kind" >"$BATS_TEST_TMPDIR/text"
    "$mesh" explain "$kind" --fields >"$BATS_TEST_TMPDIR/fields"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/fields")" -ge 3 ]
    while read -r path _; do
      "$mesh" explain "$kind.${path//[\[\]\{\}]/}" >>"$BATS_TEST_TMPDIR/text" || true
    done < <(grep -v '=' "$BATS_TEST_TMPDIR/fields" | head -40)
    ! grep -E '.{81}' "$BATS_TEST_TMPDIR/text"
  done
}
