// What objects may say, one by one: mesh-config(5), "KINDS".

#include "config/object.h"

#include <catch2/catch.hpp>

#include "config/object_set.h"
#include "config/writer.h"
#include "unit/config/said.h"

using namespace mesh;
using config::Problems;

namespace {

using testing::said;
using Row = testing::Saying;

std::string version_of(const std::string& kind) {
  return kind == "PeerAuthentication" ? "security.istio.io/v1" : "networking.istio.io/v1";
}

std::string object(const std::string& kind, const std::string& spec) {
  return testing::object_text(version_of(kind), kind, spec);
}

void check(const std::string& kind, std::span<const Row> rows) {
  testing::check_sayings(version_of(kind), kind, rows);
}

std::vector<config::v1::Object> read(const std::string& text) {
  Problems problems("f.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(text, problems, objects);
  CHECK(problems.lines() == std::vector<std::string>{});
  return objects;
}

}  // namespace

TEST_CASE("object: the envelope", "[config]") {
  const std::string spec = "spec: {mtls: {mode: STRICT}}\n";
  const Row rows[] = {
      {"any version of the group",
       "apiVersion: security.istio.io/v1beta1\nkind: PeerAuthentication\nmetadata: {name: a}\n" +
           spec,
       ""},
      {"another group",
       "apiVersion: networking.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n" + spec,
       "f.yaml:1:1: expected security.istio.io/v1 for a PeerAuthentication, got "
       "\"networking.istio.io/v1\""},
      {"a kind that is misspelt",
       "apiVersion: security.istio.io/v1\nkind: PeerAuthentcation\nmetadata: {name: a}\n",
       "f.yaml:2:1: unknown kind \"PeerAuthentcation\"; did you mean PeerAuthentication?"},
      {"a kind that we have not",
       "apiVersion: networking.istio.io/v1\nkind: EnvoyFilter\nmetadata: {name: a}\n",
       "f.yaml:2:1: not supported: kind EnvoyFilter: patches of a proxy; see ServicePolicy, "
       "RateLimit and MeshConfig"},
      {"no kind", "a: b\n",
       "f.yaml:1:1: unknown field \"a\"; expected apiVersion, kind, metadata, spec\n"
       "f.yaml:1:1: expected a kind"},
      {"no name",
       "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {}\n" + spec,
       "f.yaml:3:1: PeerAuthentication default/: metadata.name: expected a name"},
      {"a version that its group never had",
       "apiVersion: security.istio.io/v1alpha3\nkind: PeerAuthentication\nmetadata: {name: a}\n" +
           spec,
       "f.yaml:1:1: expected security.istio.io/v1 for a PeerAuthentication, got "
       "\"security.istio.io/v1alpha3\""},
      {"a name made by a server",
       "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {generateName: b}\n" +
           spec,
       "f.yaml:3:12: PeerAuthentication default/: metadata.generateName: not supported: names made "
       "by the server; write a name"},
      {"a list of objects",
       "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: security.istio.io/v1, kind: "
       "PeerAuthentication, metadata: {name: a}}\n",
       ""},
      {"not an object", "- a\n", "f.yaml:1:1: expected an object, got a list"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) { CHECK(said(row.spec) == row.want); }
  }
}

TEST_CASE("object: the example of the manual", "[config]") {
  CHECK(said("apiVersion: networking.istio.io/v1\n"
             "kind: VirtualService\n"
             "metadata:\n"
             "  name: reviews\n"
             "spec:\n"
             "  hosts: [reviews]\n"
             "  http:\n"
             "  - route:\n"
             "    - destination: {host: reviews}\n"
             "    retries:\n"
             "      attempts: many\n") ==
        "f.yaml:11:7: VirtualService default/reviews: spec.http[0].retries.attempts: expected a "
        "whole number, got \"many\"");
}

TEST_CASE("object: VirtualService", "[config]") {
  const std::string to = "route: [{destination: {host: a}}]";
  const auto http = [](const std::string& route) { return "hosts: [a], http: [{" + route + "}]"; };
  const Row rows[] = {
      {"the least", http(to), ""},
      {"no hosts: a delegate", "http: [{" + to + "}]", ""},
      {"a delegate that delegates", "http: [{delegate: {name: b}}]",
       "spec.http[0].delegate: a VirtualService without hosts is a delegate itself: it cannot "
       "delegate"},
      {"a host twice", "hosts: [a, a], http: [{" + to + "}]",
       "spec.hosts[1]: the host a is there twice"},
      {"a host that is none", "hosts: [a_b], http: [{" + to + "}]",
       "spec.hosts[0]: expected a host name, got \"a_b\""},
      {"gateways", "hosts: [a], gateways: [mesh, edge, demo/edge], http: [{" + to + "}]", ""},
      {"a gateway that is none", "hosts: [a], gateways: [a/b/c], http: [{" + to + "}]",
       "spec.gateways[0]: expected \"mesh\", the name of a Gateway or NAMESPACE/NAME, got "
       "\"a/b/c\""},
      {"a TCP route to nowhere", "hosts: [a], tcp: [{match: [{port: 1}]}]",
       "spec.tcp[0].route: expected at least one destination"},
      {"a TLS route without names",
       "hosts: [a], tls: [{match: [{port: 1}], route: [{destination: {host: a}}]}]",
       "spec.tls[0].match[0].sniHosts: expected at least one name"},
      {"a subnet that is none",
       "hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/33]}], route: [{destination: "
       "{host: a}}]}]",
       "spec.tcp[0].match[0].destinationSubnets[0]: expected an IPv4 address or CIDR, got "
       "\"10.0.0.0/33\""},
      {"no routes", "hosts: [a]", "spec: expected http, tcp or tls with at least one route"},
      {"neither route nor answer", http("name: a"),
       "spec.http[0]: expected one of route, redirect, directResponse and delegate"},
      {"an answer of our own", http("directResponse: {status: 503, body: {string: x}}"), ""},
      {"weights",
       http("route: [{destination: {host: a}, weight: 90}, {destination: {host: b}, "
            "weight: 10}]"),
       ""},
      {"a redirect", http("redirect: {uri: /b, redirectCode: 308, derivePort: FROM_REQUEST_PORT}"),
       ""},
      {"a redirect that is none", http("redirect: {uri: /b, redirectCode: 200}"),
       "spec.http[0].redirect.redirectCode: expected 301, 302, 303, 307 or 308"},
      {"mirrors", http(to + ", mirrors: [{destination: {host: b}, percentage: {value: 200}}]"),
       "spec.http[0].mirrors[0].percentage: expected a number from 0 to 100"},
      {"an origin",
       http(to + ", corsPolicy: {allowOrigins: [{exact: \"https://a\"}], maxAge: 24h}"), ""},
      {"operators in values",
       http(to + ", headers: {request: {set: {x-from: \"%DOWNSTREAM_REMOTE_ADDRESS%\"}}}"), ""},
      {"an operator that is none", http(to + ", headers: {request: {set: {x-a: \"%NEVER%\"}}}"),
       "spec.http[0].headers.request.set[\"x-a\"]: operator \"%NEVER%\" is not supported"},
      {"weights of nothing", http("route: [{destination: {host: a}}, {destination: {host: b}}]"),
       "spec.http[0].route: expected weights whose sum is not 0"},
      {"a negative weight", http("route: [{destination: {host: a}, weight: -1}]"),
       "spec.http[0].route[0].weight: expected a number from 0 to 1000000"},
      {"a port", http("route: [{destination: {host: a, port: {number: 70000}}}]"),
       "spec.http[0].route[0].destination.port.number: expected a port from 1 to 65535, got 70000"},
      {"a timeout of nothing is none", http(to + ", timeout: 0s"), ""},
      {"a timeout below a millisecond", http(to + ", timeout: 5us"),
       "spec.http[0].timeout: expected at least 1ms"},
      {"retries", http(to + ", retries: {attempts: 3, retryOn: \"5xx, reset,503\", backoff: 25ms}"),
       ""},
      {"retries that do nothing", http(to + ", retries: {attempts: 0, retryOn: 5xx}"),
       "spec.http[0].retries: attempts is 0, so the other fields do nothing"},
      {"retries on what we do not know", http(to + ", retries: {attempts: 1, retryOn: rest}"),
       "spec.http[0].retries.retryOn: expected conditions such as 5xx,reset,connect-failure or "
       "status codes, got \"rest\""},
      {"retries on what we have not",
       http(to + ", retries: {attempts: 1, retryOn: retriable-headers}"),
       "spec.http[0].retries.retryOn: not supported: retriable-headers; use status codes, 5xx or "
       "reset"},
      {"a fault", http(to + ", fault: {delay: {fixedDelay: 2s, percentage: {value: 50}}}"), ""},
      {"a fault of over all",
       http(to + ", fault: {abort: {httpStatus: 503, percentage: {value: "
                 "101}}}"),
       "spec.http[0].fault.abort.percentage: expected a number from 0 to 100"},
      {"a fault's status", http(to + ", fault: {abort: {httpStatus: 99}}"),
       "spec.http[0].fault.abort.httpStatus: expected a number from 200 to 599"},
      {"a fault's gRPC status", http(to + ", fault: {abort: {grpcStatus: FINE}}"),
       "spec.http[0].fault.abort.grpcStatus: expected a gRPC status such as UNAVAILABLE, got "
       "\"FINE\""},
      {"a delay of nothing", http(to + ", fault: {delay: {percentage: {value: 5}}}"),
       "spec.http[0].fault.delay.fixedDelay: expected a duration"},
      {"a header that is there", http(to + ", match: [{headers: {end-user: {}}}]"), ""},
      {"a header's name", http(to + ", match: [{headers: {\"a b\": {exact: x}}}]"),
       "spec.http[0].match[0].headers[\"a b\"]: expected the name of a header"},
      {"a claim", http(to + ", match: [{headers: {\"@request.auth.claims.a\": {exact: x}}}]"), ""},
      {"a path that no request has", http(to + ", match: [{uri: {exact: health}}]"),
       "spec.http[0].match[0].uri: expected a path that begins with /"},
      {"the host set, which is a rewrite", http(to + ", headers: {request: {set: {Host: b}}}"), ""},
      {"the host taken away", http(to + ", headers: {request: {remove: [Host]}}"),
       "spec.http[0].headers.request.remove[0]: not supported: edits of Host; use "
       "rewrite.authority or rewrite.uri"},
      {"a header in two lines", http(to + ", headers: {request: {set: {a: \"b\\r\\nc: d\"}}}"),
       "spec.http[0].headers.request.set[\"a\"]: expected a header's value: one line, no blanks on "
       "its ends"},
      {"a rewrite of nothing", http(to + ", rewrite: {}"),
       "spec.http[0].rewrite: expected uri, uriRegexRewrite or authority"},
  };
  check("VirtualService", rows);
}

TEST_CASE("object: the other kinds", "[config]") {
  const Row rules[] = {
      {"the least", "host: a", ""},
      {"no host", "subsets: []", "spec.host: expected a host"},
      {"a subset twice", "host: a, subsets: [{name: v1}, {name: v1}]",
       "spec.subsets[1].name: the subset v1 is there twice"},
      {"a percentage", "host: a, trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}",
       "spec.trafficPolicy.outlierDetection.maxEjectionPercent: expected a number from 0 to 100"},
      {"a port's policy",
       "host: a, trafficPolicy: {portLevelSettings: [{tls: {mode: ISTIO_MUTUAL}}]}",
       "spec.trafficPolicy.portLevelSettings[0].port.number: expected a port from 1 to 65535, got "
       "0"},
      {"a hash of nothing", "host: a, trafficPolicy: {loadBalancer: {consistentHash: {}}}",
       "spec.trafficPolicy.loadBalancer.consistentHash: expected httpHeaderName, httpCookie, "
       "useSourceIp or httpQueryParameterName"},
      {"a table that is no prime",
       "host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: "
       "{tableSize: 100}}}}",
       "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: expected a prime of at "
       "most 5000011"},
      {"a hash that warms up",
       "host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}, "
       "warmupDurationSecs: 1s}}",
       "spec.trafficPolicy.loadBalancer: only ROUND_ROBIN and LEAST_REQUEST warm endpoints up"},
      {"weights of localities",
       "host: a, trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: eu, to: "
       "{us: 90}}]}}}",
       "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to: expected weights that "
       "sum to 100, got 90"},
      {"balancing in full",
       "host: a, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST, warmup: {duration: 10s, "
       "aggression: 2}, localityLbSetting: {failover: [{from: eu, to: us}]}}}",
       ""},
      {"TLS of others",
       "host: a, trafficPolicy: {tls: {mode: SIMPLE, sni: a.b, caCertificates: /etc/ca.pem}}", ""},
      {"nobody is verified",
       "host: a, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}", ""},
      {"a certificate of our own",
       "host: a, trafficPolicy: {portLevelSettings: [{port: {number: 1}, tls: {mode: MUTUAL, "
       "clientCertificate: /a, privateKey: /b}}]}",
       ""},
      {"MUTUAL without a key",
       "host: a, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /a}}",
       "spec.trafficPolicy.tls.privateKey: mode MUTUAL needs the certificate's key: expected its "
       "file"},
      {"a certificate that is not shown",
       "host: a, trafficPolicy: {tls: {mode: SIMPLE, clientCertificate: /a}}",
       "spec.trafficPolicy.tls.clientCertificate: is for mode MUTUAL"},
      {"a file without a place",
       "host: a, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: ca.pem}}",
       "spec.trafficPolicy.tls.caCertificates: expected the absolute path of a file on the "
       "forwarder's host"},
      {"the PROXY protocol and the client's protocol",
       "host: a, trafficPolicy: {proxyProtocol: {version: V2}, connectionPool: {http: "
       "{useClientProtocol: true}}}",
       ""},
      {"a name without TLS", "host: a, trafficPolicy: {tls: {sni: x}}",
       "spec.trafficPolicy.tls: mode DISABLE, the default, has neither sni nor subjectAltNames"},
  };
  check("DestinationRule", rules);
  const std::string ports = "ports: [{number: 80, name: http, protocol: HTTP}]";
  const Row services[] = {
      {"selected",
       "hosts: [a], resolution: STATIC, " + ports + ", workloadSelector: {labels: {app: a}}", ""},
      {"written",
       "hosts: [a], resolution: STATIC, " + ports +
           ", endpoints: [{address: 10.0.0.1, ports: {http: 8080}}]",
       ""},
      {"names with DNS",
       "hosts: [a.example], resolution: DNS, " + ports + ", endpoints: [{address: b.example}]", ""},
      {"no endpoints with DNS", "hosts: [a.example], resolution: DNS_ROUND_ROBIN, " + ports, ""},
      {"a name with STATIC",
       "hosts: [a], resolution: STATIC, " + ports + ", endpoints: [{address: b.example}]",
       "spec.endpoints[0].address: expected an IP address, got \"b.example\""},
      {"many with DNS_ROUND_ROBIN",
       "hosts: [a.example], resolution: DNS_ROUND_ROBIN, " + ports +
           ", endpoints: [{address: b.example}, {address: c.example}]",
       "spec.endpoints: DNS_ROUND_ROBIN has at most one endpoint"},
      {"endpoints without a resolution",
       "hosts: [a], " + ports + ", endpoints: [{address: 10.0.0.1}]",
       "spec.resolution: with endpoints or a workloadSelector expected STATIC or DNS; NONE, the "
       "default, is for callers that choose the address themselves"},
      {"callers that choose the address", "hosts: [a], " + ports, ""},
      {"a port's name that no port has",
       "hosts: [a], resolution: STATIC, " + ports +
           ", endpoints: [{address: 10.0.0.1, ports: {grpc: 1}}]",
       "spec.endpoints[0].ports[\"grpc\"]: no port of the service has this name"},
      {"both",
       "hosts: [a], resolution: STATIC, " + ports +
           ", workloadSelector: {labels: {a: b}}, endpoints: [{address: \"::1\"}]",
       "spec.workloadSelector: endpoints and workloadSelector exclude each other"},
      {"a protocol that we have not",
       "hosts: [a], resolution: STATIC, ports: [{number: 1, name: a, protocol: Thrift}]",
       "spec.ports[0].protocol: not supported: protocol Thrift; use TCP, which passes it through"},
  };
  check("ServiceEntry", services);
  const Row workloads[] = {
      {"the least", "address: 127.0.0.1", ""},
      {"a name for an address", "address: host",
       "spec.address: expected an IP address, got \"host\""},
      {"no address", "labels: {}", "spec.address: expected an IP address"},
      {"a label", "address: \"::1\", labels: {app: a b}",
       "spec.labels[\"app\"]: expected a label's value of letters, digits, -, _ and ., at most 63 "
       "bytes, got \"a b\""},
      {"a port", "address: \"::1\", ports: {http: 0}",
       "spec.ports[\"http\"]: expected a port from 1 to 65535, got 0"},
  };
  check("WorkloadEntry", workloads);
  const std::string selector = "workloadSelector: {labels: {a: b}}, ";
  const Row sidecars[] = {
      {"an application's address",
       selector + "ingress: [{port: {number: 1}, defaultEndpoint: \"127.0.0.1:8080\"}]", ""},
      {"an application's path",
       selector + "ingress: [{port: {number: 1}, defaultEndpoint: \"unix:///run/a\"}]", ""},
      {"no address", selector + "ingress: [{port: {number: 1}, captureMode: IPTABLES}]", ""},
      {"an address that is none",
       selector + "ingress: [{port: {number: 1}, defaultEndpoint: \"a:1\"}]",
       "spec.ingress[0].defaultEndpoint: expected the application's address, 127.0.0.1:PORT or "
       "unix:///PATH, got \"a:1\""},
      {"unknown hosts", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}", ""},
      {"an egress proxy",
       "outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.b, port: {number: 80}}}",
       ""},
      {"an egress proxy without a port",
       "outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: a.b}}",
       "spec.outboundTrafficPolicy.egressProxy.port.number: expected a port from 1 to 65535, got "
       "0"},
      {"an egress proxy of nothing",
       "outboundTrafficPolicy: {egressProxy: {host: a.b, port: {number: 80}}}",
       "spec.outboundTrafficPolicy.egressProxy: needs mode ALLOW_ANY"},
      {"limits towards the application", "inboundConnectionPool: {tcp: {maxConnections: 9}}", ""},
      {"limits of a port",
       selector + "ingress: [{port: {number: 1}, connectionPool: {tcp: {maxConnections: -1}}}]",
       "spec.ingress[0].connectionPool.tcp.maxConnections: expected a number from 0, which is no "
       "limit"},
      {"a port's own certificate",
       selector + "ingress: [{port: {number: 1, protocol: HTTPS}, tls: {mode: MUTUAL, "
                  "serverCertificate: /c.pem, privateKey: /k.pem, caCertificates: /ca.pem}}]",
       ""},
      {"a certificate of clear text",
       selector + "ingress: [{port: {number: 1, protocol: HTTP}, tls: {mode: SIMPLE, "
                  "serverCertificate: /c.pem, privateKey: /k.pem}}]",
       "spec.ingress[0].tls: is for protocols HTTPS and TLS"},
      {"a port's credential",
       selector + "ingress: [{port: {number: 1, protocol: TLS}, tls: {mode: SIMPLE, "
                  "credentialName: a}}]",
       "spec.ingress[0].tls.credentialName: is for a Gateway; of an ingress listener are "
       "serverCertificate, privateKey and caCertificates"},
      {"a port's TLS of the mesh",
       selector + "ingress: [{port: {number: 1, protocol: TLS}, tls: {mode: ISTIO_MUTUAL}}]",
       "spec.ingress[0].tls.mode: expected SIMPLE, MUTUAL or OPTIONAL_MUTUAL; within the mesh "
       "PeerAuthentication says what is spoken"},
      {"of nobody", "ingress: [{port: {number: 1}, defaultEndpoint: \"[::1]:80\"}]",
       "spec.ingress: needs a workloadSelector: an application's address belongs to one workload"},
      {"egress", "egress: [{hosts: [\"./*\", \"*/a.b\"]}]", ""},
      {"egress at ports of its own",
       "egress: [{port: {number: 9080, protocol: HTTP, name: h}, hosts: [./*]}, {port: {number: "
       "9081}, bind: \"::1\", captureMode: NONE, hosts: [./*]}, {port: {number: 0, protocol: "
       "GRPC}, "
       "bind: unix:///run/a, hosts: [./*]}, {hosts: [\"*/*\"]}]",
       ""},
      {"egress at one place twice",
       "egress: [{port: {number: 1}, hosts: [./*]}, {port: {number: 1}, bind: 127.0.0.1, hosts: "
       "[./*]}]",
       "spec.egress[1].port.number: another egress listener has the same bind and port"},
      {"egress bound to no port", "egress: [{bind: 127.0.0.1, hosts: [./*]}]",
       "spec.egress[0].bind: needs a port"},
      {"TCP on a path", "egress: [{port: {protocol: TCP}, bind: unix:///run/a, hosts: [./*]}]",
       "spec.egress[0].port.protocol: expected HTTP, HTTP2 or GRPC on a path"},
      {"egress that is captured at one port",
       "egress: [{port: {number: 1}, captureMode: IPTABLES, hosts: [./*]}]",
       "spec.egress[0].captureMode: not supported: IPTABLES for one port; what is captured is "
       "captured at all ports"},
      {"egress without a namespace", "egress: [{hosts: [a]}]",
       "spec.egress[0].hosts[0]: expected NAMESPACE/HOST, got \"a\""},
  };
  check("Sidecar", sidecars);
  const Row policies[] = {
      {"a namespace", "mtls: {mode: STRICT}", ""},
      {"ports of a namespace", "portLevelMtls: {80: {mode: DISABLE}}",
       "spec.portLevelMtls: needs a selector: ports belong to workloads"},
      {"a port", "selector: {matchLabels: {a: b}}, portLevelMtls: {0: {mode: DISABLE}}",
       "spec.portLevelMtls[\"0\"]: expected a port from 1 to 65535, got 0"},
  };
  check("PeerAuthentication", policies);
}

TEST_CASE("object set: the generation is what the set means", "[config]") {
  const std::string a = object("PeerAuthentication", "mtls: {mode: STRICT}");
  const std::string b = object("WorkloadEntry", "address: \"::1\", labels: {b: c, a: d}");
  const std::string b_again = object("WorkloadEntry", "labels: {a: d, b: c}, address: \"::1\"");
  const auto set_of = [](const std::string& text) {
    config::ObjectSet set;
    for (auto& object : read(text)) set.put(std::move(object));
    return set;
  };
  const auto one = set_of(a + "---\n" + b);
  CHECK(one.generation().size() == 12);
  CHECK(set_of("# moved\n\n" + b_again + "---\n" + a).generation() == one.generation());
  CHECK(config::diff(one, set_of(b_again + "---\n" + a)).empty());
  const auto other = set_of(object("WorkloadEntry", "address: \"::2\""));
  CHECK(other.generation() != one.generation());
  const config::Diff diff = config::diff(one, other);
  CHECK(diff.created.empty());
  CHECK(diff.configured == std::vector<config::Name>{{"WorkloadEntry", "default", "x"}});
  CHECK(diff.deleted == std::vector<config::Name>{{"PeerAuthentication", "default", "x"}});
}

TEST_CASE("object set: what objects say together", "[config]") {
  config::ObjectSet set;
  for (auto& object :
       read("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n"
            "spec:\n  hosts: [s]\n  http:\n  - route: [{destination: {host: s, subset: v9}}]\n"
            "---\n" +
            object("VirtualService", "hosts: [s], http: [{directResponse: {status: 200}}]") +
            "---\n" + object("DestinationRule", "host: s, subsets: [{name: v1}]")))
    set.put(std::move(object));
  const auto problems = config::check_set(set);
  CHECK(problems.errors ==
        std::vector<std::string>{
            "f.yaml:7:14: VirtualService default/a: spec.http[0].route[0].destination.subset: no "
            "DestinationRule for s has the subset v9",
            "f.yaml:12:16: VirtualService default/x: spec.hosts[0]: another one is for host s: "
            "VirtualService default/a (f.yaml:1:1)"});
  CHECK(problems.warnings.size() == 2);
}

TEST_CASE("writer: what is written is read back as the same", "[config]") {
  const std::string text =
      "apiVersion: networking.istio.io/v1\n"
      "kind: VirtualService\n"
      "metadata:\n"
      "  name: reviews\n"
      "  namespace: demo\n"
      "  labels:\n"
      "    on: \"1\"\n"
      "spec:\n"
      "  hosts:\n"
      "  - reviews\n"
      "  http:\n"
      "  - match:\n"
      "    - headers:\n"
      "        end-user:\n"
      "          exact: \"a \\\"b\\\" \\n\"\n"
      "        there: {}\n"
      "    route:\n"
      "    - destination:\n"
      "        host: reviews\n"
      "      weight: 5\n"
      "    timeout: 1.5s\n"
      "    fault:\n"
      "      abort:\n"
      "        httpStatus: 503\n"
      "        percentage:\n"
      "          value: 0.5\n";
  const auto objects = read(text);
  REQUIRE(objects.size() == 1);
  const std::string once = config::to_yaml(config::to_node(objects[0]));
  const auto again = read(once);
  REQUIRE(again.size() == 1);
  CHECK(config::digest(objects[0]) == config::digest(again[0]));
  CHECK(config::to_yaml(config::to_node(again[0])) == once);
  const std::string json = config::to_json(config::to_node(objects[0]));
  CHECK(json.find('\n') == std::string::npos);
  CHECK(config::digest(read(json).at(0)) == config::digest(objects[0]));
}

TEST_CASE("kinds: names in any form", "[config]") {
  const auto name = [](std::string_view text) {
    const auto parsed = config::parse_name(text);
    return parsed ? config::to_string(*parsed) : parsed.error().text;
  };
  CHECK(name("vs/demo/reviews") == "VirtualService/demo/reviews");
  CHECK(name("DESTINATIONRULES/a") == "DestinationRule/default/a");
  CHECK(name("vs") == "expected KIND/NAMESPACE/NAME, got \"vs\"");
  CHECK(name("virtualservic/a/b") ==
        "unknown kind \"virtualservic\"; did you mean VirtualService?");
}
