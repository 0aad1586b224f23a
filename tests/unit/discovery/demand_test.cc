// What comes with a host that is asked for on demand, and what comes unasked.
#include "discovery/demand.h"

#include <catch2/catch.hpp>

#include "tests/unit/discovery/sample.h"

namespace {

using namespace mesh::discovery;

const auto kPresent = [](const Model::Key&) { return Workload::State::Present; };

std::shared_ptr<Model> build(const std::string& yaml) {
  return Model::build({}, sample::objects(yaml), {}, kPresent);
}

std::string entry(const std::string& host, const std::string& more) {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s" +
         std::to_string(std::hash<std::string>()(host)) + ", namespace: demo}\nspec: {hosts: [\"" +
         host + "\"], location: MESH_EXTERNAL, " + more + "}\n";
}

std::string http(const std::string& host) {
  return entry(host,
               "resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], "
               "endpoints: [{address: 192.0.2.9}]");
}

std::string routes(const std::string& name, const std::string& spec) {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " +
         name + ", namespace: demo}\nspec: " + spec + "\n";
}

std::string breaker(const std::string& host, const std::string& fallback) {
  return "\n---\napiVersion: mesh/v1\nkind: CircuitBreaker\nmetadata: {name: " + host +
         ", namespace: demo}\nspec: {host: " + host +
         ", thresholds: {errorPercent: 50}, fallback: {destination: {host: " + fallback + "}}}\n";
}

std::string sidecar(const std::string& egress) {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: "
         "demo}\nspec: {egress: [" +
         egress + "]}\n";
}

struct Row {
  std::string what;
  std::string yaml;
  std::string asked;  // empty: nothing is
  Hosts brought;
};

TEST_CASE("demand: what comes with a host") {
  const Row rows[] = {
      {"alone", http("a.example"), "a.example", {"a.example"}},
      {"in other letters, with a port", http("a.example"), "A.Example:80", {"a.example"}},
      {"nobody's", http("a.example"), "b.example", {}},
      {"by an address of it",
       entry("a.example",
             "addresses: [192.0.2.80], resolution: STATIC, endpoints: [{address: 192.0.2.9}], "
             "ports: [{number: 80, name: http, protocol: HTTP}]"),
       "192.0.2.80:80",
       {"a.example"}},
      {"one without endpoints of its own",
       entry("a.example", "resolution: NONE, ports: [{number: 80, name: h, protocol: HTTP}]"),
       "a.example",
       {"a.example"}},
      {"a mirror, and mirrors",
       http("a.example") + http("b.example") + http("c.example") +
           routes("a",
                  "{hosts: [a.example], http: [{route: [{destination: {host: a.example}}], mirror: "
                  "{host: b.example}}, {route: [{destination: {host: a.example}}], mirrors: "
                  "[{destination: {host: c.example}}]}]}"),
       "a.example",
       {"a.example", "b.example", "c.example"}},
      {"where the fallback of its circuit breaker leads",
       http("a.example") + http("b.example") + http("c.example") +
           breaker("a.example", "b.example") + breaker("b.example", "c.example"),
       "a.example",
       {"a.example", "b.example", "c.example"}},
      {"a delegate's destinations",
       http("a.example") + http("b.example") +
           routes("root",
                  "{hosts: [a.example], http: [{match: [{uri: {prefix: /b}}], delegate: {name: "
                  "leaf}}]}") +
           routes("leaf", "{http: [{route: [{destination: {host: b.example}}]}]}"),
       "a.example",
       {"a.example", "b.example"}},
      {"under another authority, where the route leads",
       http("a.example") + http("b.example") + http("c.example") +
           routes("a",
                  "{hosts: [a.example], http: [{rewrite: {authority: c.example}, route: "
                  "[{destination: {host: b.example}, headers: {request: {set: {\":authority\": "
                  "c.example}}}}]}]}"),
       "a.example",
       {"a.example", "b.example"}},
      {"a host that only a VirtualService has, answered by itself",
       routes("a", "{hosts: [a.example], http: [{directResponse: {status: 204}}]}"),
       "a.example",
       {"a.example"}},
      {"under a wildcard, with the more exact hosts of its range: services, and those that "
       "only VirtualServices have",
       http("*.wide.example") + http("b.wide.example") + http("other.example") +
           http("target.example") +
           routes("c",
                  "{hosts: [c.wide.example], http: [{route: [{destination: {host: "
                  "target.example}}]}]}"),
       "a.wide.example",
       {"*.wide.example", "b.wide.example", "c.wide.example", "target.example"}},
      {"under a wildcard that only a VirtualService has, with the more exact hosts of its range",
       entry("b.wide.example",
             "resolution: STATIC, endpoints: [{address: 192.0.2.9}], ports: [{number: 8080, name: "
             "h, protocol: HTTP}]") +
           http("target.example") + http("other.example") +
           routes("w",
                  "{hosts: [\"*.wide.example\"], http: [{route: [{destination: {host: "
                  "target.example}}]}]}") +
           routes("c", "{hosts: [c.wide.example], http: [{directResponse: {status: 204}}]}"),
       "a.wide.example",
       {"*.wide.example", "b.wide.example", "c.wide.example", "target.example"}},
      {"nobody's under the wildcard of a VirtualService that is a service's",
       http("b.wide.example") +
           routes("w", "{hosts: [\"*.wide.example\"], http: [{directResponse: {status: 204}}]}"),
       "a.wide.example",
       {}},
      {"not where rules lead that its Sidecar keeps out",
       http("a.example") + http("b.example") + sidecar("{hosts: [\"demo/*\"]}") +
           "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a, "
           "namespace: other}\nspec: {hosts: [a.example, bare.example], http: [{route: "
           "[{destination: {host: b.example}}]}]}\n",
       "a.example",
       {"a.example"}},
      {"ports of TCP and TLS: where their routes lead",
       entry("db.example",
             "resolution: STATIC, endpoints: [{address: 192.0.2.9}], ports: [{number: 5432, name: "
             "t, protocol: TCP}, {number: 443, name: s, protocol: TLS}]") +
           http("a.example") + http("b.example") +
           routes("db",
                  "{hosts: [db.example], tcp: [{route: [{destination: {host: a.example}}]}], tls: "
                  "[{match: [{port: 443, sniHosts: [db.example]}], route: [{destination: {host: "
                  "b.example}}]}]}"),
       "db.example",
       {"a.example", "b.example", "db.example"}},
      {"unasked: what the egress of the Sidecar names",
       http("a.example") + http("b.example") + sidecar("{hosts: [\"demo/a.example\", \"./*\"]}"),
       "",
       {"a.example"}},
      {"unasked: services of an egress port that is no HTTP",
       http("a.example") +
           entry("db.example",
                 "resolution: STATIC, endpoints: [{address: 192.0.2.9}], ports: [{number: 5432, "
                 "name: t, protocol: TCP}]") +
           sidecar("{port: {number: 5432, name: t, protocol: TCP}, hosts: [\"*/*\"]}"),
       "",
       {"db.example"}},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const auto model = build(row.yaml);
    const Node node = sample::node("client");
    Hosts asked;
    if (!row.asked.empty()) {
      asked.insert(row.asked);
      CHECK(brought_by(*model, node, row.asked).value_or(Hosts()) == row.brought);
    }
    const Demand demand = demand_of(*model, node, asked);
    CHECK(*demand.hosts == row.brought);
    CHECK(demand.unresolved == (!row.asked.empty() && row.brought.empty()));
  }
}

TEST_CASE("demand: a node's own service comes where calls are weighed against its instances") {
  const auto hosts = [](const std::string& workload, const std::string& policy) {
    const auto model = build(sample::kAll +
                             "\n---\napiVersion: networking.istio.io/v1\nkind: "
                             "DestinationRule\nmetadata: {name: web, namespace: demo}\nspec: "
                             "{host: web, trafficPolicy: {" +
                             policy + "}}\n");
    return *demand_of(*model, sample::node(workload), {"legacy.example.org"}).hosts;
  };
  const std::string zones = "loadBalancer: {zoneAwareLbSetting: {minClusterSize: 2}}";
  const std::string ratings = "ratings.demo.svc.cluster.local";
  CHECK(hosts("ratings-1", zones).contains(ratings));
  CHECK_FALSE(hosts("ratings-1", "loadBalancer: {simple: RANDOM}").contains(ratings));
  // Nobody knows where this one is.
  CHECK(hosts("web-1", zones) == Hosts{"legacy.example.org"});
}

TEST_CASE("demand: what a change of a host may bring") {
  const auto model = build(http("*.wide.example") + http("reviews.demo.svc.cluster.local"));
  const Demand demand =
      demand_of(*model, sample::node("client"), {"x.wide.example", "Reviews:80", "192.0.2.7"});
  for (const char* const host : {"*.wide.example", "y.wide.example", "a.b.wide.example",
                                 "reviews.demo.svc.cluster.local", "reviews", "reviews.demo"}) {
    INFO(host);
    CHECK(demand.may_heed(host));
  }
  // It may take the range of the other's from it.
  CHECK(demand.may_heed("*.example"));
  for (const char* const host :
       {"wide.example", "other.example", "ratings", "my.reviews", "*.other.example"}) {
    INFO(host);
    CHECK_FALSE(demand.may_heed(host));
  }
}

}  // namespace
