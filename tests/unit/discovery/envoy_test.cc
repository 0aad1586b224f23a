// Writes what is compiled for the sample as static bootstraps, for
// tests/interop/envoy_validate.bats. Hidden: runs when asked for by its tag.

#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using envoy::config::bootstrap::v3::Bootstrap;

// EDS and RDS become what they would deliver; SDS names stay.
Bootstrap bootstrap(const Model& model, const Node& node) {
  Bootstrap result;
  result.mutable_node()->set_id(node.id);
  result.mutable_node()->set_cluster("sample");
  auto& resources = *result.mutable_static_resources();
  std::map<std::string, envoy::config::endpoint::v3::ClusterLoadAssignment> assignments;
  for (const auto* service : model.services_for(node))
    for (const auto& r : compile_endpoints(model, *service, node))
      REQUIRE(assignments[r.name].ParseFromString(*r.body));
  for (const auto& r : compile_clusters(model, node)) {
    auto& cluster = *resources.add_clusters();
    REQUIRE(cluster.ParseFromString(*r.body));
    if (!cluster.has_eds_cluster_config()) continue;
    *cluster.mutable_load_assignment() = assignments.at(cluster.name());
    cluster.clear_eds_cluster_config();
    cluster.set_type(envoy::config::cluster::v3::Cluster::STATIC);
  }
  for (const auto& r : compile_listeners(model, node))
    REQUIRE(resources.add_listeners()->ParseFromString(*r.body));
  return result;
}

constexpr const char* kRules = R"(
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: any, namespace: demo}
spec:
  host: any.example
  workloadSelector: {matchLabels: {app: ratings}}
  trafficPolicy:
    tunnel: {targetHost: 2001:db8::7, targetPort: 443}
    connectionPool: {http: {http2KeepAlive: {interval: 30s, timeout: 5s}}}
    outlierDetection: {outlierDetectionHttpErrorCodes: [404, 503]}
    retryBudget: {percent: 30, budgetInterval: 4s}
    loadBalancer: {zoneAwareLbSetting: {enabled: false}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: demo}
spec:
  host: web
  trafficPolicy:
    connectionPool: {http: {h2UpgradePolicy: UPGRADE, http2KeepAlive: {interval: 30s, timeout: 5s}}}
    outlierDetection: {outlierDetectionHttpErrorCodes: [404]}
    loadBalancer:
      consistentHash: {httpCookie: {name: c, attributes: [{name: SameSite, value: Lax}, {name: Secure}]}}
      zoneAwareLbSetting: {minClusterSize: 3, failover: [{from: eu, to: us}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: demo}
spec:
  hosts: [web]
  http: [{match: [{uri: {prefix: /}, statPrefix: all}], route: [{destination: {host: web}}]}]
)";

// `dir` has cert.pem, which is its own authority, and its crl.pem.
std::string others(const std::string& dir) {
  return R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: demo}
spec:
  hosts: [db.example]
  addresses: [192.0.2.20, 198.51.100.0/24]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 5432, name: pg, protocol: TCP}, {number: 7000, name: any}]
  endpoints: [{address: 192.0.2.21}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: any, namespace: demo}
spec:
  hosts: [any.example]
  location: MESH_EXTERNAL
  ports: [{number: 7001, name: x}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: demo}
spec:
  host: db.example
  trafficPolicy:
    proxyProtocol: {version: V2}
    tls: {mode: SIMPLE, caCertificates: )" +
         dir + R"(/cert.pem, caCrl: )" + dir + R"(/crl.pem, subjectAltNames: [db.example]}
---
apiVersion: mesh/v1
kind: ServicePolicy
metadata: {name: ratings, namespace: demo}
spec:
  host: ratings
  inboundConnections: {max: 7, closeDelay: 1s, rate: {connections: 5, per: 2s}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: own, namespace: demo}
spec:
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
  egress:
  - {port: {number: 8080, protocol: HTTP, name: h}, bind: 127.0.0.5, hosts: ["*/legacy.example.org"]}
  - {port: {number: 7000, name: u}, bind: 127.0.0.1, hosts: ["*/db.example"]}
  - {hosts: ["*/*"]}
)";
}

// Who is asked of requests, and of connections.
const std::string kAsked = R"(---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: m, namespace: istio-system}
spec:
  extensionProviders:
  - {name: g, envoyExtAuthzGrpc: {service: demo/ratings, port: 81, failOpen: true}}
  - {name: h, envoyExtAuthzHttp: {service: demo/ratings, port: 80, clearRouteCache: true}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask-g, namespace: demo}
spec: {action: CUSTOM, provider: {name: g}, rules: [{to: [{operation: {methods: [GET]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask-h, namespace: demo}
spec: {action: CUSTOM, provider: {name: h}, rules: [{}]}
)";

// Of the node edge-1, with an HTTPRoute and a GRPCRoute of all that these may say.
std::string gateways(const std::string& dir) {
  const std::string files = "serverCertificate: " + dir + "/cert.pem, privateKey: " + dir +
                            "/key.pem, caCertificates: " + dir + "/cert.pem";
  return R"(
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: door, namespace: demo}
spec:
  selector: {app: edge}
  servers:
  - {port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}
  - {port: {number: 8081, name: to-https, protocol: HTTP}, hosts: ["*"], tls: {httpsRedirect: true}}
  - port: {number: 8443, name: mutual, protocol: HTTPS}
    hosts: [a.example]
    tls: {mode: MUTUAL, subjectAltNames: ["spiffe://outside/client", b.example], cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256], minProtocolVersion: TLSV1_2, )" +
         files + R"(}
  - {port: {number: 8443, name: own, protocol: HTTPS}, hosts: ["*.example"], tls: {mode: ISTIO_MUTUAL}}
  - {port: {number: 9443, name: through, protocol: TLS}, hosts: ["*"], tls: {mode: PASSTHROUGH}}
  - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: demo}
spec:
  hosts: ["*.example"]
  gateways: [door]
  http: [{route: [{destination: {host: web}}]}]
  tcp: [{match: [{port: 9000}], route: [{destination: {host: web}}]}]
  tls: [{match: [{port: 9443, sniHosts: [a.example]}], route: [{destination: {host: web}}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: edge, namespace: demo}
spec:
  parentRefs: [{name: door}]
  hostnames: [b.example]
  rules:
  - matches: [{path: {value: /a}, headers: [{name: x-a, type: RegularExpression, value: "b.*"}], queryParams: [{name: q, value: r}], method: GET}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: 5%}], remove: [x-b]}}
    - {type: URLRewrite, urlRewrite: {hostname: c.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: reviews, port: 80}, percent: 5}}
    - {type: CORS, cors: {allowOrigins: ["https://*.example"], allowMethods: [GET]}}
    backendRefs: [{name: web, port: 80, weight: 2}, {name: reviews, port: 80}]
    timeouts: {request: 5s, backendRequest: 1s}
    retry: {attempts: 2, codes: [503]}
  - matches: [{path: {value: /f}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /g}}}]
    backendRefs: [{name: web, port: 80}]
  - matches: [{path: {value: /r}}]
    filters: [{type: RequestRedirect, requestRedirect: {scheme: https, port: 8443, path: {type: ReplacePrefixMatch, replacePrefixMatch: /s}}}]
  - matches: [{path: {value: /none}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: edge, namespace: demo}
spec:
  parentRefs: [{name: door}]
  hostnames: [g.example]
  rules:
  - matches: [{method: {service: a.B}}, {method: {type: RegularExpression, method: "Get.*"}}]
    backendRefs: [{name: ratings, port: 81}]
)" + kAsked;
}

// Of the node ratings-1: who may call it with all that policies ask, and what is logged.
std::string policies() {
  return R"(
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: allow, namespace: demo}
spec:
  rules:
  - from:
    - source:
        principals: ["cluster.local/ns/demo/sa/web", "*/sa/b", "cluster.local/*", "*"]
        notNamespaces: ["n*"]
        ipBlocks: [10.0.0.0/8, "::1"]
        notRemoteIpBlocks: [192.0.2.1]
        requestPrincipals: ["https://i/*", "*"]
    - source: {serviceAccounts: [web, other/job], notTrustDomains: ["*.example"]}
    to:
    - operation:
        hosts: [ratings, "*.example"]
        notPorts: ["81"]
        methods: [GET, "P*"]
        paths: [/a, "/b*", "*/c", "/d/{*}/e/{**}"]
        notPaths: ["*/secret"]
    when:
    - {key: "request.headers[X-A]", values: [a, "b*"], notValues: ["*"]}
    - {key: "request.auth.claims[a][b]", values: [c, "d*"]}
    - {key: request.auth.audiences, notValues: [e]}
    - {key: destination.ip, values: [10.0.0.0/8]}
    - {key: connection.sni, values: ["*.example"]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny, namespace: demo, annotations: {istio.io/dry-run: "true"}}
spec: {action: DENY, rules: [{}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: audit, namespace: demo}
spec: {action: AUDIT}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: demo}
spec:
  jwtRules:
  - issuer: https://i
    jwksUri: https://i/keys
    audiences: [a]
    fromHeaders: [{name: x-token, prefix: "T "}]
    fromParams: [t]
    fromCookies: [c]
    outputPayloadToHeader: x-payload
    outputClaimToHeaders: [{header: x-sub, claim: sub}]
    spaceDelimitedClaims: [roles]
  - {issuer: https://j, forwardOriginalToken: true}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs, namespace: demo}
spec:
  accessLogging:
  - filter: {expression: "response.code >= 400 && response.code != 404 || !(request.duration < duration('1s')) || request.headers['x-a'] != 'b' || !('d' in request.headers) || request.url_path == '/c'"}
)";
}

Node node_of(const std::string& name) {
  if (name == "ratings-1") {
    Node node = sample::node(name);
    node.access_log = "/dev/null";
    return node;
  }
  if (name == "edge-1") {
    Node node = sample::node(name);
    node.workload.clear();
    node.outbound.clear();
    return node;
  }
  if (name != "captured") return sample::node(name);
  Node node = sample::node("ratings-1");
  node.capture_outbound.address = "[::]:15001";
  node.capture_inbound = {.address = "0.0.0.0:15006", .tproxy = true};
  return node;
}

TEST_CASE("the sample as bootstraps for Envoy", "[.envoy]") {
  const char* const dir = std::getenv("MESH_ENVOY_DIR");
  REQUIRE(dir != nullptr);
  REQUIRE(mesh::xds::decode_endpoints("").error().kind == Errc::Invalid);  // extensions are linked
  const std::string all = sample::kAll + sample::kRouting + sample::kMixed;
  for (const std::string name : {"web-1", "reviews-v1", "ratings-1", "captured", "edge-1"}) {
    const Node node = node_of(name);
    const auto model = sample::model(all + (name == "captured"    ? others(dir) + kRules
                                            : name == "edge-1"    ? gateways(dir)
                                            : name == "ratings-1" ? policies()
                                                                  : ""));
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string json;
    REQUIRE(
        google::protobuf::util::MessageToJsonString(bootstrap(*model, node), &json, options).ok());
    std::ofstream(std::string(dir) + "/" + name + ".json") << json;
    std::ofstream routes(std::string(dir) + "/" + name + ".routes");
    for (const auto& resource : compile_routes(*model, node)) {
      envoy::config::route::v3::RouteConfiguration config;
      REQUIRE(config.ParseFromString(*resource.body));
      json.clear();
      options.add_whitespace = false;
      REQUIRE(google::protobuf::util::MessageToJsonString(config, &json, options).ok());
      routes << json << "\n";
    }
  }
}

}  // namespace
