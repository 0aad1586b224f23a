#!/usr/bin/env bats
# Configuration that was made to hurt: refused or taken, soon, and what was accepted before stays.

bats_require_minimum_version 1.5.0

setup_file() {
  texts=$BATS_FILE_TMPDIR/texts
  mkdir -p "$texts"
  export texts
  python3 - "$texts" <<'PY'
import sys
texts = sys.argv[1]


def write(name, text):
    with open(f'{texts}/{name}.yaml', 'wb') as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def service(name, routes):
    return ('apiVersion: networking.istio.io/v1\nkind: VirtualService\n'
            f'metadata: {{name: {name}}}\nspec:\n  hosts: [{name}]\n  http:\n{routes}')


def route(match, n=1):
    return f'  - {{match: [{{uri: {match}}}], route: [{{destination: {{host: a}}}}]}}\n' * n


def delegate(name, to):
    return (service(name, f'  - delegate: {{name: {to}}}\n'))


aliases = 'a: &a [x, x, x, x, x, x, x, x, x]\n'
for before, name in zip('abcdefgh', 'bcdefghi'):
    aliases += f'{name}: &{name} [' + ', '.join([f'*{before}'] * 9) + ']\n'
write('aliases', aliases)
write('depth', '[' * 1_000_000)
write('blocks', '- ' * 100_000)
write('large', b'a' * (100 << 20))
write('twice', service('a', route('{exact: /}')) + '  http: []\n')
write('tabs', service('a', '\t- route: []\n'))
write('nul', b'apiVersion: \0\n')
write('nul-escaped', 'apiVersion: "\\0"\n')
write('bytes', bytes(range(256)) * 1000)
write('regex', service('a', route("{regex: '((a{100}){100}){100}'}")))
write('regexes', service('a', route("{regex: '(a{100}){9}'}", 10_000)))
write('unicode', service('a', route('{exact: "/\\uD800"}')))
write('documents', '---\n{}\n' * 1_000_000)
write('cycle', delegate('a', 'b') + '---\n' + delegate('b', 'a'))
write('itself', delegate('a', 'a'))
PY
}

setup() {
  build=$(realpath "${MESH_BUILD:-build}")
  dir=$(mktemp -d "${TMPDIR:-/tmp}/mesh-XXXXXX")
  mkdir -p "$dir/run" "$dir/config"
  export MESH_RUN_DIR=$dir/run MESH_STATE_DIR=$dir/state MESH_CONFIG_DIR=$dir
  configd=
}

teardown() {
  [[ -z $configd ]] || { kill -TERM "$configd" 2>/dev/null || true; wait "$configd" 2>/dev/null || true; }
  rm -rf "$dir"
}

until_true() {
  local deadline=$((SECONDS + 30))
  until "$@"; do
    ((SECONDS < deadline)) || { echo "still not so: $*"; tail -5 "$dir/log"; return 1; }
    read -rt 0.05 <> <(:) || true
  done
}

start() {
  local user=()
  ((EUID != 0)) || user=(--user root)
  "$build/configd" "${user[@]}" >>"$dir/log" 2>&1 3>&- &
  configd=$!
  until_true has ServiceEntry/default/good
}

has() { "$build/mesh" get -o name 2>/dev/null | grep -qx "$1"; }
told() { grep -c 'hostile\.yaml' "$dir/log" || true; }
told_more_than() { (($(told) > $1)); }

good() {
  cat >"$dir/config/good.yaml" <<'YAML'
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: good}
spec: {hosts: [good], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}]}
YAML
}

@test "mesh validate and analyze refuse each text, with its place, and do not fall" {
  for text in "$texts"/*.yaml; do
    run timeout 20 "$build/mesh" analyze -q "$text"
    [ "$status" -eq 1 ] || { echo "$text: $status"; return 1; }
    [[ $output == *"$text"* ]] || { echo "$text: $output" | head -c 500; return 1; }
    [ "${#output}" -lt 20000 ]
  done
}

@test "mesh apply of each is refused, and the generation stays" {
  good
  start
  local before
  before=$("$build/mesh" get -o json | sha256sum)
  for text in "$texts"/*.yaml; do
    run timeout 30 "$build/mesh" apply -f "$text"
    [ "$status" -eq 1 ] || { echo "$text: $status $output" | head -c 500; return 1; }
    [ "$("$build/mesh" get -o json | sha256sum)" = "$before" ]
  done
  kill -0 "$configd"
}

@test "each of them as a file of the directory leaves what was accepted in force" {
  local before
  good
  start
  for text in "$texts"/{aliases,depth,large,twice,nul,regex,cycle,bytes}.yaml; do
    before=$(told)
    cp "$text" "$dir/config/hostile.yaml"
    until_true told_more_than "$before"
    has ServiceEntry/default/good
    rm "$dir/config/hostile.yaml"
  done
  # And the next change that is right is taken.
  sed 's/good/better/g' "$dir/config/good.yaml" >"$dir/config/better.yaml"
  until_true has ServiceEntry/default/better
}

@test "100 000 routes are taken or refused, and not much later" {
  python3 - >"$dir/many.yaml" <<'PY'
for n in range(20):
    print('---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n'
          f'metadata: {{name: many-{n}}}\nspec:\n  hosts: [many-{n}.example]\n  http:')
    for i in range(5000):
        print(f'  - {{match: [{{uri: {{exact: /{i}}}}}], directResponse: {{status: 200}}}}')
PY
  run timeout 30 "$build/mesh" analyze -q "$dir/many.yaml"
  ((status == 0 || status == 1))
  good
  start
  run timeout 60 "$build/mesh" apply -f "$dir/many.yaml"
  ((status == 0 || status == 1)) || { echo "$status $output" | head -c 500; return 1; }
  has ServiceEntry/default/good
  ((status == 1)) || has VirtualService/default/many-19
}
