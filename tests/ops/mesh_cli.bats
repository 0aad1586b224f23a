#!/usr/bin/env bats
# The contract of the command line, over the whole command table.

setup() {
  mesh=$(realpath "${MESH_BUILD:-build}")/mesh
  commands=$("$mesh" help | awk '/^  [a-z]/ { print $1 }')
  [ -n "$commands" ]
}

# each FUNCTION: for every command of the table; names the one that fails.
each() {
  local command
  for command in $commands; do
    "$1" "$command" || { echo "mesh $command: $1 does not hold"; return 1; }
  done
}

status_of() { local status=0; "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?; echo "$status"; }

@test "the table has all commands" {
  for command in up status apply get delete diff history rollback confirm validate analyze explain \
    wait services endpoints describe why snapshot proxy-status proxy-config register deregister cert \
    envoy-bootstrap top breakers completion help; do
    grep -qx "$command" <<<"$commands" || { echo "no $command"; return 1; }
  done
}

teaches() {
  local text
  text=$("$mesh" help "$1") || return 1
  [[ $text == "mesh $1 - "* ]] || return 1
  grep -q "^usage: mesh $1" <<<"$text" || return 1
  grep -A1 '^Example:' <<<"$text" | grep -qE "^  .*mesh $1|^  .*\| *mesh" || return 1
  grep -qE '^ +0  done' <<<"$text" || return 1
  grep -qE '^ +64  wrong command line' <<<"$text" || return 1
  [ "$text" = "$("$mesh" "$1" --help)" ] || return 1
}
@test "every command has help with usage, example and exit statuses" { each teaches; }

fits() { ! "$mesh" help "$1" | grep -E '.{81}'; }
@test "every help fits 80 columns" {
  each fits
  ! "$mesh" help | grep -E '.{81}'
}

refuses_unknown() {
  [ "$(status_of "$mesh" "$1" --frobnicate)" = 64 ] || return 1
  grep -q "unknown option --frobnicate" "$BATS_TEST_TMPDIR/err" || return 1
  [ ! -s "$BATS_TEST_TMPDIR/out" ]
}
@test "every command refuses an unknown option with 64, on stderr" { each refuses_unknown; }

suggests() {
  [ "$(status_of "$mesh" "$1" --run-dri x)" = 64 ] && grep -q -- "--run-dir" "$BATS_TEST_TMPDIR/err"
}
@test "every command suggests the nearest option" { each suggests; }

refuses_words() {
  [ "$(status_of "$mesh" "$1" a b c d e f g h i j)" != 0 ]
}
@test "no command takes any number of words without a complaint" {
  commands=$(grep -vxE 'validate|analyze|delete|get' <<<"$commands")
  each refuses_words
}

asks_nobody() {
  # What reads must say 69 where no daemon is, and what to type next.
  "$mesh" help "$1" | grep -q -- '--output FORM' || return 0
  "$mesh" help "$1" | grep -q 'Asks no daemon' && return 0
  local args=()
  [[ $1 == endpoints ]] && args=(reviews)
  [[ $1 == diff ]] && args=(@-1)
  [[ $1 == plan ]] && args=(-f /dev/null)
  [[ $1 == cert ]] && args=(list)
  [[ $1 == top ]] && args=(--once)
  [[ $1 == describe ]] && args=(service reviews)
  [[ $1 == why ]] && args=(GET http://reviews/)
  [[ $1 == proxy-config ]] && args=(routes web)
  [ "$(status_of "$mesh" "$1" "${args[@]}" --run-dir "$BATS_TEST_TMPDIR")" = 69 ] || return 1
  grep -q -- '--run-dir' "$BATS_TEST_TMPDIR/err"
}
@test "what reads exits 69 where the daemon is not there, and says what to do" { each asks_nobody; }

refuses_form() {
  "$mesh" help "$1" | grep -q -- '--output FORM' || return 0
  [ "$(status_of "$mesh" "$1" -o xml)" = 64 ]
}
@test "what reads knows its output forms" { each refuses_form; }

tells_statuses() {
  local text number
  text=$("$mesh" help "$1")
  [[ $1 != up ]] && grep -q -- --timeout <<<"$text" || return 0
  for number in 69 75 77; do
    # What does not answer mesh status in time is what it tells.
    [[ $1/$number == status/75 ]] || grep -qE "^ +$number  " <<<"$text" || return 1
  done
}
@test "what asks a daemon tells the statuses of one that is away, late, or not for this user" {
  each tells_statuses
}

@test "a kind that there is not is exit status 1, what is no name at all 64" {
  for command in 'get virtualservise' 'explain virtualservise.http' 'delete virtualservise/a/b'; do
    run "$mesh" $command
    [ "$status" -eq 1 ]
    [[ $output == *"unknown kind \"virtualservise\"; did you mean VirtualService?"* ]]
  done
  for command in 'get vs/a/b/c' 'delete vs/a/b/c'; do
    run "$mesh" $command
    [ "$status" -eq 64 ]
    [[ $output == *"expected KIND/NAMESPACE/NAME"* ]]
  done
}

@test "what this user may not write or read is exit status 77" {
  local as=()
  ((EUID != 0)) || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  "${as[@]}" "$mesh" --version || skip "no other user can run it"
  mkdir -m 500 "$BATS_TEST_TMPDIR/ours"
  run "${as[@]}" "$mesh" cert token demo/a --tokens-dir "$BATS_TEST_TMPDIR/ours/tokens"
  [ "$status" -eq 77 ]
  : >"$BATS_TEST_TMPDIR/ours.yaml"
  chmod 0 "$BATS_TEST_TMPDIR/ours.yaml"
  for command in validate analyze 'apply -f' 'diff -f' 'delete -f'; do
    run "${as[@]}" "$mesh" $command "$BATS_TEST_TMPDIR/ours.yaml"
    [ "$status" -eq 77 ]
    [[ $output == *"Permission denied"* ]]
  done
}

@test "a mistyped command suggests the nearest, exit 64" {
  run "$mesh" stats
  [ "$status" -eq 64 ]
  [[ $output == *"did you mean status?"* ]]
  run "$mesh" help stats
  [ "$status" -eq 64 ]
  run "$mesh" --frobnicate
  [ "$status" -eq 64 ]
}

@test "mesh help exit lists every status" {
  run "$mesh" help exit
  [ "$status" -eq 0 ]
  for number in 0 1 64 69 70 74 75 77 78; do grep -qE "^ +$number  " <<<"$output"; done
}

@test "mesh alone is help; --version is one line" {
  run "$mesh"
  [ "$status" -eq 0 ]
  run "$mesh" --version
  [ "$status" -eq 0 ]
  [[ $output =~ ^mesh\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "options may come before the command" {
  run "$mesh" --run-dir "$BATS_TEST_TMPDIR" status
  [ "$status" -eq 69 ]
  [[ $output == *"$BATS_TEST_TMPDIR"* ]]
}

@test "mesh NAME runs mesh-NAME of PATH, with its words and its status" {
  printf '#!/bin/sh\necho "got $*"\nexit 7\n' >"$BATS_TEST_TMPDIR/mesh-extra"
  chmod +x "$BATS_TEST_TMPDIR/mesh-extra"
  PATH=$BATS_TEST_TMPDIR:$PATH run "$mesh" extra --flag word
  [ "$status" -eq 7 ]
  [ "$output" = "got --flag word" ]
}

@test "an output that is closed ends the command quietly" {
  run bash -c "'$mesh' help | head -1"
  [ "$status" -eq 0 ]
  [ "${#lines[@]}" -eq 1 ]
}

@test "an output that cannot be written is said, with exit status 74" {
  local how
  for how in '>/dev/full' '>&-'; do
    for command in help 'help get' --version 'completion bash' 'explain vs' 'explain vs --watch' \
      "cert token demo/a --tokens-dir '$BATS_TEST_TMPDIR/tokens'"; do
      run bash -c "'$mesh' $command $how"
      [ "$status" -eq 74 ] || { echo "$command $how: $status $output"; return 1; }
      [[ $output == *"mesh: the standard output: "* ]]
    done
  done
  # What failed for another reason keeps its status.
  run bash -c "'$mesh' --run-dir '$BATS_TEST_TMPDIR' get >/dev/full"
  [ "$status" -eq 69 ]
  run bash -c "'$mesh' explain --watch | head -1"
  [ "$status" -eq 0 ]
}

complete_bash() {
  bash -c "source <('$mesh' completion bash); COMP_WORDS=($1); COMP_CWORD=$2; _mesh; printf '%s\n' \"\${COMPREPLY[@]}\""
}
@test "completion for bash knows commands, options, words" {
  [[ $(complete_bash "mesh sta" 1) == status ]]
  [[ $(complete_bash "mesh status --ut" 2) == --utc ]]
  [[ $(complete_bash "mesh --run-dir x sta" 3) == status ]]
  [[ $(complete_bash "mesh status -o j" 3) == json ]]
  [[ $(complete_bash "mesh completion z" 2) == zsh ]]
  [[ $(complete_bash "mesh describe ''" 2 | xargs) == "service workload" ]]
  [[ $(complete_bash "mesh cert to" 2) == token ]]
  [[ $(complete_bash "mesh proxy-config rou" 2) == routes ]]
  touch "$BATS_TEST_TMPDIR/some.yaml"
  [[ $(complete_bash "mesh cert show $BATS_TEST_TMPDIR/so" 3) == "$BATS_TEST_TMPDIR/some.yaml" ]]
  [[ $(complete_bash "mesh validate $BATS_TEST_TMPDIR/so" 2) == "$BATS_TEST_TMPDIR/some.yaml" ]]
}

@test "completion for zsh parses where zsh is" {
  command -v zsh >/dev/null || skip "no zsh here"
  "$mesh" completion zsh | zsh -n
}
