#!/usr/bin/env bats
# certd alone, from a shell: the commands of certd(8), EXAMPLES, and what fails.

setup() {
  PATH=$(realpath "${MESH_BUILD:-build}"):$PATH
  cd "$BATS_TEST_TMPDIR" || return
  pid=
}

teardown() {
  for each in $pid ${joining:-}; do kill -KILL "$each" 2>/dev/null || true; done
}

# Starts certd and waits until it is ready, at most 10 s.
start() {
  : >err  # what an earlier one said must not be taken for its word
  certd --user root --run-dir run --state-dir state --config-dir . "$@" 2>>err 3>&- &
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
  mesh cert list --run-dir run 2>/dev/null | awk '{print NF}' | sort -u | grep -qx 3
  ! mesh cert list --utc --run-dir run 2>/dev/null | grep -E '.{81}'
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

@test "certd: a damaged ledger costs the keys of its damaged lines, a damaged root stops the start" {
  start
  for name in a b c; do
    token default/$name $name.token
    mesh cert request $name --token-file $name.token --run-dir run -q
  done
  kill -KILL "$pid"
  wait "$pid" || true
  sed -i '3s/.*/rot/' state/certd/ledger
  cp state/certd/ledger damaged
  start
  grep -q 'state is damaged.*/ledger:3: .*lines=1.*leaves=2.*/ledger.damaged' err
  cmp damaged state/certd/ledger.damaged
  [ "$(stat -c %a state/certd/ledger.damaged)" = 600 ]
  [ "$(mesh cert list --run-dir run -o name | wc -l)" -eq 2 ]
  # The others are known as before; the one needs another token.
  known=0
  for name in a b c; do
    if mesh cert request $name --run-dir run -q; then
      known=$((known + 1))
    else
      token default/$name again.token
      mesh cert request $name --token-file again.token --run-dir run -q
    fi
  done
  [ "$known" -eq 2 ]
  [ "$(mesh cert list --run-dir run -o name | wc -l)" -eq 3 ]
  kill "$pid"
  wait "$pid"
  rm state/certd/ledger.damaged
  start
  [ ! -e state/certd/ledger.damaged ]
  kill "$pid"
  wait "$pid"
  pid=

  # Who everybody trusts is never made anew by itself.
  cp -a state/certd/ledger ledger
  for file in root.crt root.key; do
    cp -a state/certd/$file good
    echo rot >state/certd/$file
    run certd --user root --run-dir run --state-dir state --config-dir .
    [ "$status" -eq 78 ]
    [[ $output == *"state/certd/$file: "* ]]
    [ "$(cat state/certd/$file)" = rot ]
    cp -a good state/certd/$file
  done
  cmp ledger state/certd/ledger
  start
  [ "$(mesh cert list --run-dir run -o name | wc -l)" -eq 3 ]
}

# A second host's certd, below the root of the first; its pid in $joining.
start_joining() {
  mkdir -p b
  echo "authority: intermediate" >b/certd.yaml
  : >b/err
  certd --user root --run-dir b/run --state-dir b/state --config-dir b 2>>b/err 3>&- &
  joining=$!
  local deadline=$((SECONDS + 10))
  until grep -q ready b/err; do
    ((SECONDS < deadline)) && kill -0 "$joining" || { cat b/err; return 1; }
    read -rt 0.02 <> <(:) || true
  done
}

@test "a host joins by one pipe, and its certificates are worth as much as the root's" {
  start
  start_joining
  run mesh cert list --run-dir b/run
  [[ $output == *"not signed yet"*"mesh cert request --host"* ]]
  mesh cert token shop/web --state-dir b/state >web.token 2>/dev/null
  chmod 600 web.token
  run mesh cert request web --token-file web.token --run-dir b/run
  [ "$status" -ne 0 ]
  mesh cert request --host --run-dir b/run |
    mesh cert sign - --namespaces shop --lifetime 24h --run-dir run -q |
    mesh cert install - --run-dir b/run
  mesh cert request web --token-file web.token --run-dir b/run -q
  cmp web/bundle.crt state/certd/root.crt
  openssl verify -CAfile state/certd/root.crt -untrusted web/svid.crt web/svid.crt
  # Only what it may name.
  mesh cert token bank/web --state-dir b/state >bank.token 2>/dev/null
  chmod 600 bank.token
  run mesh cert request bank --token-file bank.token --run-dir b/run
  [ "$status" -eq 77 ]
  [[ $output == *"may not name spiffe://cluster.local/ns/bank/sa/web"* ]]
}

@test "the root's key may be offline: mesh cert sign --root" {
  start
  kill "$pid"
  wait "$pid" || true
  pid=
  start_joining
  mesh cert request --host --run-dir b/run >b.csr
  openssl req -in b.csr -noout -verify
  mesh cert sign b.csr --root state/certd >b.crt
  run mesh cert install b.crt --run-dir b/run
  [ "$status" -eq 0 ]
  run mesh cert install b.crt --run-dir b/run
  [ "$status" -eq 0 ]
  [[ $output == *unchanged* ]]
}

@test "what is not for this host is not installed" {
  start
  start_joining
  run mesh cert request --host --run-dir run
  [ "$status" -ne 0 ]
  [[ $output == *"authority: intermediate"* ]]
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -subj / -out other.csr 2>/dev/null
  mesh cert sign other.csr --run-dir run -q >other.crt
  run mesh cert install other.crt --run-dir b/run
  [ "$status" -eq 1 ]
  [[ $output == *"for another key"* ]]
  run mesh cert sign err --run-dir run
  [ "$status" -eq 1 ]
}
