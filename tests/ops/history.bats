#!/usr/bin/env bats
# Generations as an operator handles them: history, diff, rollback, trials, pruning,
# and state that is lost or damaged. A real configd and mesh.

load configd

@test "history: the newest first, with who, how and what" {
  start
  run mesh history
  [ "$status" -eq 0 ]
  mesh apply -f <(policy a demo STRICT) >/dev/null
  mesh apply -f <(policy a demo PERMISSIVE; echo ---; policy b demo2 STRICT) >/dev/null
  mesh delete pa/demo/a >/dev/null
  policy c demo3 STRICT >"$dir/config/c.yaml"
  until_true has PeerAuthentication/demo3/c
  run mesh history
  [ "$status" -eq 0 ]
  [ "$(awk 'NR == 1 {print $1, $2, $3, $4, $5, $6}' <<<"$output")" = "GENERATION N AGE HOW WHO CHANGES" ]
  [ "$(awk 'NR > 1 {print $2, $4}' <<<"$output" | head -4)" = $'@5 directory\n@4 delete\n@3 apply\n@2 apply' ]
  [ "$(awk 'NR == 3 {print $5}' <<<"$output")" = "$(id -un)" ]
  [ "$(awk 'NR == 2 {print $5}' <<<"$output")" = - ]
  [[ ${lines[1]} == *" +PeerAuthentication/demo3/c" ]]
  [[ ${lines[2]} == *" -PeerAuthentication/demo/a" ]]
  [[ ${lines[3]} == *" +PeerAuthentication/demo2/b ~PeerAuthentication/demo/a" ]]
  mesh history -o json | python3 -c '
import json, sys
records = [json.loads(line) for line in sys.stdin]
assert [r["number"] for r in records] == [5, 4, 3, 2, 1], records
assert records[2]["created"] == 1 and records[2]["configured"] == 1, records[2]
assert records[0]["uid"] is None and records[1]["uid"] is not None'
  [ "$(mesh history -o name | head -1)" = "$(generation)" ]
}

@test "diff -f: exit 1 and the fields that differ, 0 and nothing where none does" {
  start
  mesh apply -f <(policy a demo STRICT; echo ---; policy b demo2 STRICT 'owner: shop') >/dev/null
  policy a demo STRICT >"$dir/a.yaml"
  run mesh diff -q -f "$dir/a.yaml"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  policy a demo PERMISSIVE >"$dir/a.yaml"
  run mesh diff -f "$dir/a.yaml"
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = "--- PeerAuthentication/demo/a peerauthentication.demo.a.yaml:1:1" ]
  [ "${lines[1]}" = "+++ PeerAuthentication/demo/a $dir/a.yaml:1:1" ]
  [ "${lines[2]}" = "@@ spec.mtls.mode @@" ]
  [ "${lines[3]}" = "-STRICT" ]
  [ "${lines[4]}" = "+PERMISSIVE" ]
  [ "${#lines[@]}" -eq 5 ]
  # With a selector, what the file lacks goes.
  run mesh diff -f "$dir/a.yaml" -l owner=shop -o name
  [ "$status" -eq 1 ]
  [ "$output" = $'PeerAuthentication/demo/a\nPeerAuthentication/demo2/b' ]
  run mesh diff -f "$dir/a.yaml" -o json
  [ "$output" = '{"object":"PeerAuthentication/demo/a","what":"configured","fields":[{"path":"spec.mtls.mode","before":"STRICT","after":"PERMISSIVE"}]}' ]
  policy a demo WRONG >"$dir/a.yaml"
  run mesh diff -f "$dir/a.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *"a.yaml:5:10: "* ]]
  run mesh diff
  [ "$status" -eq 64 ]
}

@test "diff GEN GEN, in every form of a name" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  first=$(generation)
  mesh apply -f <(policy b demo2 STRICT) >/dev/null
  second=$(generation)
  run mesh diff "$first" "$second" -o name
  [ "$status" -eq 1 ]
  [ "$output" = PeerAuthentication/demo2/b ]
  [ "$(mesh diff @2 @3 -o name || true)" = "$output" ]
  [ "$(mesh diff @-1 -o name || true)" = "$output" ]
  [ "$(mesh diff "${first:0:6}" -o name || true)" = "$output" ]
  run mesh diff "$second" @3
  [ "$status" -eq 0 ]
  run mesh diff @77
  [ "$status" -eq 1 ]
  [[ $output == *"mesh history"* ]]
  [ "$(mesh get --generation "$first" -o name)" = PeerAuthentication/demo/a ]
}

@test "what names no generation is refused at once, the same everywhere" {
  start
  policy a demo STRICT >"$dir/a.yaml"
  mesh apply -f "$dir/a.yaml"
  local command
  for command in wait rollback confirm diff 'get --generation'; do
    for name in nosuch dd0 0123456789abc DD00; do
      run mesh $command $name
      [ "$status" -eq 1 ]
      [ "$output" = "mesh ${command%% *}: expected a generation (4 to 12 hexadecimal digits, @N or @-1), got \"$name\"" ]
    done
  done
  run mesh rollback @-0
  [ "$status" -eq 0 ]
  [ "$output" = "generation $(generation) unchanged" ]
}

@test "rollback makes an earlier set the present one, its files too" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  first=$(generation)
  mesh apply -f <(policy a demo PERMISSIVE; echo ---; policy b demo2 STRICT) >/dev/null
  run mesh rollback --dry-run @-1
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "PeerAuthentication/demo/a configured" ]
  [ "${lines[1]}" = "PeerAuthentication/demo2/b deleted" ]
  mode_is pa/demo/a PERMISSIVE
  run mesh rollback @-1
  [ "$status" -eq 0 ]
  [ "${lines[2]}" = "generation $first" ]
  mode_is pa/demo/a STRICT
  [ "$(ls "$dir/config")" = peerauthentication.demo.a.yaml ]
  grep -q STRICT "$dir/config/peerauthentication.demo.a.yaml"
  [ "$(mesh history | awk 'NR == 2 {print $1, $2, $4}')" = "$first @4 rollback" ]
  run mesh rollback "$first"
  [ "$status" -eq 0 ]
  [ "$output" = "generation $first unchanged" ]
  [ "$(mesh history -o name | wc -l)" -eq 4 ]
  run mesh rollback 0123
  [ "$status" -eq 1 ]
}

@test "apply --for is taken back when nobody confirms" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  first=$(generation)
  run mesh apply --for 1s -f <(policy a demo PERMISSIVE; echo ---; policy b demo2 STRICT)
  [ "$status" -eq 0 ]
  [[ $output == *"unless: mesh confirm "* ]]
  until_true mode_is pa/demo/a STRICT
  has_not PeerAuthentication/demo2/b
  [ "$(generation)" = "$first" ]
  [ "$(mesh history | awk 'NR == 2 {print $4}')" = revert ]
  [ "$(ls "$dir/config")" = peerauthentication.demo.a.yaml ]
  [ ! -e "$dir/state/configd/trial" ]
}

@test "confirm keeps a trial; meanwhile other changes are refused" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  mesh apply --for 1h -f <(policy a demo PERMISSIVE) >/dev/null
  tried=$(generation)
  status_says "is on trial; back to"
  run mesh apply -f <(policy b demo2 STRICT)
  [ "$status" -eq 1 ]
  [[ $output == *"generation $tried is on trial; first: mesh confirm $tried, or mesh rollback "* ]]
  run mesh confirm @-1
  [ "$status" -eq 1 ]
  run mesh confirm "$tried"
  [ "$status" -eq 0 ]
  [ "$output" = "generation $tried confirmed" ]
  run mesh confirm "$tried"
  [ "$status" -eq 0 ]
  [ "$output" = "generation $tried unchanged" ]
  [ ! -e "$dir/state/configd/trial" ]
  mesh apply -f <(policy b demo2 STRICT) >/dev/null
  mode_is pa/demo/a PERMISSIVE
}

@test "a rollback ends a trial" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  mesh apply --for 1h -f <(policy a demo PERMISSIVE) >/dev/null
  mesh rollback @-1 >/dev/null
  mode_is pa/demo/a STRICT
  [ ! -e "$dir/state/configd/trial" ]
  mesh apply -f <(policy b demo2 STRICT) >/dev/null
}

@test "a trial outlives a restart, and one whose time passed meanwhile is taken back" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  mesh apply --for 1h -f <(policy a demo PERMISSIVE) >/dev/null
  stop KILL
  start
  mode_is pa/demo/a PERMISSIVE
  status_says "is on trial"
  mesh confirm @-0 >/dev/null
  mesh apply --for 1s -f <(policy a demo DISABLE) >/dev/null
  stop KILL
  start
  until_true mode_is pa/demo/a PERMISSIVE
}

@test "a crash between the directory and the history does not make a trial permanent" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  cp "$dir/state/configd/history" "$dir/history"
  mesh apply --for 5s -f <(policy a demo PERMISSIVE) >/dev/null
  stop KILL
  cp "$dir/history" "$dir/state/configd/history"
  start
  mode_is pa/demo/a PERMISSIVE
  until_true mode_is pa/demo/a STRICT
}

@test "what is edited by hand during a trial stays when it is taken back" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  mesh apply --for 5s -f <(policy a demo PERMISSIVE) >/dev/null
  policy c demo3 STRICT >"$dir/config/c.yaml"
  until_true has PeerAuthentication/demo3/c
  until_true mode_is pa/demo/a STRICT
  has PeerAuthentication/demo3/c
}

@test "--prune -l deletes what has the labels and is not in the files" {
  start
  mesh apply -f <(policy a demo STRICT 'owner: shop'; echo ---; policy b demo2 STRICT 'owner: shop';
    echo ---; policy c demo3 STRICT 'owner: other') >/dev/null
  policy a demo STRICT 'owner: shop' >"$dir/a.yaml"
  run mesh apply --prune -l owner=shop -f "$dir/a.yaml"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "PeerAuthentication/demo/a unchanged" ]
  [ "${lines[1]}" = "PeerAuthentication/demo2/b deleted" ]
  [ "$(mesh get -o name)" = $'PeerAuthentication/demo/a\nPeerAuthentication/demo3/c' ]
  run mesh apply --prune -l owner=shop -f <(policy a demo STRICT)
  [ "$status" -eq 0 ]
  [[ $output == *"has not the labels owner=shop: a later --prune will not find it"* ]]
  run mesh apply --prune -f "$dir/a.yaml"
  [ "$status" -eq 64 ]
}

@test "the history is bounded by generations_max" {
  echo 'generations_max: 2' >"$dir/configd.yaml"
  start
  for mode in STRICT PERMISSIVE DISABLE; do mesh apply -f <(policy a demo $mode) >/dev/null; done
  [ "$(mesh history -o name | wc -l)" -eq 2 ]
  [ "$(ls "$dir/state/configd/generations" | wc -l)" -eq 2 ]
  run mesh rollback @1
  [ "$status" -eq 1 ]
}

@test "damaged or lost state: what the directory says is served, and status tells of the damage" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  mesh apply -f <(policy a demo PERMISSIVE) >/dev/null
  now=$(generation)
  stop KILL
  for file in "$dir"/state/configd/parts/*; do echo rot >"$file"; done
  start
  [ "$(generation)" = "$now" ]
  status_says "configd: .*damaged"
  stop KILL
  echo rubbish >"$dir/state/configd/history"
  start
  [ "$(generation)" = "$now" ]
  stop KILL
  rm -rf "$dir/state/configd"
  start
  [ "$(generation)" = "$now" ]
}

@test "damaged state over a directory that is gone: the newest whole generation is served" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  good=$(generation)
  mesh apply -f <(policy a demo PERMISSIVE) >/dev/null
  stop KILL
  bad=$(ls -t "$dir"/state/configd/parts/* | head -1)
  echo rot >"$bad"
  mv "$dir/config" "$dir/gone"
  start
  [ "$(generation)" = "$good" ]
  [ "$(mesh get -o name)" = PeerAuthentication/demo/a ]
}
