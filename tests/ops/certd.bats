#!/usr/bin/env bats
# certd alone, from a shell: the commands of certd(8), EXAMPLES, and what fails.

setup() {
  PATH=$(realpath "${MESH_BUILD:-build}"):$PATH
  cd "$BATS_TEST_TMPDIR" || return
  pid=
}

teardown() {
  [[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null || true
}

# Starts certd and waits until it is ready, at most 10 s.
start() {
  certd --user root --run-dir run --state-dir state --config-dir . "$@" 2>err 3>&- &
  pid=$!
  local deadline=$((SECONDS + 10))
  until grep -q ready err; do
    ((SECONDS < deadline)) && kill -0 "$pid" || { cat err; return 1; }
    read -rt 0.02 <> <(:) || true
  done
}

token() {
  mesh cert token "$1" --state-dir state >"$2" 2>/dev/null
  chmod 600 "$2"
}

@test "certd: a token signs a key once, and openssl takes the chain" {
  start
  token default/web web.token
  run mesh cert request web --token-file web.token --run-dir run
  [ "$status" -eq 0 ]
  [[ $output == *spiffe://cluster.local/ns/default/sa/web* ]]
  openssl verify -CAfile web/bundle.crt web/svid.crt
  [ "$(stat -c %a web/svid.key)" = 600 ]
  run mesh cert request thief --token-file web.token --run-dir run
  [ "$status" -eq 77 ]
  [[ $output == *"unknown or was used before"* ]]
}

@test "certd: without a rule or token the answer says which setting to add" {
  start
  run mesh cert request nobody --run-dir run
  [ "$status" -eq 77 ]
  [[ $output == *"no identity for uid $(id -u)"*identities:* ]]
}

@test "certd: a rule names its uid" {
  echo "identities: [{uid: $(id -u), namespace: shop, service_account: till}]" >certd.yaml
  start
  run mesh cert request till --run-dir run -q
  [ "$status" -eq 0 ]
  [ "$output" = spiffe://cluster.local/ns/shop/sa/till ]
}

@test "mesh cert list: one object a line, cells without blanks, a warning near the end" {
  echo "leaf_lifetime: 1s" >certd.yaml
  start
  token default/web web.token
  mesh cert request web --token-file web.token --run-dir run -q
  run mesh cert list --run-dir run -o json
  [ "$status" -eq 0 ]
  [[ ${lines[0]} == *'"identity":"spiffe://cluster.local/ns/default/sa/web"'* ]]
  deadline=$((SECONDS + 10))
  until mesh cert list --run-dir run 2>&1 >/dev/null | grep -q 'ended .* ago, and nobody waits'; do
    ((SECONDS < deadline))
  done
  mesh cert list --run-dir run 2>/dev/null | awk '{print NF}' | sort -u | grep -qx 5
}

@test "mesh cert show reads what request wrote, and refuses what is no certificate" {
  start
  token default/web web.token
  mesh cert request web --token-file web.token --run-dir run -q
  run mesh cert show web/svid.crt
  [ "$status" -eq 0 ]
  [[ $output == *"identity     spiffe://cluster.local/ns/default/sa/web"* ]]
  mesh cert show - <web/bundle.crt | grep -q 'kind         issuer'
  run mesh cert show web/svid.key
  [ "$status" -eq 1 ]
}

@test "mesh cert list says when certd is not there" {
  run mesh cert list --run-dir run --timeout 1s
  [ "$status" -eq 69 ]
}

@test "certd: a root key that others may read is refused" {
  start
  kill "$pid"
  wait "$pid"
  pid=
  chmod 644 state/certd/root.key
  run certd --user root --run-dir run --state-dir state --config-dir .
  [ "$status" -eq 1 ]
  [[ $output == *"mode 0644, expected 0600"* ]]
}

@test "certd: leaves survive kill -9" {
  start
  token default/web web.token
  mesh cert request web --token-file web.token --run-dir run -q
  before=$(mesh cert list --run-dir run -o json | sed 's/.*"serial":"\([^"]*\)".*/\1/')
  kill -KILL "$pid"
  wait "$pid" || true
  start
  after=$(mesh cert list --run-dir run -o json | sed 's/.*"serial":"\([^"]*\)".*/\1/')
  [ -n "$before" ]
  [ "$before" = "$after" ]
  # The key is known: it needs no token.
  mesh cert request web --run-dir run -q
}
