#!/usr/bin/env bats
# The configuration as an operator handles it: a real configd and mesh.

load configd
patience=10

# policy NAME NAMESPACE MODE
policy() {
  printf 'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n'
  printf 'metadata: {name: %s, namespace: %s}\nspec:\n  mtls: {mode: %s}\n' "$1" "$2" "$3"
}

generation() { sed -n 's/^generation //p' <<<"$output"; }

@test "apply says created, unchanged, configured, and the generation" {
  start
  policy default demo STRICT >"$dir/p.yaml"
  run mesh apply -f "$dir/p.yaml"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "PeerAuthentication/demo/default created" ]
  first=$(generation)
  [[ $first =~ ^[0-9a-f]{12}$ ]]
  run mesh apply -f - <"$dir/p.yaml"
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "PeerAuthentication/demo/default unchanged" ]
  [ "$(generation)" = "$first" ]
  run mesh apply -f <(policy default demo PERMISSIVE)
  [ "${lines[0]}" = "PeerAuthentication/demo/default configured" ]
  [ "$(generation)" != "$first" ]
  [ -f "$dir/config/peerauthentication.demo.default.yaml" ]
}

@test "a dry run says what would change and changes nothing" {
  start
  run mesh apply --dry-run -f <(policy default demo STRICT)
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "PeerAuthentication/demo/default created" ]
  [ -z "$(ls "$dir/config")" ]
  [ -z "$(mesh get -o name)" ]
}

@test "a broken file is refused by its place, and nothing changes" {
  start
  mesh apply -f <(policy default demo STRICT) >/dev/null
  policy other demo STRCT >"$dir/broken.yaml"
  run mesh apply -f "$dir/broken.yaml" -f <(policy third demo STRICT)
  [ "$status" -eq 1 ]
  [ "${lines[0]}" = "$dir/broken.yaml:5:10: PeerAuthentication demo/other: spec.mtls.mode: expected one of UNSET, DISABLE, PERMISSIVE, STRICT, got \"STRCT\"; did you mean STRICT?" ]
  [ "$(mesh get -o name)" = PeerAuthentication/demo/default ]
}

@test "a name or a text that is not UTF-8 is refused by its place, and harms nothing" {
  policy a demo STRICT >"$dir/config/a.yaml"
  start
  local name=$'caf\xe9.yaml' command
  policy b demo STRICT >"$dir/config/$name"
  until_true status_says 'caf\\xe9.yaml: the file.s name is not UTF-8'
  [ "$(mesh get -o name)" = PeerAuthentication/demo/a ]
  rm "$dir/config/$name"
  policy c other STRICT >"$dir/config/c.yaml"
  until_true has PeerAuthentication/other/c

  mkdir "$dir/more"
  policy d demo STRICT >"$dir/more/$name"
  printf '# caf\xe9\n' | cat - "$dir/more/$name" >"$dir/text.yaml"
  for command in apply "apply --dry-run" plan diff delete; do
    run mesh $command -f "$dir/text.yaml"
    [ "$status" -eq 1 ]
    [ "$output" = "mesh ${command%% *}: $dir/text.yaml:1:6: not UTF-8" ]
    run mesh $command -f "$dir/more"
    [ "$status" -eq 1 ]
    [ "$output" = "mesh ${command%% *}: $dir/more/caf\\xe9.yaml: the file's name is not UTF-8; rename it" ]
    run mesh $command -f "$dir/more/$name"
    [ "$status" -eq 64 ]
    [[ $output == *" is not UTF-8"* ]]
  done
  for command in get describe explain wait; do
    run mesh $command $'caf\xe9'
    [ "$status" -eq 64 ]
    [[ $output == *"\"caf\\xe9\" is not UTF-8"* ]]
  done

  stop KILL
  start
  [ "$(mesh get -o name)" = $'PeerAuthentication/demo/a\nPeerAuthentication/other/c' ]
  mesh diff @-1 | grep -q PeerAuthentication/other/c
  ! log_says 'libprotobuf\|damaged'
}

@test "get prints every form, and yaml can be applied again" {
  start
  mesh apply -f <(policy default demo STRICT; echo ---; policy b other DISABLE) >/dev/null
  [ "$(mesh get pa -o name)" = $'PeerAuthentication/demo/default\nPeerAuthentication/other/b' ]
  [ "$(mesh get pa -n other -o name)" = PeerAuthentication/other/b ]
  [ "$(mesh get PeerAuthentications/demo/default -o json)" = '{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"name":"default","namespace":"demo"},"spec":{"mtls":{"mode":"STRICT"}}}' ]
  [ "$(mesh get | awk '{print $1, $2, $3}' | head -1)" = "KIND NAMESPACE NAME" ]
  mesh get -o yaml >"$dir/all.yaml"
  [ "$(mesh apply -f "$dir/all.yaml" | grep -c unchanged)" -eq 2 ]
  run mesh get vs/demo/none
  [ "$status" -eq 1 ]
  run mesh get gatway
  [ "$status" -eq 1 ]
}

@test "get takes a kind and names, and what it names itself" {
  start
  mesh apply -f <(policy default demo STRICT; echo ---; policy b other DISABLE; echo ---
                  policy b demo STRICT; echo '  selector: {matchLabels: {app: b}}') >/dev/null
  [ "$(mesh get pa b -o name)" = $'PeerAuthentication/demo/b\nPeerAuthentication/other/b' ]
  [ "$(mesh get pa b -n other -o name)" = PeerAuthentication/other/b ]
  [ "$(mesh get pa default b -n demo -o name)" = $'PeerAuthentication/demo/default\nPeerAuthentication/demo/b' ]
  [ "$(mesh get pa/b -n demo -o name)" = PeerAuthentication/demo/b ]
  # Of these two, not of all that each of their parts is in.
  [ "$(mesh get pa/other/b pa/demo/default -o name)" = $'PeerAuthentication/other/b\nPeerAuthentication/demo/default' ]
  [ "$(mesh get -o name | xargs "$build/mesh" get -o yaml)" = "$(mesh get -o yaml)" ]
  # What is there is printed, what is not is named.
  [ "$(mesh get pa none default -o name 2>"$dir/err" || echo "$?")" = $'PeerAuthentication/demo/default\n1' ]
  grep -qx 'mesh get: no PeerAuthentication none' "$dir/err"
  run mesh get pa b -n nowhere
  [ "$status" -eq 1 ]
  [ "$output" = "mesh get: no PeerAuthentication nowhere/b" ]
  run mesh get pa demo/b
  [ "$status" -eq 64 ]
  [[ $output == *'KIND/NAMESPACE/NAME stands without a kind before it'* ]]
}

@test "delete is idempotent" {
  start
  mesh apply -f <(policy default demo STRICT) >/dev/null
  [ "$(mesh delete pa/demo/default | head -1)" = "PeerAuthentication/demo/default deleted" ]
  run mesh delete pa/demo/default
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = "PeerAuthentication/demo/default unchanged" ]
  [ -z "$(ls "$dir/config")" ]
}

@test "an object among others of a file is replaced where it stands" {
  { echo "# both"; policy a demo STRICT; echo "--- "; echo "# b, of the team"; policy b demo2 STRICT; } >"$dir/config/both.yaml"
  start
  mesh apply -f <(policy b demo2 DISABLE) >/dev/null
  [ "$(ls "$dir/config")" = both.yaml ]
  grep -qx '# b, of the team' "$dir/config/both.yaml"
  grep -qx '  mtls: {mode: STRICT}' "$dir/config/both.yaml"
  grep -qx '    mode: DISABLE' "$dir/config/both.yaml"
  mesh delete pa/demo/a >/dev/null
  has PeerAuthentication/demo2/b
  has_not PeerAuthentication/demo/a
}

@test "edits by hand are taken as a whole right set, and not otherwise" {
  start
  policy a demo STRICT >"$dir/config/a.yaml"
  until_true has PeerAuthentication/demo/a
  policy b demo2 WRONG >"$dir/config/b.yaml"
  policy c demo3 STRICT >"$dir/config/c.yaml"
  until_true log_says 'b.yaml:5:10: PeerAuthentication demo2/b: spec.mtls.mode: expected one of'
  has_not PeerAuthentication/demo3/c
  run mesh apply -f <(policy d demo4 STRICT)
  [ "$status" -eq 1 ]
  [[ $output == *"mend it first"*"b.yaml:5:10:"* ]]
  policy b demo2 STRICT >"$dir/config/b.yaml"
  until_true has PeerAuthentication/demo3/c
  rm "$dir/config/a.yaml"
  until_true has_not PeerAuthentication/demo/a
}

@test "a symbolic link swapped to another directory is taken at once" {
  mkdir "$dir/v1" "$dir/v2"
  policy a demo STRICT >"$dir/v1/a.yaml"
  policy b demo STRICT >"$dir/v2/b.yaml"
  rmdir "$dir/config"
  ln -s v1 "$dir/config"
  start
  has PeerAuthentication/demo/a
  ln -s v2 "$dir/new"
  mv -T "$dir/new" "$dir/config"
  until_true has PeerAuthentication/demo/b
  has_not PeerAuthentication/demo/a
}

@test "the last good generation is served after a restart over a broken directory" {
  start
  mesh apply -f <(policy default demo STRICT) >/dev/null
  before=$(mesh get -o json)
  stop KILL
  echo "a: [" >"$dir/config/bad.yaml"
  start
  [ "$(mesh get -o json)" = "$before" ]
  stop
  mv "$dir/config" "$dir/gone"
  start
  [ "$(mesh get -o json)" = "$before" ]
}

@test "an edit that a crash interrupted is finished at the next start" {
  start
  mesh apply -f <(policy a demo STRICT) >/dev/null
  stop KILL
  # What configd writes before it edits two files.
  printf 'writes { name: "b.yaml" text: "%s" } removals: "peerauthentication.demo.a.yaml"' \
    "$(policy b demo2 STRICT | sed 's/$/\\n/' | tr -d '\n')" |
    protoc -I"$BATS_TEST_DIRNAME/../../lib/api" --encode=mesh.configd.v1.PendingEdits \
      mesh/configd.proto >"$dir/state/configd/pending"
  start
  has PeerAuthentication/demo2/b
  has_not PeerAuthentication/demo/a
  [ ! -e "$dir/state/configd/pending" ]
}

@test "validate names every problem of every file without a daemon" {
  policy a demo WRONG >"$dir/a.yaml"
  printf 'a: b\n' >"$dir/b.yaml"
  run mesh validate "$dir/a.yaml" "$dir/b.yaml"
  [ "$status" -eq 1 ]
  [ "${#lines[@]}" -eq 3 ]
  [[ ${lines[0]} == "$dir/a.yaml:5:10: "* ]]
  [[ ${lines[1]} == "$dir/b.yaml:1:1: "* ]]
  run mesh validate -q <(policy a demo STRICT)
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "without configd the exit status is 69, and the words say what to do" {
  run mesh apply -f <(policy a demo STRICT)
  [ "$status" -eq 69 ]
  [[ $output == *"start it"* ]]
}

@test "a settings file with an unknown key is refused by its place" {
  printf 'directory: config\nsetle: 1s\n' >"$dir/configd.yaml"
  run "$build/configd" -n
  [ "$status" -eq 78 ]
  [[ $output == *"configd.yaml:2:1: unknown field \"setle\"; did you mean \"settle\"?"* ]]
}

@test "a wait that fails names who lags, with exit status 75" {
  start
  run mesh apply -f <(policy a demo STRICT) --wait --timeout 200ms
  [ "$status" -eq 75 ]
  [[ $output == *"is not in force after 200ms"* ]]
}
