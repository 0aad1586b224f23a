#!/usr/bin/env bats
# Spans of a forwarder and of a stock Envoy in one trace: the same configuration, the same
# collector, the forwarder's by way of statsd.

load envoys
setup() {
  beside
  patience=40  # an Envoy tells its spans every five seconds
}

# ask PORT HOST PATH
ask() { [ "$(status -H "Host: $2" "http://127.0.0.1:$1$3")" = 200 ]; }

span() {  # span SDK KIND PATH FIELD: of the request of that path
  python3 - "$dir/collector.log" "$@" <<'PY'
import json
import sys
for line in open(sys.argv[1]):
    span = json.loads(line) if line.startswith("{") else {}
    if [span.get("sdk"), span.get("kind", "")[10:]] != sys.argv[2:4] or \
            not span["tags"]["http.url"].endswith(sys.argv[4]):
        continue
    print(span[sys.argv[5]] if sys.argv[5] != "tags" else
          "\n".join(sorted(f"{k}={v}" for k, v in span["tags"].items())))
    sys.exit(0)
sys.exit(1)
PY
}
told() { span mesh "$1" "$3" id >/dev/null && span envoy "$2" "$3" id >/dev/null; }

# But what differs by its nature, and the zone, which an Envoy names where it has none.
tags() {
  span "$@" tags |
    grep -vE '^(node_id|zone|guid:x-request-id|http.url|upstream_cluster.*|istio.canonical_service|response_size)='
}

@test "one trace over a forwarder and an Envoy, both ways, with the same tags" {
  cat >"$dir/config/spans.yaml" <<YAML
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: otel, namespace: demo}
spec:
  hosts: [otel.example]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 4318, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $secure}}]
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec:
  extensionProviders: [{name: otel, opentelemetry: {service: otel.example, port: 4318, http: {path: /v1/traces}}}]
  defaultProviders: {tracing: [otel]}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: spans, namespace: istio-system}
spec:
  tracing:
  - randomSamplingPercentage: 100
    customTags:
      team: {literal: {value: shop}}
      agent: {header: {name: user-agent}}
      gone: {header: {name: x-gone}}
      code: {formatter: {value: '%RESPONSE_CODE% %REQ(X-GONE)%'}}
YAML
  printf 'prometheus: 127.0.0.1:0\notlp: {endpoint: "http://127.0.0.1:%s", protocol: http}\n' "$secure" >"$dir/statsd.yaml"
  launch collector python3 "$root/tests/ops/otlp_collector.py" http "$dir/collector.port" "$secure"
  until_true test -e "$dir/collector.port"
  up '{}'
  attach --certificates "$dir/ratings"

  ask "$reviews_out" ratings /one
  until_true told CLIENT SERVER /one
  [ "$(span envoy SERVER /one trace)" = "$(span mesh CLIENT /one trace)" ]
  [ "$(span envoy SERVER /one parent)" = "$(span mesh CLIENT /one id)" ]
  [ "$(span mesh CLIENT /one name)" = "ratings:80/*" ]
  [ "$(span envoy SERVER /one name)" = "ratings:80/*" ]
  [ "$(span envoy SERVER /one service)" = ratings.demo ]
  [ "$(span mesh CLIENT /one service)" = reviews.demo ]

  ask "$ratings_out" reviews /two
  until_true told SERVER CLIENT /two
  [ "$(span mesh SERVER /two trace)" = "$(span envoy CLIENT /two trace)" ]
  [ "$(span mesh SERVER /two parent)" = "$(span envoy CLIENT /two id)" ]
  [ "$(span envoy CLIENT /two name)" = "reviews:80/*" ]
  [ "$(span mesh SERVER /two name)" = "reviews:80/*" ]

  # A caller of either kind says the same, and so does who is called.
  diff <(tags mesh CLIENT /one) <(tags envoy CLIENT /two)
  diff <(tags mesh SERVER /two) <(tags envoy SERVER /one)
}
