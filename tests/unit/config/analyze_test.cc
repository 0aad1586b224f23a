// What the objects of a set say together: mesh-analyze(1).
#include "config/analyze/analyze.h"

#include <catch2/catch.hpp>
#include <set>

#include "config/analyze/shadow.h"
#include "unit/config/analyzed.h"

using namespace mesh;
using namespace mesh::analyzed;

namespace {

const std::string kTo = "route: [{destination: {host: web, port: {number: 80}}}]";

std::string service(const std::string& http, const std::string& name = "x",
                    const std::string& more = "hosts: [web]") {
  return object("VirtualService", name, more + ", http: [" + http + "]");
}

const std::string kDoor =
    "selector: {app: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: "
    "[\"*.example\"]}]";

}  // namespace

TEST_CASE("analyze: references", "[config]") {
  const std::string rule = object("DestinationRule", "web", "host: web, subsets: [{name: v1}]");
  check({
      {"all is there", kWeb + rule + service(kTo), {}},
      {"a host by its short name",
       object("ServiceEntry", "a",
              "hosts: [a.default.svc.mesh.internal], resolution: STATIC, location: MESH_INTERNAL, "
              "ports: [{number: 80, name: http, protocol: HTTP}]") +
           object("DestinationRule", "a", "host: a, subsets: [{name: v1}]") +
           service("route: [{destination: {host: a, subset: v1}}]", "a", "hosts: [a]"),
       {}},
      {"a host",
       kWeb + service("route: [{destination: {host: wep}}]"),
       {"M101 spec.http[0].route[0].destination.host: no ServiceEntry has the host wep"}},
      {"a subset",
       kWeb + rule + service("route: [{destination: {host: web, subset: v2}}]"),
       {"M102 spec.http[0].route[0].destination.subset: no DestinationRule for web has the subset "
        "v2"}},
      {"a port",
       kWeb + service("route: [{destination: {host: web, port: {number: 81}}}]"),
       {"M103 spec.http[0].route[0].destination.port: web has no port 81: ServiceEntry default/web "
        "(f.yaml:2:1)"}},
      {"a port that is matched",
       kWeb + service("{match: [{port: 80}, {port: 82}], " + kTo + "}"),
       {"M103 spec.http[0].match[1].port: none of the hosts has port 82"}},
      {"a mirror",
       kWeb + service("{" + kTo + ", mirror: {host: wep}}"),
       {"M101 spec.http[0].mirror.host: no ServiceEntry has the host wep"}},
      {"a gateway",
       kWeb + service(kTo, "x", "hosts: [a.example], gateways: [door]"),
       {"M104 spec.gateways[0]: there is no Gateway default/door"}},
      {"a delegate",
       kWeb + service("delegate: {name: nobody}"),
       {"M105 spec.http[0].delegate: there is no VirtualService default/nobody"}},
      {"routes of a protocol that no port has",
       object("ServiceEntry", "raw",
              "hosts: [raw], resolution: STATIC, ports: [{number: 9000, name: raw, protocol: "
              "TCP}]") +
           service("directResponse: {status: 200}", "x", "hosts: [raw]"),
       {"M208 spec.http: has no effect: no port is HTTP: ServiceEntry default/raw (f.yaml:2:1)"}},
  });
}

TEST_CASE("analyze: a fault that meets no request", "[config]") {
  const auto fault = [](const std::string& what) {
    return kWeb + service("{fault: {" + what + "}, " + kTo + "}");
  };
  check({
      {"shares of both",
       fault("delay: {fixedDelay: 1s, percentage: {value: 5}}, abort: {httpStatus: 503, "
             "percentage: {value: 5}}"),
       {}},
      {"the old form", fault("delay: {fixedDelay: 1s, percent: 5}"), {}},
      {"one that is switched off",
       fault("delay: {fixedDelay: 1s, percentage: {value: 0}}, abort: {httpStatus: 503, "
             "percentage: {value: 0}}"),
       {}},
      {"no share",
       fault("delay: {fixedDelay: 1s}, abort: {httpStatus: 503}"),
       {"M210 spec.http[0].fault.delay: delays no request: percentage is not there",
        "M210 spec.http[0].fault.abort: aborts no request: percentage is not there"}},
  });
}

TEST_CASE("analyze: routes of the Gateway API", "[config]") {
  const auto route = [](const std::string& parent,
                        const std::string& backend = "name: web, port: 80",
                        const char* kind = "HTTPRoute") {
    return kWeb +
           object(kind, "x",
                  "parentRefs: [{" + parent + "}], rules: [{backendRefs: [{" + backend + "}]}]");
  };
  const std::string door = object("Gateway", "door", kDoor);
  check({
      {"well", door + route("name: door, sectionName: http"), {}},
      {"a service", route("kind: Service, name: web, port: 80"), {}},
      {"no such Gateway",
       route("name: door"),
       {"M104 spec.parentRefs[0]: there is no Gateway default/door"}},
      {"no such server",
       door + route("name: door, sectionName: https"),
       {"M205 : nothing is bound to it: its clients get 404, or are closed",
        "M104 spec.parentRefs[0]: Gateway default/door has no such server: \"https\" at port 0"}},
      {"no such service",
       route("kind: Service, name: wep"),
       {"M101 spec.parentRefs[0].name: no ServiceEntry has the host wep"}},
      {"no such backend",
       route("kind: Service, name: web", "name: wep, port: 80", "GRPCRoute"),
       {"M101 spec.rules[0].backendRefs[0].name: no ServiceEntry has the host wep"}},
      {"no such port",
       route("kind: Service, name: web", "name: web, port: 81"),
       {"M103 spec.rules[0].backendRefs[0].port: web has no port 81: ServiceEntry default/web "
        "(f.yaml:2:1)"}},
  });
}

TEST_CASE("analyze: delegates", "[config]") {
  const std::string leaf = object("VirtualService", "leaf", "http: [" + kTo + "]");
  check({
      {"well", kWeb + leaf + service("delegate: {name: leaf}"), {}},
      {"unused", kWeb + leaf, {"M206 : has no hosts, and no VirtualService delegates to it"}},
      {"to itself",
       kWeb + service("delegate: {name: x}"),
       {"M107 spec.http[0].delegate: it delegates to itself"}},
      {"around",
       service("delegate: {name: b}", "a", "hosts: [a]") +
           service("delegate: {name: a}", "b", "hosts: [b]"),
       {"M107 spec.http[0].delegate: a loop of delegates: default/b delegates back to default/a",
        "M107 spec.http[0].delegate: a loop of delegates: default/a delegates back to default/b"}},
      {"over two",
       kWeb + service("delegate: {name: b}", "a", "hosts: [a]") +
           service("delegate: {name: leaf}", "b", "hosts: [b]") + leaf,
       {"M106 spec.http[0].delegate: a delegate has no hosts, and this one has: VirtualService "
        "default/b (f.yaml:17:1)",
        "M106 spec.http[0].delegate: delegates do not delegate, and this one does: VirtualService "
        "default/b (f.yaml:17:1)"}},
  });
}

TEST_CASE("analyze: two for one", "[config]") {
  const std::string strict = "mtls: {mode: STRICT}";
  check({
      {"VirtualServices",
       kWeb + service(kTo, "a") + service(kTo, "b"),
       {"M108 spec.hosts[0]: another one is for host web: VirtualService default/a (f.yaml:12:1)"}},
      {"VirtualServices, one at a gateway",
       object("Gateway", "door", kDoor) + kWeb + service(kTo, "a", "hosts: [a.example]") +
           service(kTo, "b", "hosts: [a.example], gateways: [door]") +
           service(kTo, "c", "hosts: [a.example], gateways: [door]"),
       {}},
      {"PeerAuthentications",
       object("PeerAuthentication", "a", strict) + object("PeerAuthentication", "b", strict) +
           object("PeerAuthentication", "c", strict, "other"),
       {"M109 : another one is for the namespace without a selector: PeerAuthentication default/a "
        "(f.yaml:2:1)"}},
      {"DestinationRules",
       kWeb +
           object("DestinationRule", "a",
                  "host: web, trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v1}]") +
           object("DestinationRule", "b", "host: web, subsets: [{name: v1}, {name: v2}]") +
           object("DestinationRule", "c",
                  "host: web, trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v3}]"),
       {"M207 spec.subsets[0]: another one is for subset v1 of web, and is used: DestinationRule "
        "default/a (f.yaml:12:1)",
        "M207 spec.trafficPolicy: another one is for host web, and its trafficPolicy is used: "
        "DestinationRule default/a (f.yaml:12:1)"}},
      {"DestinationRules that are not merged",
       kWeb + object("DestinationRule", "a", "host: web, trafficPolicy: {tls: {mode: DISABLE}}") +
           object("DestinationRule", "b",
                  "host: web, trafficPolicy: {tls: {mode: DISABLE}}, exportTo: [\".\"]") +
           object("DestinationRule", "c",
                  "host: web, trafficPolicy: {tls: {mode: DISABLE}}, workloadSelector: "
                  "{matchLabels: {app: x}}"),
       {"M202 spec.workloadSelector: no workload of namespace default has the labels app=x, unless "
        "it registers itself"}},
      {"a subset of a DestinationRule that is merged",
       kWeb + service("route: [{destination: {host: web, subset: v2}}]", "a") +
           object("DestinationRule", "a", "host: web, subsets: [{name: v1}]") +
           object("DestinationRule", "b", "host: web, subsets: [{name: v2}]"),
       {}},
  });
}

TEST_CASE("analyze: gateways", "[config]") {
  const auto tls = [](const std::string& host) {
    return "selector: {app: edge}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, "
           "hosts: [" +
           host +
           "], tls: {mode: SIMPLE, serverCertificate: /nowhere/c.pem, privateKey: "
           "/nowhere/k.pem}}]";
  };
  const std::string bound = kWeb + service(kTo, "x", "hosts: [a.example], gateways: [door]");
  check({
      {"bound", object("Gateway", "door", kDoor) + bound, {}},
      {"not bound",
       object("Gateway", "door", kDoor),
       {"M205 : nothing is bound to it: its clients get 404, or are closed"}},
      {"other hosts",
       object("Gateway", "door", kDoor) + kWeb +
           service(kTo, "x", "hosts: [web], gateways: [door, mesh]"),
       {"M205 : nothing is bound to it: its clients get 404, or are closed",
        "M204 spec.gateways[0]: none of the hosts is one of the servers' of Gateway default/door"}},
      {"another namespace's hosts",
       object("Gateway", "door",
              "selector: {app: edge}, servers: [{port: {number: 80, name: http, protocol: HTTP}, "
              "hosts: [other/a.example]}]") +
           bound,
       {"M205 : nothing is bound to it: its clients get 404, or are closed",
        "M204 spec.gateways[0]: none of the hosts is one of the servers' of Gateway default/door"}},
      {"one name twice",
       object("Gateway", "door", tls("a.example")) + bound +
           object("Gateway", "other", tls("a.example")) +
           service(kTo, "y", "hosts: [a.example], gateways: [other]"),
       {"M110 spec.servers[0]: port 443, host a.example is served otherwise by Gateway "
        "default/door (f.yaml:2:1), which comes first"}},
      {"with TLS and without",
       object("Gateway", "door", tls("a.example")) + bound +
           object("Gateway", "plain",
                  "selector: {app: edge}, servers: [{port: {number: 443, name: http, protocol: "
                  "HTTP}, hosts: [b.example], tls: {httpsRedirect: true}}]"),
       {"M110 spec.servers[0]: port 443 is served otherwise by Gateway default/door (f.yaml:2:1), "
        "which comes first"}},
  });
  config::AnalyzeOptions options;
  options.file_exists = [](const std::string& path) { return path == "/nowhere/c.pem"; };
  CHECK(found(object("Gateway", "door", tls("a.example")) + bound, options) ==
        Lines{"M209 spec.servers[0].tls.privateKey: /nowhere/k.pem is not on this host"});
  options.credentials = "/c";
  options.file_exists = [](const std::string& path) { return path == "/c/site/tls.crt"; };
  const std::string named =
      object("Gateway", "door",
             "selector: {app: edge}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, "
             "hosts: [a.example], tls: {mode: MUTUAL, credentialName: site}}]");
  const std::string at = "M209 spec.servers[0].tls.credentialName: /c/site/";
  CHECK(found(named + bound, options) ==
        Lines{at + "tls.key is not on this host", at + "ca.crt is not on this host"});
  CHECK(found(kWeb + object("DestinationRule", "web",
                            "host: web, trafficPolicy: {portLevelSettings: [{port: {number: 80}, "
                            "tls: {mode: SIMPLE, credentialName: site}}]}"),
              options) ==
        Lines{"M209 spec.trafficPolicy.portLevelSettings[0].tls.credentialName: /c/site/ca.crt is "
              "not on this host"});
}

TEST_CASE("analyze: routes by claims where no tokens are verified", "[config]") {
  const std::string door =
      object("Gateway", "door", kDoor) +
      object("WorkloadEntry", "edge", "address: 127.0.0.3, labels: {app: edge}");
  const auto bound = [](const std::string& gateways, const std::string& fields = "headers") {
    return kWeb + service("{match: [{" + fields +
                              ": {\"@request.auth.claims[a]\": {exact: b}}}], " + kTo + "}",
                          "x", "hosts: [a.example], gateways: [" + gateways + "]");
  };
  const auto tokens = [](const std::string& app) {
    return object(
        "RequestAuthentication", "t",
        "selector: {matchLabels: {app: " + app + "}}, jwtRules: [{issuer: \"https://i.example\"}]");
  };
  const std::string at = "M203 spec.http[0].match[0].headers[\"@request.auth.claims[a]\"]: ";
  const auto tokens_for = [](const std::string& whom, const std::string& ns = "default") {
    return object("RequestAuthentication", "t",
                  whom + "jwtRules: [{issuer: \"https://i.example\"}]", ns);
  };
  const std::string entry = "targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: ";
  const std::string gateway = "targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: ";
  const std::string second =
      object("WorkloadEntry", "edge-2", "address: 127.0.0.4, labels: {app: edge, v: b}");
  const std::string none =
      at + "has no effect: no RequestAuthentication is for the gateway's forwarders";
  const std::string bare = object("Gateway", "door", kDoor);
  check({
      {"verified", door + tokens("edge") + bound("door"), {}},
      {"by that of the namespace", door + tokens_for("") + bound("door"), {}},
      {"by that of the mesh", door + tokens_for("", "istio-system") + bound("door"), {}},
      {"by another namespace's, of the same labels",
       door + tokens_for("selector: {matchLabels: {app: edge}}, ", "other") + bound("door"),
       {none}},
      {"by other labels of theirs",
       bare + second + tokens_for("selector: {matchLabels: {v: b}}, ") + bound("door"),
       {}},
      {"at one of two",
       door + second + tokens_for("selector: {matchLabels: {v: b}}, ") + bound("door"),
       {at + "has no effect at WorkloadEntry default/edge: no RequestAuthentication is for it"}},
      {"of a service that has them",
       door +
           object("ServiceEntry", "edges",
                  "hosts: [edges.example], resolution: STATIC, ports: [{number: 80, name: http, "
                  "protocol: HTTP}], workloadSelector: {labels: {app: edge}}") +
           tokens_for(entry + "edges}], ") + bound("door"),
       {}},
      {"of a service that has others",
       door + tokens_for(entry + "web}], ") + bound("door"),
       {none}},
      {"of the gateway", door + tokens_for(gateway + "door}, ") + bound("door"), {}},
      {"of another gateway",
       door + tokens_for(gateway + "gate}, ") + bound("door"),
       {"M202 spec.targetRef: there is no Gateway default/gate", none}},
      {"forwarders that are not known, by labels",
       bare + tokens_for("selector: {matchLabels: {app: edge, v: c}}, ", "other") + bound("door"),
       {"M202 spec.selector: no workload of namespace other has the labels app=edge,v=c, unless it "
        "registers itself"}},
      {"forwarders that are not known, of the gateway",
       bare + tokens_for(gateway + "door}, ") + bound("door"),
       {}},
      {"forwarders that are not known, of another gateway",
       bare + object("Gateway", "gate", kDoor, "other") + tokens_for(gateway + "gate}, ", "other") +
           bound("door"),
       {"M205 : nothing is bound to it: its clients get 404, or are closed", none}},
      {"verified at the gateway only", door + tokens("edge") + bound("door, mesh"), {}},
      {"not verified",
       door + tokens("web") + bound("door"),
       {at + "has no effect: no RequestAuthentication is for the gateway's forwarders"}},
      {"inside of the mesh only",
       door + tokens("edge") + bound("mesh", "withoutHeaders"),
       {"M205 : nothing is bound to it: its clients get 404, or are closed",
        "M203 spec.http[0].match[0].withoutHeaders[\"@request.auth.claims[a]\"]: has no effect: "
        "claims are known to routes of gateways, and this one is of none"}},
  });
}

TEST_CASE("analyze: policies that select nothing", "[config]") {
  const auto policy = [](const std::string& label, const std::string& ns = "default") {
    return object("PeerAuthentication", "x",
                  "selector: {matchLabels: {" + label + "}}, mtls: {mode: STRICT}", ns);
  };
  check({
      {"it does", kWeb + policy("app: web"), {}},
      {"a label",
       kWeb + policy("app: wep"),
       {"M202 spec.selector: no workload of namespace default has the labels app=wep, unless it "
        "registers itself"}},
      {"both labels",
       kWeb + policy("app: web, version: v1"),
       {"M202 spec.selector: no workload of namespace default has the labels app=web,version=v1, "
        "unless it registers itself"}},
      {"the namespace",
       kWeb + policy("app: web", "other"),
       {"M202 spec.selector: no workload of namespace other has the labels app=web, unless it "
        "registers itself"}},
      {"the root namespace", kWeb + policy("app: web", "istio-system"), {}},
      {"forwarders at a gateway",
       object("Gateway", "door", kDoor, "other") + policy("app: edge"),
       {"M205 : nothing is bound to it: its clients get 404, or are closed"}},
      {"those that register themselves",
       object("WorkloadGroup", "g", "template: {labels: {app: late}}") + policy("app: late"),
       {}},
      {"a Sidecar",
       kWeb + object("Sidecar", "x",
                     "workloadSelector: {labels: {app: wep}}, egress: [{hosts: "
                     "[\"*/*\"]}]"),
       {"M202 spec.workloadSelector: no workload of namespace default has the labels app=wep, "
        "unless it registers itself"}},
      {"a subset",
       kWeb + object("DestinationRule", "x",
                     "host: web, subsets: [{name: v1, labels: {version: v1}}]"),
       {"M202 spec.subsets[0].labels: no workload has the labels version=v1, unless it registers "
        "itself"}},
      {"a service",
       object("AuthorizationPolicy", "x",
              "targetRefs: [{group: networking.istio.io, kind: ServiceEntry, name: "
              "nobody}]"),
       {"M202 spec.targetRefs[0]: there is no ServiceEntry default/nobody"}},
  });
}

TEST_CASE("analyze: providers of spans", "[config]") {
  const std::string spans =
      "---\napiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: t, namespace: "
      "default}\nspec: {tracing: [{}, {providers: [{name: otel}]}]}\n";
  const auto mesh_config = [](const std::string& provider) {
    return "---\napiVersion: mesh/v1\nkind: MeshConfig\nmetadata: {name: m, namespace: "
           "istio-system}\nspec: {extensionProviders: [{name: otel, " +
           provider + "}]}\n";
  };
  const Lines unknown{
      "M111 spec.tracing[1].providers: no MeshConfig has \"otel\", who takes spans, among its "
      "extensionProviders: none are reported"};
  CHECK(found(kWeb + spans) == unknown);
  CHECK(found(kWeb + spans + mesh_config("envoyExtAuthzHttp: {service: web, port: 80}")) ==
        unknown);
  CHECK(found(kWeb + spans + mesh_config("opentelemetry: {}")) == Lines{});
  CHECK(found(kWeb + spans + mesh_config("opentelemetry: {service: web, port: 80}")) == Lines{});
  CHECK(found(kWeb + mesh_config("opentelemetry: {service: lost, port: 80}")) ==
        Lines{"M101 spec.extensionProviders[0].opentelemetry.service: no ServiceEntry has the "
              "host lost"});
}

TEST_CASE("analyze: rules that are never reached", "[config]") {
  const auto routes = [](const std::string& first, const std::string& second) {
    return kWeb + service("{match: [" + first + "], " + kTo + "}, {match: [" + second + "], " +
                          kTo + "}, {" + kTo + "}");
  };
  const std::string says = ": never reached: http[0] before it takes every such request";
  const Lines whole{"M201 spec.http[1]" + says};
  check({
      {"a longer prefix", routes("{uri: {prefix: /a}}", "{uri: {prefix: /a/b}}"), whole},
      {"a shorter prefix", routes("{uri: {prefix: /a/b}}", "{uri: {prefix: /a}}"), {}},
      {"in any case", routes("{uri: {prefix: /a}, ignoreUriCase: true}", "{uri: {exact: /A/b}}"),
       whole},
      {"a narrower caller",
       routes("{uri: {prefix: /}}", "{sourceLabels: {app: b}}"),
       {"M201 spec.http[1]" + says, "M201 spec.http[2]" + says}},
      {"a header",
       routes("{headers: {a: {}}, uri: {prefix: /a}}",
              "{headers: {a: {exact: b}, c: {}}, uri: {exact: /a}}"),
       whole},
      {"another header", routes("{headers: {a: {exact: b}}}", "{headers: {a: {exact: c}}}"), {}},
      {"what is excluded", routes("{withoutHeaders: {a: {}}}", "{uri: {prefix: /a}}"), {}},
      {"one of two matches",
       routes("{uri: {prefix: /a}}", "{uri: {exact: /a}}, {uri: {exact: /b}}"),
       {"M201 spec.http[1].match[0]" + says}},
      {"after all", kWeb + service("{" + kTo + "}, {match: [{uri: {exact: /a}}], " + kTo + "}"),
       whole},
      {"what a delegate leaves",
       kWeb +
           object("VirtualService", "leaf", "http: [{match: [{uri: {exact: /b}}], " + kTo + "}]") +
           service(
               "{match: [{uri: {prefix: /a}}], delegate: {name: leaf}}, {match: [{uri: {prefix: "
               "/a/b}}], " +
               kTo + "}"),
       {}},
  });
}

TEST_CASE("analyze: a set that is too large to be compared is told in part", "[config]") {
  std::string many;
  for (int i = 0; i < 12'000; ++i)
    many += "{match: [{uri: {exact: /" + std::to_string(i) + "}}], " + kTo + "}, ";
  const auto analysis = config::analyze(set_of(kWeb + service(many)));
  CHECK_FALSE(analysis.complete);
  CHECK(analysis.findings.empty());
}

TEST_CASE("analyze: codes are said once", "[config]") {
  std::set<std::string_view> codes, names;
  for (const auto& rule : config::rules()) {
    CHECK(codes.insert(rule.code).second);
    CHECK(names.insert(rule.name).second);
    CHECK((rule.severity == config::Severity::Error || !rule.refused));
  }
}
