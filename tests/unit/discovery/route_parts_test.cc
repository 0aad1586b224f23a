// Route configurations that are put together of kept virtual hosts are those that would be
// compiled anew, byte for byte.
#include "discovery/compile/route_parts.h"

#include <catch2/catch.hpp>

#include "base/random.h"
#include "discovery/catalog.h"
#include "discovery/extent.h"
#include "envoy/config/route/v3/route.pb.h"
#include "unit/discovery/sample.h"
#include "xds/serialize.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

// What each object may be; the first of all is there at the start.
struct Choices {
  std::string kind;  // with its API
  std::string name;
  std::string ns;
  std::vector<std::string> specs;
};

const std::string kEntry = "networking.istio.io/v1\nkind: ServiceEntry";
const std::string kRouting = "networking.istio.io/v1\nkind: VirtualService";
const std::string kRule = "networking.istio.io/v1\nkind: DestinationRule";

std::string entry(const std::string& host, const std::string& ports, const std::string& more = "") {
  return "{hosts: [" + host + "], location: MESH_INTERNAL, resolution: STATIC, ports: [" + ports +
         "], endpoints: [{address: 192.0.2.1}]" + more + "}";
}

const std::string kHttp = "{number: 80, name: http, protocol: HTTP}";
const std::string kOther = "{number: 8080, name: other, protocol: HTTP}";
const std::string kTcp = "{number: 5432, name: tcp, protocol: TCP}";

const std::vector<Choices> kObjects{
    {kEntry, "a", "demo", {entry("a", kHttp), entry("a", kHttp + ", " + kOther)}},
    {kEntry,
     "b",
     "demo",
     {entry("b", kOther), entry("b", kHttp), entry("b", kOther + ", " + kHttp),
      entry("b", kOther, ", exportTo: [\".\"]"), entry("b2.example.org", kHttp)}},
    {kEntry,
     "c",
     "demo",
     {entry("c.demo.svc.cluster.local", kHttp + ", " + kOther + ", " + kTcp),
      entry("c.demo.svc.cluster.local", kHttp, ", addresses: [203.0.113.7, \"2001:db8::7\"]"),
      entry("c.demo", kHttp, ", addresses: [203.0.113.7]")}},
    {kEntry,
     "b",
     "far",
     {entry("b", kHttp + ", " + kOther), entry("d.example.org, b", kHttp),
      entry("d.example.org", kHttp, ", addresses: [203.0.113.7]"),
      entry("\"*.example.org\"", kHttp), entry("\"*.example.org\"", kOther)}},
    {kRouting,
     "a",
     "demo",
     {"{hosts: [a], http: [{route: [{destination: {host: b}}]}]}",
      "{hosts: [a], http: [{match: [{uri: {prefix: /b}, sourceLabels: {app: web}}], route: "
      "[{destination: {host: b, subset: v1}}]}, {name: rest, route: [{destination: {host: a}}], "
      "mirror: {host: c.demo.svc.cluster.local}}]}",
      "{hosts: [a, bare.example.org], http: [{match: [{uri: {exact: /x}}], redirect: {uri: /y}}, "
      "{route: [{destination: {host: b}, weight: 30}, {destination: {host: "
      "c.demo.svc.cluster.local}, weight: 70}], timeout: 2s}]}",
      "{hosts: [bare], http: [{route: [{destination: {host: d.example.org}}]}]}"}},
    {kRouting,
     "b",
     "far",
     {"{hosts: [b], exportTo: [\"*\"], http: [{match: [{sourceNamespace: demo}], route: "
      "[{destination: {host: d.example.org}}]}, {route: [{destination: {host: b}}]}]}",
      "{hosts: [b], exportTo: [\".\"], http: [{route: [{destination: {host: c.demo}}]}]}",
      "{hosts: [\"*.example.org\"], http: [{route: [{destination: {host: b}}]}]}",
      "{hosts: [a, \"*.bare.example.org\"], http: [{route: [{destination: {host: b}}]}]}"}},
    {kRule,
     "b",
     "demo",
     {"{host: b, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}, "
      "subsets: [{name: v1, labels: {version: v1}}]}",
      "{host: b, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: "
      "{consistentHash: {useSourceIp: true}}}}]}",
      "{host: b, workloadSelector: {matchLabels: {app: web}}, trafficPolicy: {loadBalancer: "
      "{consistentHash: {httpHeaderName: x-web}}}}"}},
    {kRule,
     "c",
     "far",
     {"{host: c.demo.svc.cluster.local, trafficPolicy: {loadBalancer: {consistentHash: "
      "{httpQueryParameterName: id}}}}",
      "{host: \"*.example.org\", trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: "
      "x-any}}}}"}},
    {"mesh/v1\nkind: ServicePolicy",
     "b",
     "demo",
     {"{host: b, stickySession: {header: x-session}}",
      "{host: a, hedging: {onPerTryTimeout: true}}"}},
    {"mesh/v1\nkind: CircuitBreaker",
     "a",
     "demo",
     {"{host: a, thresholds: {errorPercent: 50}, fallback: {destination: {host: b}}}",
      "{host: a, thresholds: {errorPercent: 20}, match: [{name: r, route: rest}]}"}},
    {"networking.istio.io/v1\nkind: Sidecar",
     "few",
     "demo",
     {"{workloadSelector: {labels: {app: few}}, egress: [{hosts: [\"demo/a\"]}]}",
      "{workloadSelector: {labels: {app: few}}, egress: [{port: {number: 9080, protocol: HTTP, "
      "name: http}, bind: 127.0.0.1, hosts: [\"./a\", \"far/*\"]}, {hosts: [\"far/b\"]}]}"}},
    {"mesh/v1\nkind: MeshConfig",
     "mesh",
     "istio-system",
     {"{extensionProviders: [{name: spans, opentelemetry: {}}]}"}},
};

// Which of its choices each object is; 0: none.
using State = std::vector<size_t>;

std::string object_name(const Choices& object) {
  return object.kind.substr(object.kind.rfind(' ') + 1) + "/" + object.ns + "/" + object.name;
}

std::shared_ptr<const Objects> objects(const State& state) {
  std::string yaml;
  for (size_t i = 0; i < state.size(); ++i)
    if (state[i] > 0)
      yaml += "---\napiVersion: " + kObjects[i].kind + "\nmetadata: {name: " + kObjects[i].name +
              ", namespace: " + kObjects[i].ns + "}\nspec: " + kObjects[i].specs[state[i] - 1] +
              "\n";
  return sample::objects(yaml);
}

std::shared_ptr<Model> built(std::shared_ptr<const Objects> objects) {
  return Model::build({}, std::move(objects), {},
                      [](const auto&) { return Workload::State::Present; });
}

// What it was told, and who it is.
struct Watcher final : Catalog::Member {
  Watcher(Node n, std::optional<Hosts> a) : node(std::move(n)), asked(std::move(a)) {}
  void on_changed(Type type, const Resource& resource) override {
    held[size_t(type)][resource.name] = *resource.body;
  }
  void on_removed(Type type, const std::string& name) override {
    CHECK(held[size_t(type)].erase(name) == 1);
  }
  std::map<std::string, std::string> anew(const Model& model) const {
    Node now = node;
    if (asked) now.hosts = demand_of(model, node, *asked).hosts;
    std::map<std::string, std::string> routes;
    for (const auto& one : compile_routes(model, now)) routes[one.name] = *one.body;
    return routes;
  }
  const Node node;
  const std::optional<Hosts> asked;
  std::array<std::map<std::string, std::string>, kTypes> held;
};

Node node_of(const std::string& app, const std::string& ns = "demo") {
  Node node = sample::node(app);
  node.workload = "";
  node.ns = ns;
  return node;
}

std::vector<std::unique_ptr<Watcher>> watchers() {
  std::vector<std::unique_ptr<Watcher>> all;
  const auto add = [&](Node node, std::optional<Hosts> asked = std::nullopt) {
    all.push_back(std::make_unique<Watcher>(std::move(node), std::move(asked)));
  };
  Node captured = node_of("captured");
  captured.capture_outbound = {.address = "0.0.0.0:15001"};
  for (const auto* app : {"web", "other", "few"}) add(node_of(app));
  add(node_of("web", "far"));
  add(captured);
  add(captured, Hosts{"a"});
  for (const auto& asked : {Hosts{"a"}, Hosts{"b"}, Hosts{"a", "c.demo.svc.cluster.local"},
                            Hosts{"bare.example.org", "b"}, Hosts{"203.0.113.7", "b"},
                            Hosts{"x.example.org"}, Hosts{"x.bare.example.org"}}) {
    add(node_of("web"), asked);
    add(node_of("few"), asked);
    add(node_of("other", "far"), asked);
  }
  return all;
}

// As discoveryd does.
void apply(const State& state, const std::set<std::string, std::less<>>& changed,
           std::shared_ptr<Model>& model, Catalog& catalog) {
  const auto now = objects(state);
  auto change = change_of(*model, *now, changed);
  if (change.rebuild) {
    model = built(now);
    add_instances(*model, changed, change.extent);
  } else {
    const auto heeded = model->heeds();
    model->set_rules(now);
    change.extent.all |= !(model->heeds() == heeded);
  }
  catalog.set_model(model, change.extent);
}

TEST_CASE("routes: kept virtual hosts are as if compiled anew, whatever changes", "[discovery]") {
  for (const uint64_t seed : {1, 2, 3}) {
    Random random(seed);
    State state(kObjects.size(), 1);
    auto model = built(objects(state));
    Catalog catalog;
    const auto all = watchers();
    for (const auto& one : all) catalog.set(*one, one->node, one->asked);
    catalog.set_model(model, {.all = true});
    for (int round = 0; round < 120; ++round) {
      INFO("seed " << seed << ", round " << round);
      for (const auto& one : all) REQUIRE(one->held[size_t(Type::Routes)] == one->anew(*model));
      std::set<std::string, std::less<>> changed;
      for (uint64_t n = random.below(2) + 1; n-- > 0;) {
        const size_t which = random.below(kObjects.size());
        state[which] = random.below(kObjects[which].specs.size() + 1);
        changed.insert(object_name(kObjects[which]));
      }
      apply(state, changed, model, catalog);
    }
    for (const auto& one : all) catalog.leave(*one);
  }
}

TEST_CASE("routes: their bytes are those that the message would be written as", "[discovery]") {
  Random random(7);
  for (int round = 0; round < 40; ++round) {
    State state;
    for (const auto& object : kObjects) state.push_back(random.below(object.specs.size() + 1));
    const auto model = built(objects(state));
    for (const auto& one : watchers()) {
      for (const auto& [name, body] : one->anew(*model)) {
        envoy::config::route::v3::RouteConfiguration message;
        REQUIRE(message.ParseFromString(body));
        CHECK(message.name() == name);
        CHECK(mesh::xds::serialize(message) == body);
        std::set<std::string> domains;
        for (const auto& host : message.virtual_hosts()) {
          CHECK(host.domains_size() > 0);
          for (const auto& domain : host.domains()) CHECK(domains.insert(domain).second);
        }
      }
    }
  }
}

TEST_CASE("routes: one that changed is made once, and others are not made again", "[discovery]") {
  const auto model = built(objects(State(kObjects.size(), 1)));
  std::map<std::string, RouteParts> kept;
  const auto of = [&](const Service& service) -> RouteParts& {
    return kept[service.ns + "/" + service.host];
  };
  const Node node = node_of("web");
  const auto before = compile_routes(*model, node, of);
  REQUIRE(before.size() == 1);
  // Whoever has other hosts has the same parts of those that both have.
  RoutePart& a = kept.at("demo/a").at(80);
  CHECK(a.leads == std::vector<std::pair<std::string, std::string>>{{"b", "demo"}});
  CHECK(a.depends_on({"b"}));
  CHECK_FALSE(a.depends_on({"a", "c"}));
  a.rest += "once";
  Node some = node;
  some.hosts = std::make_shared<const Hosts>(Hosts{"a", "b"});
  CHECK(compile_routes(*model, some, of)[0].body->find("once") != std::string::npos);
  // Where the host that it leads to is not there to be called, it is another one.
  some.hosts = std::make_shared<const Hosts>(Hosts{"a"});
  CHECK(compile_routes(*model, some, of)[0].body->find("once") == std::string::npos);
  CHECK(*compile_routes(*model, node, of)[0].body == *before[0].body);
}

TEST_CASE("routes: a field is written with its length", "[discovery]") {
  for (const size_t size : {0, 1, 127, 128, 300, 20'000, 3'000'000}) {
    envoy::config::route::v3::RouteConfiguration message;
    message.add_virtual_hosts()->set_name(std::string(size, 'x'));
    std::string host, bytes;
    if (size > 0) append_field(1, std::string(size, 'x'), host);
    append_field(2, host, bytes);
    CHECK(bytes == message.SerializeAsString());
  }
}

}  // namespace
