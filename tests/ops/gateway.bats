#!/usr/bin/env bats
# A Gateway as its clients see it: a real mesh, curl and openssl outside of it.

load common

setup() {
  scratch
  ending=TERM patience=20
  mkdir -p "$dir/config" "$dir/forwarders"
  echo 'prometheus: 127.0.0.1:0' >"$dir/statsd.yaml"
  # A client only, as gateways are; it takes every host's resources.
  cat >"$dir/forwarders/edge.yaml" <<'YAML'
namespace: demo
service_account: edge
labels: {app: edge}
concurrency: 1
YAML
  http=$(free_port) https=$(free_port) other=$(free_port) origin=$(free_port)
  certificate ca
  certificate server ca DNS:a.example,DNS:b.example
  certificate client ca URI:spiffe://outside/client
  certificate stranger
  serve_origin
}

# certificate NAME [AUTHORITY] [NAMES]: NAME.pem and NAME.key; by itself without an authority.
# Of RSA where $algorithm says so.
certificate() {
  local key=("-newkey" "ec" "-pkeyopt" "ec_paramgen_curve:P-256" "-nodes" "-keyout" "$dir/$1.key")
  [[ ${algorithm:-ec} == ec ]] || key=("-newkey" "$algorithm" "-nodes" "-keyout" "$dir/$1.key")
  if [[ -z ${2:-} ]]; then
    openssl req -x509 "${key[@]}" -subj "/CN=$1" -days 1 -out "$dir/$1.pem" 2>/dev/null
  else
    openssl req "${key[@]}" -subj "/CN=$1" -out "$dir/$1.csr" 2>/dev/null
    openssl x509 -req -in "$dir/$1.csr" -CA "$dir/$2.pem" -CAkey "$dir/$2.key" -CAcreateserial \
      -days 1 -extfile <(echo "subjectAltName=$3") -out "$dir/$1.pem" 2>/dev/null
  fi
  chmod 600 "$dir/$1.key"
}

serve_origin() {
  mkdir -p "$dir/www"
  echo 'hello from the origin' >"$dir/www/index.html"
  python3 -m http.server --bind 127.0.0.1 --directory "$dir/www" "$origin" >"$dir/origin.log" 2>&1 3>&- &
  pids+=("$!")
}

# objects SERVERS: the gateway with these servers, a service, and what binds them.
objects() {
  cat >"$dir/config/edge.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: site, namespace: demo}
spec:
  hosts: [site.internal]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $origin}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door, namespace: demo}
spec:
  selector: {app: edge}
  servers:
$1
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: site, namespace: demo}
spec:
  hosts: [a.example, b.example]
  gateways: [door]
  http:
  - match: [{uri: {prefix: /who}}]
    directResponse: {status: 200, body: {string: "the gateway\n"}}
  - route: [{destination: {host: site.internal}}]
YAML
}

# get HOST PORT PATH [CURL OPTION...]: the answer's status, or 000.
get() {
  local scheme=http
  [[ $2 != "$https" ]] || scheme=https
  curl -sS --max-time 5 -o "$dir/body" -w '%{http_code}' --cacert "$dir/ca.pem" \
    --resolve "$1:$2:127.0.0.1" "${@:4}" "$scheme://$1:$2$3" 2>>"$dir/curl.log" || true
}
answers() { [[ $(get "${@:2}") == "$1" ]]; }

@test "a gateway serves the hosts bound to it, and nothing else" {
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: [a.example], bind: 127.0.0.1}"
  mesh_up
  until_true answers 200 a.example "$http" /index.html
  [ "$(cat "$dir/body")" = 'hello from the origin' ]
  answers 200 a.example "$http" /who
  [ "$(cat "$dir/body")" = 'the gateway' ]
  answers 404 b.example "$http" /who
  answers 404 site.internal "$http" /
}

@test "a gateway ends TLS, sends plain requests there, and asks clients who they are" {
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: ['*'], bind: 127.0.0.1, tls: {httpsRedirect: true}}
  - port: {number: $https, name: open, protocol: HTTPS}
    hosts: [a.example]
    bind: 127.0.0.1
    tls: {mode: SIMPLE, serverCertificate: $dir/server.pem, privateKey: $dir/server.key, minProtocolVersion: TLSV1_3}
  - port: {number: $https, name: closed, protocol: HTTPS}
    hosts: [b.example]
    bind: 127.0.0.1
    tls: {mode: MUTUAL, serverCertificate: $dir/server.pem, privateKey: $dir/server.key, caCertificates: $dir/ca.pem, subjectAltNames: ['spiffe://outside/client']}"
  mesh_up
  until_true answers 200 a.example "$https" /index.html
  answers 200 a.example "$https" /who --http2
  answers 200 a.example "$https" /who --http1.1
  answers 301 a.example "$http" /who
  answers 000 a.example "$https" /who --tls-max 1.2
  answers 000 b.example "$https" /who
  answers 000 b.example "$https" /who --cert "$dir/stranger.pem" --key "$dir/stranger.key"
  answers 000 b.example "$https" /who --cert "$dir/server.pem" --key "$dir/server.key"
  answers 200 b.example "$https" /who --cert "$dir/client.pem" --key "$dir/client.key"
  # The name in the request may be another than the one of the handshake, but not its routes.
  answers 404 a.example "$https" /who -H 'Host: c.example'
}

@test "policies say who may come in at a gateway: by what is asked, by certificates, by tokens" {
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: ['*'], bind: 127.0.0.1}
  - port: {number: $https, name: closed, protocol: HTTPS}
    hosts: [b.example]
    bind: 127.0.0.1
    tls: {mode: MUTUAL, serverCertificate: $dir/server.pem, privateKey: $dir/server.key, caCertificates: $dir/ca.pem}"
  cat >"$dir/config/who.yaml" <<'YAML'
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: door, namespace: demo}
spec:
  selector: {matchLabels: {app: edge}}
  rules:
  - to: [{operation: {hosts: ["a.example:*"], paths: [/index.html]}}]
  - from: [{source: {principals: [outside/client]}}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: door, namespace: demo}
spec:
  selector: {matchLabels: {app: edge}}
  jwtRules: [{issuer: "http://127.0.0.1:1"}]
YAML
  mesh_up
  until_true answers 200 a.example "$http" /index.html
  answers 403 a.example "$http" /who
  [ "$(cat "$dir/body")" = 'RBAC: access denied' ]
  answers 403 b.example "$http" /index.html
  answers 403 c.example "$http" /
  answers 403 b.example "$https" /who --cert "$dir/server.pem" --key "$dir/server.key"
  answers 200 b.example "$https" /who --cert "$dir/client.pem" --key "$dir/client.key"
  answers 401 a.example "$http" /index.html -H 'Authorization: Bearer nonsense'
}

@test "a gateway that cannot read its key says so, and the configuration before it stays" {
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: [a.example], bind: 127.0.0.1}"
  mesh_up
  until_true answers 200 a.example "$http" /who
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: [a.example], bind: 127.0.0.1}
  - {port: {number: $other, name: tls, protocol: HTTPS}, hosts: [a.example], bind: 127.0.0.1, tls: {mode: SIMPLE, serverCertificate: $dir/server.pem, privateKey: $dir/nowhere.key}}"
  until_true grep -q 'nowhere.key' "$dir/run/log/edge.log"
  answers 200 a.example "$http" /who
}

# credential NAME CERTIFICATE: what credentialName names, at once as others see it.
credential() {
  local to=$dir/credentials/$1
  mkdir -p "$to.new"
  cp "$dir/$2.pem" "$to.new/tls.crt"
  install -m 600 "$dir/$2.key" "$to.new/tls.key"
  cp "$dir/ca.pem" "$to.new/ca.crt"
  rm -rf "$to"
  mv "$to.new" "$to"
}
# shows NAME: the certificate that clients are shown has this common name.
shows() {
  openssl s_client -connect "127.0.0.1:$https" -servername a.example </dev/null 2>/dev/null |
    openssl x509 -noout -subject | grep -q "CN = $1\$"
}

@test "credentialName: a certificate in the gateway's directory, which may come late and change" {
  certificate renewed ca DNS:a.example
  objects "  - port: {number: $https, name: https, protocol: HTTPS}
    hosts: [a.example]
    bind: 127.0.0.1
    tls: {mode: OPTIONAL_MUTUAL, credentialName: site}"
  mesh_up
  until_true grep -q 'credentials/site/tls.crt' "$dir/run/log/edge.log"
  answers 000 a.example "$https" /who
  credential site server
  until_true answers 200 a.example "$https" /who
  shows server
  answers 200 a.example "$https" /who --cert "$dir/client.pem" --key "$dir/client.key"
  answers 000 a.example "$https" /who --cert "$dir/stranger.pem" --key "$dir/stranger.key"
  credential site renewed
  until_true shows renewed
  answers 200 a.example "$https" /who
}

# shown [OPTION OF s_client...]: the common name of the certificate that a client is shown.
shown() {
  openssl s_client -connect "127.0.0.1:$https" "$@" </dev/null 2>/dev/null |
    openssl x509 -noout -subject 2>/dev/null | sed 's/.*CN = //'
}

@test "several certificates: by the name that is asked for, and RSA for who cannot verify ECDSA" {
  certificate ecdsa ca DNS:a.example
  algorithm=rsa:2048 certificate rsa ca DNS:a.example,DNS:*.b.example
  credential one ecdsa
  credential two rsa
  objects "  - port: {number: $https, name: https, protocol: HTTPS}
    hosts: ['*']
    bind: 127.0.0.1
    tls: {mode: OPTIONAL_MUTUAL, credentialNames: [one, two]}"
  mesh_up
  until_true answers 200 a.example "$https" /index.html
  local only_rsa=(-sigalgs RSA-PSS+SHA256:RSA+SHA256)
  [ "$(shown -servername a.example)" = ecdsa ]
  [ "$(shown -servername a.example "${only_rsa[@]}")" = rsa ]
  [ "$(shown -servername a.example -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256)" = ecdsa ]
  [ "$(shown -servername a.example -tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256)" = rsa ]
  [ "$(shown -servername x.b.example)" = rsa ]
  [ "$(shown -noservername)" = ecdsa ]
  [ "$(shown -noservername "${only_rsa[@]}")" = rsa ]
  # Whom nobody's certificate names is shown the first, or nothing.
  [ "$(shown -servername nobody.example)" = ecdsa ]
  [ -z "$(shown -servername nobody.example "${only_rsa[@]}")" ]
  answers 200 a.example "$https" /who --cert "$dir/client.pem" --key "$dir/client.key"
  answers 000 a.example "$https" /who --cert "$dir/stranger.pem" --key "$dir/stranger.key"
  MESH_RUN_DIR=$dir/run mesh proxy-config secrets edge >"$dir/secrets"
  grep -q "credentials/one/tls.crt  *certificate" "$dir/secrets"
  grep -q "credentials/two/tls.crt  *certificate" "$dir/secrets"
  # One of them renewed.
  algorithm=rsa:2048 certificate renewed ca DNS:a.example
  credential two renewed
  renewed() { [[ $(shown -servername a.example "${only_rsa[@]}") == renewed ]]; }
  until_true renewed
  [ "$(shown -servername a.example)" = ecdsa ]
}

@test "clients whose certificate or key is pinned come in, others of their authority do not" {
  certificate other ca URI:spiffe://outside/other
  local hash key
  hash=$(openssl x509 -in "$dir/client.pem" -noout -fingerprint -sha256 | sed 's/.*=//')
  key=$(openssl x509 -in "$dir/other.pem" -noout -pubkey | openssl pkey -pubin -outform der |
    openssl dgst -sha256 -binary | base64)
  servers() {
    objects "  - port: {number: $https, name: https, protocol: HTTPS}
    hosts: [a.example]
    bind: 127.0.0.1
    tls: {mode: MUTUAL, serverCertificate: $dir/server.pem, privateKey: $dir/server.key, caCertificates: $dir/ca.pem, $1}"
  }
  servers "verifyCertificateHash: ['$hash']"
  mesh_up
  as() { answers "$1" a.example "$https" /who --cert "$dir/$2.pem" --key "$dir/$2.key"; }
  until_true as 200 client
  as 000 other
  as 000 stranger
  servers "verifyCertificateHash: ['$hash'], verifyCertificateSpki: ['$key']"
  until_true as 200 other
  as 200 client
  as 000 server
}

@test "caCrl: a client whose certificate was revoked is refused, also once the list says so" {
  certificate other ca URI:spiffe://outside/other
  touch "$dir/index.txt"
  printf '[ca]\ndefault_ca = d\n[d]\ndatabase = %s/index.txt\ndefault_md = sha256\ndefault_crl_days = 1\n' \
    "$dir" >"$dir/ca.cnf"
  authority() { openssl ca -config "$dir/ca.cnf" -cert "$dir/ca.pem" -keyfile "$dir/ca.key" "$@" 2>>"$dir/ca.log"; }
  lists() { authority -gencrl -out "$dir/new.crl" && mv "$dir/new.crl" "$dir/ca.crl"; }
  authority -revoke "$dir/other.pem"
  lists
  objects "  - port: {number: $https, name: https, protocol: HTTPS}
    hosts: [a.example]
    bind: 127.0.0.1
    tls: {mode: MUTUAL, serverCertificate: $dir/server.pem, privateKey: $dir/server.key, caCertificates: $dir/ca.pem, caCrl: $dir/ca.crl}"
  mesh_up
  as() { answers "$1" a.example "$https" /who --cert "$dir/$2.pem" --key "$dir/$2.key"; }
  until_true as 200 client
  as 000 other
  authority -revoke "$dir/client.pem"
  lists
  until_true as 000 client
  as 200 server
}

@test "a gateway passes TLS through undecrypted, by the name that the client asks for" {
  local backend
  backend=$(free_port)
  openssl s_server -accept "127.0.0.1:$backend" -cert "$dir/server.pem" -key "$dir/server.key" -www \
    >"$dir/s_server.log" 2>&1 3>&- &
  pids+=("$!")
  objects "  - {port: {number: $other, name: tls, protocol: TLS}, hosts: [a.example, b.example], bind: 127.0.0.1, tls: {mode: PASSTHROUGH}}"
  cat >"$dir/config/tls.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vault, namespace: demo}
spec:
  hosts: [vault.internal]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 443, name: tls, protocol: TLS}]
  endpoints: [{address: 127.0.0.1, ports: {tls: $backend}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vault, namespace: demo}
spec:
  hosts: [a.example]
  gateways: [door]
  tls:
  - match: [{port: $other, sniHosts: [a.example]}]
    route: [{destination: {host: vault.internal, port: {number: 443}}}]
YAML
  mesh_up
  # The backend's own certificate is what the client sees.
  passes() { curl -sS --max-time 5 -o "$dir/body" --cacert "$dir/ca.pem" --resolve "$1:$other:127.0.0.1" "https://$1:$other/" 2>>"$dir/curl.log"; }
  until_true passes a.example
  grep -q 's_server' "$dir/body"
  ! passes b.example
}

@test "a gateway in the root namespace: subsets of a service of the mesh, and bytes relayed to it" {
  local inbound
  inbound=$(free_port)
  sed -i 's/^namespace: .*/namespace: istio-system/' "$dir/forwarders/edge.yaml"
  printf '%s\n' 'workload: ratings-1' 'namespace: demo' 'service_account: ratings' \
    'labels: {app: ratings}' 'concurrency: 1' >"$dir/forwarders/ratings-1.yaml"
  cat >"$dir/config/mesh.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ratings, namespace: demo}
spec:
  hosts: [ratings.demo.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: ratings}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ratings-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: $inbound}, labels: {app: ratings}, serviceAccount: ratings}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ratings-1, namespace: demo}
spec:
  workloadSelector: {labels: {app: ratings}}
  ingress: [{port: {number: $inbound, protocol: HTTP, name: http}, defaultEndpoint: "127.0.0.1:$origin"}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: demo}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: default, namespace: istio-system}
spec: {host: "*.local", trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings-a, namespace: demo}
spec: {host: ratings, subsets: [{name: v1, labels: {app: ratings}}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings-b, namespace: demo}
spec: {host: ratings, subsets: [{name: v2, labels: {app: ratings}}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door, namespace: istio-system}
spec:
  selector: {app: edge}
  servers:
  - {port: {number: $http, name: http, protocol: HTTP}, hosts: [a.example], bind: 127.0.0.1}
  - {port: {number: $other, name: tcp, protocol: TCP}, hosts: ['*'], bind: 127.0.0.1}
  - port: {number: $https, name: tls, protocol: TLS}
    hosts: ['*']
    bind: 127.0.0.1
    tls: {mode: SIMPLE, serverCertificate: $dir/server.pem, privateKey: $dir/server.key}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings, namespace: istio-system}
spec:
  hosts: [a.example]
  gateways: [door]
  http:
  - match: [{uri: {prefix: /index}}]
    route: [{destination: {host: ratings.demo.svc.cluster.local, subset: v1}}]
  - route: [{destination: {host: ratings.demo.svc.cluster.local, subset: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bytes, namespace: istio-system}
spec:
  hosts: ['*']
  gateways: [door]
  tcp: [{route: [{destination: {host: ratings.demo.svc.cluster.local, port: {number: 80}}}]}]
YAML
  mesh_up
  until_true answers 200 a.example "$http" /index.html
  answers 200 a.example "$http" /
  # What was relayed arrives as it was sent.
  until_true answers 200 a.example "$other" /index.html --http1.1
  [ "$(cat "$dir/body")" = 'hello from the origin' ]
  answers 200 a.example "$other" /index.html --http2-prior-knowledge
  answers 200 a.example "$https" /index.html --http1.1
  [ "$(cat "$dir/body")" = 'hello from the origin' ]
}

@test "policies about a gateway hold for its clients" {
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: [a.example], bind: 127.0.0.1}
  - {port: {number: $other, name: tcp, protocol: TCP}, hosts: ['*'], bind: 127.0.0.1}"
  cat >"$dir/config/policies.yaml" <<YAML
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: edge, namespace: demo}
spec:
  selector: {matchLabels: {app: edge}}
  action: DENY
  rules: [{to: [{operation: {paths: [/index.html]}}]}, {to: [{operation: {ports: ["$other"]}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: tcp, namespace: demo}
spec:
  hosts: ['*']
  gateways: [door]
  tcp: [{match: [{port: $other}], route: [{destination: {host: site.internal}}]}]
YAML
  mesh_up
  until_true answers 404 a.example "$http" /nowhere
  answers 200 a.example "$http" /who
  answers 403 a.example "$http" /index.html
  answers 000 a.example "$other" /
}

@test "HTTPRoutes of the Gateway API are served at a gateway, the most exact match first" {
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: ['*.example'], bind: 127.0.0.1}"
  cat >"$dir/config/routes.yaml" <<YAML
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: pages, namespace: demo}
spec:
  parentRefs: [{name: door}]
  hostnames: [c.example]
  rules:
  - backendRefs: [{name: site.internal, port: 80}]
  - matches: [{path: {value: /old}}]
    filters:
    - type: URLRewrite
      urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: x-route, value: rewritten}]}
    backendRefs: [{name: site.internal, port: 80}]
  - matches: [{path: {type: Exact, value: /old/away}}]
    filters: [{type: RequestRedirect, requestRedirect: {hostname: d.example, statusCode: 301}}]
  - matches: [{path: {value: /nobody}}]
YAML
  mesh_up
  until_true answers 200 c.example "$http" /index.html
  answers 200 c.example "$http" /old/index.html -D "$dir/head"
  [ "$(cat "$dir/body")" = 'hello from the origin' ]
  grep -qi '^x-route: rewritten' "$dir/head"
  answers 301 c.example "$http" /old/away -D "$dir/head"
  grep -qix "location: http://d.example:$http/old/away"$'\r' "$dir/head"
  answers 404 c.example "$http" /older
  answers 500 c.example "$http" /nobody/at/all
  answers 200 a.example "$http" /who
}

@test "sessionPersistence of an HTTPRoute: a client comes back to who answered it" {
  local second
  second=$(free_port)
  mkdir -p "$dir/www2"
  echo 'hello from the second' >"$dir/www2/index.html"
  python3 -m http.server --bind 127.0.0.1 --directory "$dir/www2" "$second" >"$dir/second.log" 2>&1 3>&- &
  pids+=("$!")
  objects "  - {port: {number: $http, name: http, protocol: HTTP}, hosts: ['*.example'], bind: 127.0.0.1}"
  sed -i "s/^  endpoints: .*/  endpoints: [{address: 127.0.0.1, ports: {http: $origin}}, {address: 127.0.0.1, ports: {http: $second}}]/" \
    "$dir/config/edge.yaml"
  cat >"$dir/config/routes.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: site, namespace: demo}
spec: {host: site.internal, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: pages, namespace: demo}
spec:
  parentRefs: [{name: door}]
  hostnames: [c.example]
  rules:
  - backendRefs: [{name: site.internal, port: 80}]
    sessionPersistence:
      sessionName: shop
      absoluteTimeout: 1h
      cookieConfig: {lifetimeType: Permanent}
  - matches: [{path: {value: /by-header}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}]
    backendRefs: [{name: site.internal, port: 80}]
    sessionPersistence: {type: Header, sessionName: x-shop}
YAML
  mesh_up
  until_true answers 200 c.example "$http" /index.html -D "$dir/head" -c "$dir/jar"
  grep -qiE '^set-cookie: shop=.*max-age=3600' "$dir/head"
  cp "$dir/body" "$dir/first"
  local i other=0 field
  for i in {1..6}; do
    answers 200 c.example "$http" /index.html -b "$dir/jar"
    cmp "$dir/body" "$dir/first"
  done
  for i in {1..6}; do
    answers 200 c.example "$http" /index.html
    cmp -s "$dir/body" "$dir/first" || other=1
  done
  [ "$other" -eq 1 ]
  answers 200 c.example "$http" /by-header/index.html -D "$dir/head"
  cp "$dir/body" "$dir/first"
  field=$(grep -i '^x-shop: ' "$dir/head" | tr -d '\r')
  [ -n "$field" ]
  for i in {1..6}; do
    answers 200 c.example "$http" /by-header/index.html -H "$field"
    cmp "$dir/body" "$dir/first"
  done
}
