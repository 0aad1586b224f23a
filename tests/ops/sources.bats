#!/usr/bin/env bats
# Sources of objects beside the directory: a program that prints sets. configd(8),
# "SOURCES".

load configd

# program NAME: a script that prints $dir/NAME.set and its end whenever the file is
# another, exits when $dir/NAME.end is there, and does what $dir/NAME.do says first.
program() {
  cat >"$dir/$1" <<SCRIPT
#!/bin/bash
[[ ! -e $dir/$1.do ]] || . "$dir/$1.do"
last=none
while :; do
  [[ ! -e $dir/$1.end ]] || { echo "told to end" >&2; exit "\$(cat "$dir/$1.end")"; }
  now=\$(cat "$dir/$1.set")
  if [[ \$now != "\$last" ]]; then
    printf '%s\n# end of set\n' "\$now"
    last=\$now
  fi
  read -rt 0.02 <> <(:) || true
done
SCRIPT
  chmod +x "$dir/$1"
  policy a "$1" STRICT >"$dir/$1.set"
  [[ -e $dir/configd.yaml ]] || echo 'sources:' >"$dir/configd.yaml"
  echo "- {name: $1, executable: {command: [$dir/$1]}}" >>"$dir/configd.yaml"
}

# say NAME TEXT...: what the program prints from now on, at once whole.
say() {
  printf '%s\n' "${@:2}" >"$dir/$1.new"
  mv "$dir/$1.new" "$dir/$1.set"
}

@test "an executable's objects are served beside the directory's, and follow what it prints" {
  program inventory
  policy d demo STRICT >"$dir/config/d.yaml"
  start
  until_true has PeerAuthentication/inventory/a
  has PeerAuthentication/demo/d
  say inventory "$(policy a inventory DISABLE)" --- "$(policy b inventory2 STRICT)"
  until_true has PeerAuthentication/inventory2/b
  mode_is pa/inventory/a DISABLE
  [ "$(mesh history | awk 'NR == 2 {print $4}')" = inventory ]
  say inventory "# nothing"
  until_true has_not PeerAuthentication/inventory/a
  [ "$(mesh get -o name)" = PeerAuthentication/demo/d ]
}

@test "nonsense, half a set, death: what it said before stays, also after a restart" {
  program inventory
  start
  until_true has PeerAuthentication/inventory/a
  before=$(generation)
  say inventory 'a: [b'
  until_true status_says 'source inventory is not accepted, 1 objects of it are in force'
  [ "$(generation)" = "$before" ]
  log_says 'inventory:.*: '
  # Half a set, and its end, with words that are not UTF-8.
  printf 'cat %s; printf "caf\\\\xe9\\\\n" >&2; exit 3\n' "$dir/half" >"$dir/inventory.do"
  policy x half STRICT >"$dir/half"
  echo 1 >"$dir/inventory.end"
  until_true status_says 'source inventory is down.*in the middle of a set: caf\\xe9'
  [ "$(generation)" = "$before" ]
  has PeerAuthentication/inventory/a
  # It cannot be started at all, and configd is restarted meanwhile.
  mv "$dir/inventory" "$dir/moved"
  stop KILL
  start
  until_true status_says 'source inventory is down'
  [ "$(generation)" = "$before" ]
  # It recovers by itself.
  rm "$dir/inventory.do" "$dir/inventory.end"
  say inventory "$(policy a inventory PERMISSIVE)"
  mv "$dir/moved" "$dir/inventory"
  until_true mode_is pa/inventory/a PERMISSIVE
  until_true status_says 'source inventory is right again'
}

@test "a program that ends in order after a set is asked again" {
  program inventory
  echo "cat $dir/inventory.set; echo '# end of set'; exit 0" >"$dir/inventory.do"
  start
  until_true has PeerAuthentication/inventory/a
  say inventory "$(policy a inventory DISABLE)"
  until_true mode_is pa/inventory/a DISABLE
  run mesh status
  [[ $output != *"source inventory"* ]]
}

@test "a set without end is given up, and configd serves on" {
  program inventory
  start
  until_true has PeerAuthentication/inventory/a
  before=$(generation)
  echo 'exec yes "# without end"' >"$dir/inventory.do"
  echo 1 >"$dir/inventory.end"
  until_true status_says 'source inventory is down.*it is started again'
  [ "$(generation)" = "$before" ]
}

@test "an object of two sources is refused, and neither takes the other's away" {
  program inventory
  policy d demo STRICT >"$dir/config/d.yaml"
  start
  until_true has PeerAuthentication/inventory/a
  say inventory "$(policy d demo DISABLE)"
  until_true status_says 'PeerAuthentication/demo/d: is there twice, also in '
  mode_is pa/demo/d STRICT
  has PeerAuthentication/inventory/a
  # Gone from the directory, it can come from the source: both are taken together.
  rm "$dir/config/d.yaml"
  until_true mode_is pa/demo/d DISABLE
  has_not PeerAuthentication/inventory/a
}

@test "apply, delete and rollback leave alone what comes from a program, and name it" {
  program inventory
  start
  until_true has PeerAuthentication/inventory/a
  run mesh apply -f <(policy a inventory DISABLE)
  [ "$status" -eq 1 ]
  [[ $output == *"PeerAuthentication/inventory/a comes from the source inventory ($dir/inventory), which cannot be written; change it there"* ]]
  run mesh apply -f <(policy a inventory STRICT)
  [ "$status" -eq 0 ]
  [ -z "$(ls "$dir/config")" ]
  run mesh delete pa/inventory/a
  [ "$status" -eq 1 ]
  [[ $output == *"delete it there"* ]]
  mesh apply -f <(policy d demo STRICT) >/dev/null
  first=$(generation)
  say inventory "$(policy b inventory DISABLE)"
  until_true has PeerAuthentication/inventory/b
  mesh apply -f <(policy d demo DISABLE) >/dev/null
  run mesh rollback "$first"
  [ "$status" -eq 0 ]
  [[ $output == *"is not as it was then: its source cannot be written from here"* ]]
  mode_is pa/demo/d STRICT
  has PeerAuthentication/inventory/b
}

@test "state that is lost: nothing is taken away before every source has spoken" {
  program inventory
  policy d demo STRICT >"$dir/config/d.yaml"
  start
  until_true has PeerAuthentication/inventory/a
  before=$(generation)
  stop KILL
  rm -rf "$dir/state/configd"
  mv "$dir/inventory" "$dir/moved"
  start
  until_true status_says 'source inventory is down'
  [ -z "$(mesh get -o name)" ]
  run mesh history -q -o name
  [ -z "$output" ]
  run mesh apply -f <(policy e demo2 STRICT)
  [ "$status" -eq 1 ]
  [[ $output == *"it is not known yet what these have: the source inventory"* ]]
  mv "$dir/moved" "$dir/inventory"
  until_true has PeerAuthentication/inventory/a
  [ "$(generation)" = "$before" ]
  [ "$(mesh history -o name | wc -l)" -eq 1 ]
}

@test "a program gets nothing but its settings, and ends with configd" {
  program inventory
  cat >"$dir/inventory.do" <<SCRIPT
env >"$dir/env"
ls /proc/self/fd >"$dir/fds"
sleep 1000 & echo \$! >"$dir/child"
SCRIPT
  sed -i 's/}}$/, environment: {REGION: eu}}}/' "$dir/configd.yaml"
  SECRET=1 start
  until_true has PeerAuthentication/inventory/a
  grep -qx REGION=eu "$dir/env"
  ! grep -q SECRET "$dir/env"
  [ "$(wc -l <"$dir/fds")" -eq 4 ]  # 0, 1, 2, and that of ls
  child=$(cat "$dir/child")
  kill -0 "$child"
  stop
  gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
  until_true gone "$child"
}

@test "settings of sources that are wrong are refused by their place" {
  wrong() {
    printf 'sources:\n- %s\n' "$1" >"$dir/configd.yaml"
    run "$build/configd" -n
    [ "$status" -eq 78 ]
    [[ $output == *"$2"* ]] || { echo "$output"; false; }
  }
  wrong '{name: x}' 'configd.yaml:2:3: sources[0].executable: is needed'
  wrong '{name: x, executable: {command: [inventory]}}' 'configd.yaml:2:26: sources[0].executable.command: expected an absolute path'
  wrong '{name: apply, executable: {command: [/bin/x]}}' 'configd.yaml:2:4: sources[0].name: apply means something else'
  wrong '{name: "a b", executable: {command: [/bin/x]}}' 'sources[0].name: expected'
  wrong '{name: a, executable: {command: [/bin/x], set_timeout: 0s}}' 'expected 1s to 1h'
}
