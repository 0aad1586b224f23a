#!/usr/bin/env bats
# Who may call, on real daemons: callers that prove who they are by mutual TLS, one that
# does not, requests and connections. mesh-authorization(7).

load common

setup() {
  scratch
  ending=TERM patience=20
  mkdir -p "$dir/config" "$dir/forwarders" "$dir/www/r"
  read -r inbound bytes called app web jobs admin < <(python3 - <<'PY'
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(7)]
print(*(s.getsockname()[1] for s in held))
PY
)
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  cat >"$dir/forwarders/reviews-1.yaml" <<YAML
workload: reviews-1
namespace: demo
service_account: reviews
labels: {app: reviews}
access_log: $dir/access.log
admin: 127.0.0.1:$admin
concurrency: 2
YAML
  local name port
  for name in web jobs; do
    port=${!name}
    printf 'namespace: demo\nservice_account: %s\nlabels: {app: %s}\noutbound: 127.0.0.1:%s\noutbound_tcp: 127.0.0.%s\nconcurrency: 1\n' \
      "$name" "$name" "$port" "$([[ $name == web ]] && echo 2 || echo 3)" >"$dir/forwarders/$name.yaml"
  done
  cat >"$dir/config/reviews.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: demo}
spec:
  hosts: [reviews]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: $called, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: reviews}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: $inbound, tcp: $bytes}, labels: {app: reviews}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews-1, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress:
  - {port: {number: $inbound, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:$app"}
  - {port: {number: $bytes, protocol: TCP, name: tcp}, defaultEndpoint: "127.0.0.1:$app"}
YAML
  echo hello >"$dir/www/r/1"
  python3 -m http.server --bind 127.0.0.1 --directory "$dir/www" "$app" >"$dir/app.log" 2>&1 3>&- &
  pids+=("$!")
  mesh_up
  until_true outcome_is '200 200 200'
  until_true reached_are 'web jobs plain'
}

# policy SPEC [NAMESPACE [ANNOTATIONS]]: the only one, in force when this returns.
policy() {
  printf 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: %s%s}\nspec: {%s}\n' \
    "${2:-demo}" "${3:+, annotations: {$3\}}" "$1" >"$dir/p.yaml"
  "$build/mesh" apply -f "$dir/p.yaml" --wait --run-dir "$dir/run"
}
from() { policy "rules: [{from: [{source: {$1}}]}]"; }
to() { policy "rules: [{to: [{operation: {$1}}]}]"; }
when() { policy "rules: [{when: [{key: '$1', values: ['$2']}]}]"; }

# What web, jobs and somebody in clear text get: "200 403 403".
outcome() {
  local port all=()
  for port in "$web" "$jobs" "$inbound"; do
    all+=("$(curl -s -m 5 -o "$dir/body" -w '%{http_code}' -H 'Host: reviews' "$@" "http://127.0.0.1:$port/r/1")")
  done
  echo "${all[*]}"
}
outcome_is() {
  local got
  got=$(outcome "${@:2}")
  [ "$got" = "$1" ] || { echo "got $got"; return 1; }
}

# Whose connections get to the application that is no HTTP to the mesh.
reached() {
  local who all=()
  for who in "web 127.0.0.2:$called" "jobs 127.0.0.3:$called" "plain 127.0.0.1:$bytes"; do
    ! curl -sf -m 5 -o /dev/null "http://${who#* }/r/1" || all+=("${who% *}")
  done
  echo "${all[*]}"
}
reached_are() {
  local got
  got=$(reached)
  [ "$got" = "$1" ] || { echo "got $got"; return 1; }
}
# What describe says of who may call the service, and its instance; places are PLACE.
callers_are() {
  local what got
  for what in 'service reviews' 'workload reviews-1'; do
    # shellcheck disable=SC2086
    got=$("$build/mesh" describe $what --run-dir "$dir/run" | sed -n 's/^Callers *//p')
    # shellcheck disable=SC2086
    [ "$got" = "$("$build/mesh" describe $what -o json --run-dir "$dir/run" |
      python3 -c 'import json, sys; print(*json.load(sys.stdin)["callers"], sep="\n")')" ]
    got=$(sed -E 's/ \([^ ()]+\.yaml:[0-9]+:[0-9]+\)/ (PLACE)/' <<<"$got")
    [ "$got" = "$1" ] || { echo "got $got"; return 1; }
  done
}
logged() { grep -qF -- "$1" "$dir/access.log"; }
metric() { curl -s "http://127.0.0.1:$admin/stats/prometheus" | grep mesh_rbac | grep -qE "result=\"$1\".* [1-9]"; }

@test "policies allow nobody, everybody, by workload, namespace and mesh" {
  callers_are everybody
  policy ''
  outcome_is '403 403 403'
  callers_are 'nobody: AuthorizationPolicy/demo/p (PLACE) has no rules, and allows nobody'
  policy 'rules: [{}]'
  outcome_is '200 200 200'
  callers_are everybody
  policy 'action: DENY, rules: [{}]'
  outcome_is '403 403 403'
  callers_are 'nobody: AuthorizationPolicy/demo/p rules[0] (PLACE) denies all'
  policy 'selector: {matchLabels: {app: web}}'
  outcome_is '200 200 200'
  policy 'selector: {matchLabels: {app: reviews}}'
  outcome_is '403 403 403'
  policy 'action: AUDIT, rules: [{}]'
  outcome_is '200 200 200'
  policy '' istio-system
  outcome_is '403 403 403'
}

@test "callers are known by their certificates, and by nothing that they say" {
  from 'principals: [cluster.local/ns/demo/sa/web]'
  outcome_is '200 403 403'
  outcome_is '200 403 403' -H 'X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/demo/sa/web'
  from 'notPrincipals: ["*/sa/jobs"]'
  outcome_is '200 403 200'
  from 'namespaces: [demo]'
  outcome_is '200 200 403'
  from 'notNamespaces: [demo]'
  outcome_is '403 403 200'
  from 'serviceAccounts: [jobs]'
  outcome_is '403 200 403'
  policy 'action: DENY, rules: [{from: [{source: {notPrincipals: ["*/sa/web"]}}]}]'
  outcome_is '200 403 403'
  when source.principal 'cluster.local/ns/demo/sa/jobs'
  outcome_is '403 200 403'
  when connection.sni '*'
  outcome_is '200 200 403'
}

@test "what is asked: addresses, hosts, ports, methods, paths, headers" {
  from 'ipBlocks: [127.0.0.0/8]'
  outcome_is '200 200 200'
  from 'notRemoteIpBlocks: [127.0.0.1]'
  outcome_is '403 403 403'
  to 'hosts: [REVIEWS]'
  outcome_is '200 200 200'
  to "notPorts: ['$inbound']"
  outcome_is '403 403 403'
  to 'methods: [POST]'
  outcome_is '403 403 403'
  to 'paths: ["/r/{*}"], notPaths: ["*/2"]'
  outcome_is '200 200 200'
  when 'request.headers[X-Team]' 'a*'
  outcome_is '403 403 403'
  outcome_is '200 200 200' -H 'x-team: abc'
  from 'requestPrincipals: ["*"]'
  outcome_is '403 403 403'
}

@test "a refusal is told, logged with its policy, and counted; a dry run is only counted" {
  policy 'action: DENY, rules: [{to: [{operation: {paths: [/none]}}]}, {from: [{source: {principals: ["*/sa/jobs"]}}]}]'
  outcome_is '200 403 200'
  until_true logged 'rbac_access_denied_matched_policy[ns[demo]-policy[p]-rule[1]]'
  from 'principals: ["*/sa/web"]'
  outcome_is '200 403 403'
  [ "$(cat "$dir/body")" = 'RBAC: access denied' ]
  until_true logged 'rbac_access_denied_matched_policy[none]'
  until_true metric denied
  policy 'action: DENY, rules: [{from: [{source: {principals: ["*/sa/jobs"]}}]}]' demo 'istio.io/dry-run: "true"'
  outcome_is '200 200 200'
  until_true metric istio_dry_run_deny_shadow_denied
}

@test "connections that are not HTTP: what only HTTP has never allows, and denies more" {
  policy ''
  reached_are ''
  from 'principals: ["*/sa/web"]'
  reached_are web
  to "ports: ['$bytes']"
  reached_are 'web jobs plain'
  to "methods: [GET], ports: ['$bytes']"
  reached_are ''
  policy "action: DENY, rules: [{from: [{source: {principals: ['*/sa/web']}}], to: [{operation: {methods: [POST], ports: ['$bytes']}}]}]"
  reached_are 'jobs plain'
}
