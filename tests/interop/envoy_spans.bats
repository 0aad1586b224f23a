#!/usr/bin/env bats
# Spans of a forwarder and of a stock Envoy in one trace: the same configuration, the same
# collector, the forwarder's by way of statsd.

load envoys
setup() { beside; }

span() {  # span SDK KIND FIELD: of the one request
  python3 - "$dir/collector.log" "$@" <<'PY'
import json
import sys
for line in open(sys.argv[1]):
    span = json.loads(line) if line.startswith("{") else {}
    if [span.get("sdk"), span.get("kind", "")[10:]] != sys.argv[2:4] or \
            not span["tags"]["http.url"].endswith(sys.argv[5] if len(sys.argv) > 5 else "/x"):
        continue
    print(span[sys.argv[4]] if sys.argv[4] != "tags" else
          "\n".join(sorted(f"{k}={v}" for k, v in span["tags"].items())))
    sys.exit(0)
sys.exit(1)
PY
}
told() { span mesh "$1" id >/dev/null && span envoy "$2" id >/dev/null; }

# What differs by its nature, or by Envoy's own choice of names (zone: empty where not known).
common_tags() {
  span "$1" "$2" tags | grep -vE '^(node_id|zone|guid:x-request-id|http.url|upstream_cluster.*|istio.canonical_service|response_size)='
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

  : >"$dir/collector.log"
  [ "$(from_forwarder)" = 200 ]
  until_true told CLIENT SERVER
  [ "$(span envoy SERVER trace)" = "$(span mesh CLIENT trace)" ]
  [ "$(span envoy SERVER parent)" = "$(span mesh CLIENT id)" ]
  [ "$(span mesh CLIENT name)" = "ratings:80/*" ]
  [ "$(span envoy SERVER name)" = "ratings:80/*" ]
  [ "$(span envoy SERVER service)" = ratings.demo ]
  [ "$(span mesh CLIENT service)" = reviews.demo ]

  : >"$dir/collector.log"
  [ "$(from_envoy)" = 200 ]
  until_true told SERVER CLIENT
  [ "$(span mesh SERVER trace)" = "$(span envoy CLIENT trace)" ]
  [ "$(span mesh SERVER parent)" = "$(span envoy CLIENT id)" ]
  [ "$(span envoy CLIENT name)" = "reviews:80/*" ]
  [ "$(span mesh SERVER name)" = "reviews:80/*" ]

  # The caller of either kind says the same of such a request, and so does the called.
  common_tags envoy CLIENT >"$dir/envoy.client"
  common_tags mesh SERVER >"$dir/mesh.server"
  : >"$dir/collector.log"
  [ "$(from_forwarder)" = 200 ]
  until_true told CLIENT SERVER
  diff <(common_tags mesh CLIENT) "$dir/envoy.client"
  diff <(common_tags envoy SERVER) "$dir/mesh.server"
}
