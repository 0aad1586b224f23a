#!/usr/bin/env bats
# What forwarders hold, and why requests go where they go, told by a running mesh.

setup_file() {
  build=$(realpath "${MESH_BUILD:-build}")
  dir=$(mktemp -d "${TMPDIR:-/tmp}/mesh-XXXXXX")
  export build dir
  read -ra port < <(free_ports 6)
  out=${port[0]} app1=${port[1]} app2=${port[2]} mesh1=${port[3]} mesh2=${port[4]}
  export out
  mkdir -p "$dir/config" "$dir/forwarders"
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  printf '%s\n' 'name: client' 'namespace: demo' 'service_account: client' 'labels: {app: client}' \
    "outbound: 127.0.0.1:$out" "access_log: $dir/access.log" 'concurrency: 1' \
    >"$dir/forwarders/client.yaml"
  for n in 1 2; do
    printf '%s\n' "workload: reviews-v$n" 'namespace: demo' 'service_account: reviews' \
      "labels: {app: reviews, version: v$n}" 'concurrency: 1' >"$dir/forwarders/reviews-v$n.yaml"
  done
  openssl genpkey -algorithm ed25519 -out "$dir/issuer.pem"
  configure >"$dir/config/shop.yaml"
  for n in 1 2; do
    local app=app$n
    python3 -c '
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "3"); self.end_headers()
        self.wfile.write(("v" + sys.argv[2] + "\n").encode())
    do_POST = do_GET
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()' \
      "${!app}" "$n" >/dev/null 2>&1 3>&- &
    echo $! >>"$dir/pids"
  done
  : >"$dir/out"  # an earlier one's "ready" must not be taken for its word
  "$build/mesh" up "$dir" >>"$dir/out" 2>"$dir/err" 3>&- &
  echo $! >"$dir/up"
  until_true grep -qx ready "$dir/out"
  export MESH_RUN_DIR=$dir/run
  until_true works
}

teardown_file() {
  local pid
  kill "$(cat "$dir/up")" 2>/dev/null || true
  for pid in $(cat "$dir/pids"); do kill -KILL "$pid" 2>/dev/null || true; done
  local deadline=$((SECONDS + 15))
  while kill -0 "$(cat "$dir/up")" 2>/dev/null && ((SECONDS < deadline)); do
    read -rt 0.05 <> <(:) || true
  done
  rm -rf "$dir"
}

free_ports() {
  python3 -c '
import socket, sys
all = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in all: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in all])' "$1"
}

configure() {
  cat <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: demo}
spec:
  hosts: [reviews]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: demo}
spec:
  hosts: [reviews]
  http:
  - match:
    - headers: {end-user: {exact: jason}}
    route: [{destination: {host: reviews, subset: v2}}]
    timeout: 3s
  - match: [{uri: {prefix: /broken/}}]
    route: [{destination: {host: reviews, subset: v1}}]
    fault: {abort: {httpStatus: 500, percentage: {value: 100}}}
  - match: [{uri: {prefix: /pages/}}]
    route: [{destination: {host: reviews, subset: v1}}]
    corsPolicy: {allowOrigins: [{prefix: "https://shop."}], allowMethods: [GET]}
  - route: [{destination: {host: reviews, subset: v1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: demo}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers, namespace: demo}
spec:
  selector: {matchLabels: {version: v2}}
  rules:
  - from: [{source: {principals: ["cluster.local/ns/demo/sa/client"]}}]
    to: [{operation: {methods: [GET]}}]
YAML
  cat <<YAML
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {extensionProviders: [{name: opa, envoyExtAuthzHttp: {service: demo/reviews, port: 80, failOpen: true}}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: demo}
spec:
  selector: {matchLabels: {version: v1}}
  action: CUSTOM
  provider: {name: opa}
  rules: [{to: [{operation: {paths: [/asked/*]}}]}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: demo}
spec:
  selector: {matchLabels: {version: v1}}
  jwtRules: [{issuer: i, jwks: '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "$(public_key)"}]}'}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: tokens, namespace: demo}
spec:
  selector: {matchLabels: {version: v1}}
  action: DENY
  rules:
  - from: [{source: {notRequestPrincipals: ["*"]}}]
    to: [{operation: {paths: [/tokens/*], ports: ["$mesh1"]}}]
YAML
  for n in 1 2; do
    local mesh=mesh$n app=app$n
    cat <<YAML
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v$n, namespace: demo}
spec:
  address: 127.0.0.1
  ports: {http: ${!mesh}}
  labels: {app: reviews, version: v$n}
  serviceAccount: reviews
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews-v$n, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews, version: v$n}}
  ingress:
  - port: {number: ${!mesh}, protocol: HTTP, name: http}
    defaultEndpoint: 127.0.0.1:${!app}
YAML
  done
}

url64() { openssl base64 -A | tr '+/' '-_' | tr -d =; }
public_key() { openssl pkey -in "$dir/issuer.pem" -pubout -outform DER | tail -c 32 | url64; }
token() {  # token ISSUER
  local text
  text=$(printf '{"alg": "EdDSA", "kid": "k"}' | url64).$(printf '{"iss": "%s", "sub": "ann"}' "$1" | url64)
  printf %s "$text" >"$dir/signed"
  openssl pkeyutl -sign -rawin -inkey "$dir/issuer.pem" -in "$dir/signed" -out "$dir/signature"
  printf '%s.%s' "$text" "$(url64 <"$dir/signature")"
}

# until_true COMMAND...: waits for it to succeed, at most 20 s.
until_true() {
  local deadline=$((SECONDS + 20))
  until "$@"; do
    ((SECONDS < deadline)) || { echo "still not so: $*"; tail -n 20 "$dir/err"; return 1; }
    read -rt 0.05 <> <(:) || true
  done
}

mesh() { "$build/mesh" "$@"; }
# ask ARGUMENT...: a request from the client; its body or its status.
ask() { curl -s -m 10 -H 'host: reviews' "$@" "http://127.0.0.1:$out/reviews/1"; }
# status_of PATH ARGUMENT...: that the client gets.
status_of() {
  curl -s -m 10 -o "$dir/body" -w '%{http_code}' -H 'host: reviews' "${@:2}" "http://127.0.0.1:$out$1"
}
works() { [ "$(ask)" = v1 ] && [ "$(ask -H 'end-user: jason')" = v2 ]; }
fits() { ! grep -nE '.{81}' <<<"$1"; }
line_of() { grep -n -e "$1" "$dir/config/shop.yaml" | head -1 | cut -d: -f1; }
# field EXPRESSION: of the JSON on stdin, as python has it.
field() { python3 -c 'import json, sys; d = json.load(sys.stdin); print('"$1"')'; }

@test "proxy-status: all forwarders have what was sent in force" {
  run mesh proxy-status
  [ "$status" -eq 0 ]
  fits "$output"
  [ "$(grep -c SYNCED <<<"$output")" -eq 3 ]
  mesh proxy-status -o json | head -1 | field 'd["state"] + d["sent"][:0]' | grep -qx SYNCED
  [ "$(mesh proxy-status -o name | grep -c @)" -eq 3 ]
}

@test "proxy-config: what a forwarder holds, with places" {
  for what in listeners clusters endpoints; do
    run mesh proxy-config "$what" client
    [ "$status" -eq 0 ]
    fits "$output"
  done
  run mesh proxy-config routes client
  [[ $output == *'end-user="jason"'*"shop.yaml:$(line_of 'headers: {end-user')"* ]]
  mesh proxy-config clusters client | grep -q 'outbound|80|v2|reviews .* shop.yaml:'"$(line_of 'name: v2, labels')"
  mesh proxy-config endpoints client | grep -q 'outbound|80|v1|reviews .* healthy '
  mesh proxy-config listeners client -o json | field 'd["resource"]["name"]' | grep -qx outbound
  mesh proxy-config secrets client | grep -q spiffe://cluster.local/ns/demo/sa/client
  mesh proxy-config listeners reviews-v1 --served | grep -q 'inbound|127.0.0.1|'
  run mesh proxy-config all client
  [ "$status" -eq 0 ]
}

@test "proxy-config: what is mistyped, and what is not there" {
  run mesh proxy-config listener client
  [ "$status" -eq 64 ]
  [[ $output == *"did you mean listeners?"* ]]
  run mesh proxy-config routes nobody
  [ "$status" -eq 1 ]
  [[ $output == *'no forwarder "nobody"'* ]]
}

@test "describe: a service and a workload, and what bears on them" {
  run mesh describe service reviews
  [ "$status" -eq 0 ]
  [[ $output == *"VirtualService/demo/reviews http[0] (shop.yaml:"* ]]
  [[ $output == *"127.0.0.1:"* ]]
  run mesh describe workload reviews-v2
  [ "$status" -eq 0 ]
  [[ $output == *"AuthorizationPolicy/demo/readers (shop.yaml:"* ]]
  [[ $output != *"asks opa"* ]]
  [[ $output == *"as AuthorizationPolicy/demo/readers rules[0] (shop.yaml:$(line_of 'from: ..source')"*" allows: principals cluster.local/ns/demo/sa/client, where methods matches"* ]]
  mesh describe service reviews | grep -q '^Callers  *at reviews-v1: as opa answers, which AuthorizationPolicy/demo/ask '
  mesh describe service reviews | grep -q 'CUSTOM, rules: 1; asks opa over HTTP at reviews:80, and where that fails lets pass'
  run mesh describe service nothing
  [ "$status" -eq 1 ]
  mesh describe service reviews -o json | field 'd["services"][0]["host"]' | grep -qx reviews
  [ "$(mesh describe service reviews -o name)" = ServiceEntry/demo/reviews ]
  [ "$(mesh describe workload reviews-v1 -o name)" = WorkloadEntry/demo/reviews-v1 ]
}

# completed WORD...: what bash offers for the last.
completed() {
  PATH=$build:$PATH bash -c 'source <(mesh completion bash)
    COMP_WORDS=(mesh "$@"); COMP_CWORD=$#; _mesh; printf "%s\n" "${COMPREPLY[@]}" | xargs' -- "$@"
}

@test "completion knows what lives: services, workloads, forwarders; kinds where a kind is asked" {
  [ "$(completed describe service rev)" = reviews ]
  [ "$(completed describe workload rev)" = "reviews-v1 reviews-v2" ]
  [ "$(completed proxy-config routes reviews-v1)" = "reviews-v1@$(mesh proxy-status -o name | sed -n 's/^reviews-v1@//p')" ]
  [ "$(completed get VirtualService/)" = VirtualService/demo/reviews ]
  [ "$(completed explain VirtualS)" = VirtualService ]
}

@test "describe fits 80 columns on a terminal, and is a line each elsewhere" {
  in_terminal() { python3 -c 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' "$@" </dev/null | tr -d '\r'; }
  in_terminal "$build/mesh" describe service reviews >"$dir/seen"
  grep -q '^Callers' "$dir/seen"
  [ -z "$(grep -E '.{81}' "$dir/seen")" ]
  # The same words.
  [ "$(tr -s ' \n' '\n' <"$dir/seen")" = "$(mesh describe service reviews | tr -s ' \n' '\n')" ]
  mesh describe service reviews | grep -qE '.{81}'
}

@test "endpoints fits 80 columns" {
  [ "$(mesh endpoints reviews | wc -l)" -eq 3 ]
  ! mesh endpoints reviews | grep -E '.{81}'
}

@test "describe and endpoints: of the namespace that is asked for, and no other" {
  mesh describe service reviews -n demo >/dev/null
  mesh endpoints reviews -n demo >/dev/null
  local what
  for what in 'describe service reviews' 'endpoints reviews' 'describe workload reviews-v1'; do
    # shellcheck disable=SC2086
    run mesh $what -n nowhere
    [ "$status" -eq 1 ]
    [[ $output == *"namespace nowhere has no "*"; namespace demo has one"* ]]
  done
}

@test "why: says where requests go, and they go there" {
  run mesh why GET http://reviews/reviews/1 --from client
  [ "$status" -eq 0 ]
  [[ $output == *'route 0'*'no: header end-user is "jason", it is not there'* ]]
  [[ $output == *"shop.yaml:$(line_of 'headers: {end-user')"* ]]
  [[ $output == *"subset v1 of reviews"* ]]
  [ "$(ask)" = v1 ]
  json=$(mesh why GET reviews/reviews/1 -H 'End-User: jason' -o json)
  [ "$(field 'd["hops"][0]["destinations"][0]["subset"]' <<<"$json")" = v2 ]
  [ "$(field '[s["value"] for s in d["hops"][0]["route"]["settings"] if s["name"] == "timeout"][0]' <<<"$json")" = 3s ]
  [ "$(field '[s["origin"]["place"] for s in d["hops"][0]["route"]["settings"] if s["name"] == "timeout"][0].split(":")[1]' <<<"$json")" = "$(line_of '- match:')" ]
  [ "$(field 'd["hops"][1]["forwarder"].split("@")[0]' <<<"$json")" = reviews-v2 ]
  [ "$(field 'd["hops"][1]["rules"][0]["decided"]' <<<"$json")" = True ]
  [ "$(ask -H 'end-user: jason')" = v2 ]
}

@test "why: a refusal names the rule, the clause that failed and its line" {
  run mesh why POST http://reviews/reviews/1 -H 'end-user: jason' --from client
  [ "$status" -eq 1 ]
  [[ $output == *"DENIED 403"* ]]
  [[ $output == *'method is "GET", it is "POST"'* ]]
  [[ $output == *"shop.yaml:$(line_of 'from: ..source')"* ]]
  [ "$(ask -X POST -H 'end-user: jason' -o "$dir/body" -w '%{http_code}')" = 403 ]
  run mesh why GET http://reviews/ --to reviews-v2 --from cluster.local/ns/demo/sa/other
  [ "$status" -eq 1 ]
  [[ $output == *'source.principal is "cluster.local/ns/demo/sa/client"'* ]]
}

@test "why: an authorizer that is asked is named, and by the rule that lets it" {
  run mesh why GET http://reviews/asked/1 --from client
  [ "$status" -eq 0 ]
  [[ $output == *"istio-ext-authz-opa-ns[demo]-policy[ask]-rule[0] CUSTOM: matches,"* ]]
  grep -q '^  authorizer  outbound|80||reviews is asked over HTTP; what it says is not known' <<<"$output"
  run mesh why GET http://reviews/reviews/1 --from client
  [[ $output == *"CUSTOM: no match"* && $output != *"is asked over"* ]]
}

@test "why: a fault that every request meets is the answer" {
  run mesh why GET http://reviews/broken/1 --from client
  [ "$status" -eq 1 ]
  [[ $output == *"FAILED 500: 100% of such requests: 500 by fault"* ]]
  [[ $output == *"FAILED 500 fault_filter_abort"* ]]
  [ "$(status_of /broken/1)" = 500 ]
  json=$(mesh why GET reviews/broken/1 --from client -o json) || true
  [ "$(field 'd["hops"][0]["fault"]["failed_percent"]' <<<"$json")" = 100 ]
}

@test "why: a preflight that the forwarder answers, and those that it does not" {
  local origin
  for origin in https://shop.example https://other.example; do
    run mesh why OPTIONS reviews/pages/1 -H "origin: $origin" \
      -H 'access-control-request-method: GET' --from client
    [ "$status" -eq 0 ]
    if [ "$origin" = https://shop.example ]; then
      [[ $output == *"ANSWERED 200: "*'is allowed by "https://shop.*"'*"ANSWERED 200 cors_response"* ]]
      [ "$(status_of /pages/1 -X OPTIONS -H "origin: $origin" -H 'access-control-request-method: GET')" = 200 ]
    else
      [[ $output == *"FORWARDED"*"is not allowed"* ]]
      # The application has no such method.
      [ "$(status_of /pages/1 -X OPTIONS -H "origin: $origin" -H 'access-control-request-method: GET')" = 501 ]
    fi
  done
}

@test "why: a token is judged as the forwarder judges it, live and of a snapshot" {
  local issuer header
  mesh snapshot >"$dir/tokens.json"
  for issuer in i x; do
    header="authorization: Bearer $(token "$issuer")"
    run mesh why GET reviews/tokens/1 -H "$header" --from client
    if [ "$issuer" = i ]; then
      [ "$status" -eq 0 ]
      [[ $output == *"FORWARDED"*'good: iss "i", sub "ann"'* ]]
      [ "$(status_of /tokens/1 -H "$header")" = 200 ]
    else
      [ "$status" -eq 1 ]
      [[ $output == *"DENIED 401"*"Jwt issuer is not configured"* ]]
      [ "$(status_of /tokens/1 -H "$header")" = 401 ]
    fi
    mesh why GET reviews/tokens/1 -H "$header" --from client -o json >"$dir/live.json" || true
    mesh why GET reviews/tokens/1 -H "$header" --from client -o json --snapshot "$dir/tokens.json" \
      --run-dir "$dir/none" >"$dir/offline.json" || true
    [ -s "$dir/live.json" ]
    diff "$dir/live.json" "$dir/offline.json"
  done
  run mesh why GET reviews/tokens/1 --from client
  [ "$status" -eq 1 ]
  [[ $output == *"DENIED 403"*"rules ask what a token says; the answer is that of who has none"* ]]
  [ "$(status_of /tokens/1)" = 403 ]
}

@test "why: no route; and a question that is none" {
  run mesh why GET http://nowhere.test/ --from client
  [ "$status" -eq 1 ]
  [[ $output == *"FAILED 404"* ]]
  [ "$(curl -s -o "$dir/body" -w '%{http_code}' -H 'host: nowhere.test' "http://127.0.0.1:$out/")" = 404 ]
  run mesh why GET
  [ "$status" -eq 64 ]
  run mesh why GET http://reviews/ --from nobody
  [ "$status" -eq 1 ]
}

@test "why --request: by the id of the access log" {
  id=0e3a1d9c-8d5b-4c65-9a3e-6f2b7c1d4e5f
  [ "$(ask -H "x-request-id: $id")" = v1 ]
  until_true grep -q "$id" "$dir/access.log"
  run mesh why --request "$id"
  [ "$status" -eq 0 ]
  [[ $output == *"GET reviews/reviews/1 from spiffe://cluster.local/ns/demo/sa/client"* ]]
  [[ $output == *"not known: headers that the log does not have"* ]]
  run mesh why --request 11111111-2222-4333-8444-555555555555
  [ "$status" -eq 1 ]
}

@test "snapshot: why says the same of it as of the mesh, with nothing running" {
  mesh snapshot >"$dir/mesh.json"
  for words in "GET reviews/reviews/1" "POST reviews/x -H end-user:jason" "GET reviews/asked/1" \
    "GET reviews/broken/1" "GET nowhere.test/"; do
    # shellcheck disable=SC2086
    mesh why $words --from client -o json >"$dir/live.json" || true
    # shellcheck disable=SC2086
    mesh why $words --from client -o json --snapshot "$dir/mesh.json" --run-dir "$dir/none" \
      >"$dir/offline.json" || true
    [ -s "$dir/live.json" ]
    diff "$dir/live.json" "$dir/offline.json"
  done
  echo '{}' >"$dir/none.json"
  run mesh why GET reviews/ --snapshot "$dir/none.json"
  [ "$status" -eq 1 ]
}

@test "why --config: by the files alone, and what they cannot tell" {
  run mesh why GET reviews/reviews/1 -H 'end-user: jason' --from reviews-v1 --config "$dir/config" \
    --run-dir "$dir/none"
  [ "$status" -eq 1 ]
  [[ $output == *"subset v2"* || $output == *"v2|reviews"* ]]
  [[ $output == *"DENIED 403"* ]]
  [[ $output == *"not known: from configuration alone: whether endpoints are there and well"* ]]
  run mesh why GET reviews/asked/1 --from reviews-v2 --to reviews-v1 --config "$dir/config" --run-dir "$dir/none"
  [[ $output == *"outbound|80||reviews is asked over HTTP; what it says is not known"* ]]
}

@test "why: an endpoint that went is no destination" {
  kill -0 "$(cat "$dir/up")"
  rm "$dir/forwarders/reviews-v2.yaml"
  gone() { ! mesh why GET reviews/ -H 'end-user: jason' --from client >"$dir/body" 2>&1; }
  until_true gone
  grep -q 'FAILED 503 .*no_healthy_upstream\|FAILED 503' "$dir/body"
}
