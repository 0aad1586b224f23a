// A small mesh in Istio's kinds, web -> reviews (v1, v2, v3) -> ratings, and
// how tests compile it.
#pragma once

#include <catch2/catch.hpp>

#include "config/object.h"
#include "discovery/compile/compile.h"
#include "discovery/registry.h"

namespace mesh::discovery::sample {

inline const std::string kServices = R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: web, namespace: demo}
spec:
  hosts: [web]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: web}}
---
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
kind: ServiceEntry
metadata: {name: ratings, namespace: demo}
spec:
  hosts: [ratings.demo.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: grpc, protocol: GRPC}]
  workloadSelector: {labels: {app: ratings}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: legacy, namespace: demo}
spec:
  hosts: [legacy.example.org]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.7, ports: {http: 9000}}]
)";

inline const std::string kWorkloads = R"(
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 20001}, labels: {app: web}, serviceAccount: web}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v1, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 20011}, labels: {app: reviews, version: v1}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v2, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 20012}, labels: {app: reviews, version: v2}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: reviews-v3, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 20013}, labels: {app: reviews, version: v3}, serviceAccount: reviews}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ratings-1, namespace: demo}
spec: {address: 10.0.0.9, labels: {app: ratings}, serviceAccount: ratings, locality: eu/a}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: reviews-v1, namespace: demo}
spec:
  workloadSelector: {labels: {app: reviews, version: v1}}
  ingress:
  - port: {number: 20011, protocol: HTTP, name: http}
    defaultEndpoint: 127.0.0.1:20111
)";

inline const std::string kTraffic = R"(
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: demo}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    connectionPool: {tcp: {maxConnections: 50, connectTimeout: 2s}}
    outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 3s, maxEjectionPercent: 50}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - name: v3
    labels: {version: v3}
    trafficPolicy: {loadBalancer: {simple: RANDOM}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: demo}
spec:
  hosts: [reviews]
  http:
  - name: jason
    match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
    fault: {abort: {httpStatus: 503, percentage: {value: 0.5}}}
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v3}, weight: 10}
    timeout: 5s
    retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,reset,503"}
    rewrite: {uri: /api}
    headers: {request: {set: {x-share: "10%%"}, remove: [x-debug]}}
)";

// Routes of every sort for ratings.
inline const std::string kRouting = R"YAML(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings, namespace: demo}
spec:
  hosts: [ratings.demo.svc.cluster.local]
  http:
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /new, authority: new.example.org, redirectCode: 308, derivePort: FROM_REQUEST_PORT}
  - match: [{uri: {prefix: /api/}}]
    route: [{destination: {host: ratings.demo.svc.cluster.local}}]
    rewrite: {uriRegexRewrite: {match: "^/api/([0-9]+)", rewrite: "/v\\1"}}
    mirror: {host: web}
    mirrorPercentage: {value: 25}
    corsPolicy:
      allowOrigins: [{exact: "https://shop.example.org"}, {regex: "https://[a-z]+[.]example[.]com"}]
      allowMethods: [GET, POST]
      allowHeaders: [x-custom]
      exposeHeaders: [x-exposed]
      maxAge: 24h
      allowCredentials: true
      unmatchedPreflights: IGNORE
  - route:
    - destination: {host: ratings.demo.svc.cluster.local}
      weight: 1
      headers: {request: {set: {host: first, x-from: "%DOWNSTREAM_REMOTE_ADDRESS%"}}}
    - destination: {host: web}
      weight: 2
      headers: {response: {add: {x-second: "yes"}}}
    mirrors: [{destination: {host: web}, percentage: {value: 1}}, {destination: {host: reviews}}]
)YAML";

// An instance of web that has no forwarder.
inline const std::string kMixed = R"(
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: web-old, namespace: demo}
spec: {address: 127.0.0.1, ports: {http: 21001}, labels: {app: web}}
)";

inline const std::string kAll = kServices + kWorkloads + kTraffic;

// The objects of a YAML text, as configd would give them out.
inline std::map<std::string, std::string, std::less<>> bodies(const std::string& yaml) {
  config::Problems problems("sample.yaml");
  std::vector<mesh::config::v1::Object> objects;
  config::read_objects(yaml, problems, objects);
  for (const auto& line : problems.lines()) FAIL(line);
  std::map<std::string, std::string, std::less<>> result;
  for (const auto& object : objects)
    result[object.kind() + "/" + object.namespace_() + "/" + object.name()] =
        object.SerializeAsString();
  return result;
}

inline std::shared_ptr<const Objects> objects(const std::string& yaml) {
  std::vector<std::string> problems;
  auto result = std::make_shared<const Objects>(Objects::parse("g1", bodies(yaml), problems));
  CHECK(problems == std::vector<std::string>{});
  return result;
}

inline std::shared_ptr<const Model> model(const std::string& yaml,
                                          const std::vector<Workload>& registered = {},
                                          Model::Options options = {}) {
  return Model::build(std::move(options), objects(yaml), registered,
                      [](const auto&) { return Workload::State::Present; });
}

inline Node node(const std::string& workload, const std::string& version = "v1") {
  Node node;
  node.id = workload + "@test";
  node.ns = "demo";
  node.workload = workload;
  node.labels = {{"app", workload.substr(0, workload.find('-'))}, {"version", version}};
  node.outbound = "127.0.0.1:20200";
  return node;
}

}  // namespace mesh::discovery::sample
