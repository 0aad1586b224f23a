#!/usr/bin/env bats
# Keys of tokens that discoveryd fetches (RequestAuthentication, jwksUri), from the
# issuer's server to the forwarder that takes its tokens.

load common

setup() {
  scratch
  ending=TERM
  mkdir -p "$dir/config" "$dir/forwarders" "$dir/issuer"
  read -r issuer inbound app admin < <(python3 - <<'PY'
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
print(*(s.getsockname()[1] for s in held))
PY
)
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  echo 'jwks: {refresh: 200ms}' >"$dir/discoveryd.yaml"
  cat >"$dir/forwarders/reviews-1.yaml" <<YAML
workload: reviews-1
namespace: demo
service_account: reviews
labels: {app: reviews}
admin: 127.0.0.1:$admin
concurrency: 1
YAML
  cat >"$dir/config/reviews.yaml" <<YAML
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
kind: WorkloadEntry
metadata: {name: reviews-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: $inbound}, labels: {app: reviews}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews-1, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews}}
  ingress: [{port: {number: $inbound, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:$app"}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: demo}
spec:
  jwtRules: [{issuer: "http://127.0.0.1:$issuer", jwksUri: "http://127.0.0.1:$issuer/keys"}]
YAML
  mkdir "$dir/app"
  echo hello >"$dir/app/index.html"
  serve "$app" "$dir/app"
}

serve() {  # serve PORT FOLDER: its pid in $served
  python3 -m http.server --bind 127.0.0.1 --directory "$2" "$1" >/dev/null 2>&1 3>&- &
  served=$!
  pids+=("$served")
}

url64() { base64 -w0 | tr '+/' '-_' | tr -d '='; }

# key NAME: a key of the issuer's, and its set of keys with it alone.
key() {
  openssl genpkey -algorithm ed25519 -out "$dir/$1.pem"
  local x
  x=$(openssl pkey -in "$dir/$1.pem" -pubout -outform DER | tail -c 32 | url64)
  printf '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "%s", "x": "%s"}]}' "$1" "$x" \
    >"$dir/issuer/keys.new"
  mv "$dir/issuer/keys.new" "$dir/issuer/keys"
}

token() {  # token KEY
  local head body
  head=$(printf '{"alg": "EdDSA", "kid": "%s"}' "$1" | url64)
  body=$(printf '{"iss": "http://127.0.0.1:%s", "sub": "ann"}' "$issuer" | url64)
  printf '%s.%s' "$head" "$body" >"$dir/signed"
  openssl pkeyutl -sign -rawin -inkey "$dir/$1.pem" -in "$dir/signed" -out "$dir/signature"
  printf '%s.%s.%s' "$head" "$body" "$(url64 <"$dir/signature")"
}

status() {  # status [TOKEN]: of a request
  curl -s -m 5 -o "$dir/body" -w '%{http_code}' ${1:+-H "Authorization: Bearer $1"} \
    "http://127.0.0.1:$inbound/"
}
gets() { [ "$(status "${@:2}")" = "$1" ]; }
told() { "$build/mesh" status --run-dir "$dir/run" 2>&1 | grep -q -- "$1"; }

@test "keys are fetched, changed ones too, and kept while their server is away" {
  key a
  serve "$issuer" "$dir/issuer"
  mesh_up
  until_true gets 200
  until_true gets 200 "$(token a)"
  old=$(token a)
  key b
  until_true gets 200 "$(token b)"
  gets 401 "$old"
  grep -q "Jwks doesn't have key to match kid or alg from Jwt" "$dir/body"
  kill "$served"
  until_true told 'those of before hold'
  gets 200 "$(token b)"
}

@test "before any keys have come all tokens are refused, and mesh status says why" {
  key a
  mesh_up
  until_true gets 200
  until_true told 'their tokens are refused until then'
  gets 401 "$(token a)"
  serve "$issuer" "$dir/issuer"
  until_true gets 200 "$(token a)"
}

@test "an issuer without jwks and jwksUri says itself where its keys are" {
  key a
  sed -i 's|, jwksUri: "[^"]*"||' "$dir/config/reviews.yaml"
  mkdir "$dir/issuer/.well-known"
  printf '{"issuer": "http://127.0.0.1:%s", "jwks_uri": "http://127.0.0.1:%s/keys"}' \
    "$issuer" "$issuer" >"$dir/issuer/.well-known/openid-configuration"
  serve "$issuer" "$dir/issuer"
  mesh_up
  until_true gets 200 "$(token a)"
}

# policy SUBJECT: lets in who has a token of that subject.
policy() {
  cat <<YAML
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: people, namespace: demo}
spec:
  selector: {matchLabels: {app: reviews}}
  rules: [{when: [{key: "request.auth.claims[sub]", values: [$1]}]}]
YAML
}

@test "plan asks of tokens what was kept of them, and says of how many nothing was" {
  key a
  serve "$issuer" "$dir/issuer"
  mesh_up
  until_true gets 200 "$(token a)"
  plan() { "$build/mesh" plan --run-dir "$dir/run" -o json -f "$1" 2>"$dir/said"; }
  # Nobody asked for the subject when they came; who had no token has none.
  policy ann >"$dir/ann.yaml"
  run plan "$dir/ann.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *'"what":"unknown","requests":1,'* ]]
  grep -q '^of 1 nobody can say it' "$dir/said" || { cat "$dir/said"; return 1; }
  # Now it is asked for, and kept.
  "$build/mesh" apply --run-dir "$dir/run" --wait -q -f "$dir/ann.yaml"
  gets 200 "$(token a)"
  gets 403
  policy bob >"$dir/bob.yaml"
  run plan "$dir/bob.yaml"
  [ "$status" -eq 1 ]
  [[ $output == *'"what":"denied","requests":1,'* ]]
  [[ $output == *'"what":"unknown","requests":1,'* ]]
  # An issuer's tokens of which nobody knows how another filter would judge them.
  cat >"$dir/tokens.yaml" <<YAML
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: demo}
spec: {jwtRules: [{issuer: other, jwks: '$(cat "$dir/issuer/keys")'}]}
YAML
  run plan "$dir/tokens.yaml"
  [ "$status" -eq 1 ]
  # All but the one that had no token.
  all=$(sed -n 's/.*of their \([0-9]*\) recent .*/\1/p' "$dir/said")
  grep -q "^of $((all - 1)) nobody can say it" "$dir/said" || { cat "$dir/said"; return 1; }
}
