#include "discovery/catalog.h"

#include <catch2/catch.hpp>

#include "discovery/extent.h"
#include "tests/unit/discovery/sample.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

// What a forwarder would hold: told of changes, never of the whole.
struct Member final : Catalog::Member {
  void on_changed(Type type, const Resource& resource) override {
    held[size_t(type)][resource.name] = resource.version;
    ++heard;
  }
  void on_removed(Type type, const std::string& name) override {
    CHECK(held[size_t(type)].erase(name) == 1);
    ++heard;
  }
  std::array<std::map<std::string, std::string>, kTypes> held;
  size_t heard = 0;
};

using Held = std::array<std::map<std::string, std::string>, kTypes>;

Held compiled(const Model& model, Node node) {
  Held all;
  const auto add = [&](Type type, const std::vector<Resource>& resources) {
    for (const auto& one : resources) all[size_t(type)][one.name] = one.version;
  };
  add(Type::Cluster, compile_clusters(model, node));
  for (const auto* service : model.services_for(node))
    add(Type::Endpoints, compile_endpoints(model, *service, node));
  add(Type::Listener, compile_listeners(model, node));
  add(Type::Routes, compile_routes(model, node));
  return all;
}

const auto kPresent = [](const Model::Key&) { return Workload::State::Present; };

std::shared_ptr<Model> build(const std::string& yaml) {
  return Model::build({}, sample::objects(yaml), {}, kPresent);
}

Workload instance(const std::string& name, const std::string& app) {
  Workload workload;
  workload.ns = "demo";
  workload.name = name;
  workload.address = "192.0.2.40";
  workload.ports = {{"http", 20040}};
  workload.labels = {{"app", app}, {"version", "v1"}};
  workload.service_account = app;
  workload.source = Workload::Source::Registered;
  return workload;
}

const std::string kSlow = R"(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: legacy, namespace: demo}
spec:
  hosts: [legacy.example.org]
  http: [{timeout: 3s, route: [{destination: {host: legacy.example.org}}]}]
)";

// Each node has it elsewhere.
const std::string kCredential = R"(
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: secret, namespace: demo}
spec: {host: legacy.example.org, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}
)";

TEST_CASE("catalog: members hold what compiling everything would give, whatever changes") {
  auto model = build(sample::kAll);
  Catalog catalog;
  Member web, reviews, client;
  catalog.set(web, sample::node("web-1"));
  CHECK(web.heard == 0);  // nothing is served yet
  catalog.set_model(model, {.all = true});
  catalog.set(reviews, sample::node("reviews-v1"));
  Node nobody = sample::node("nobody");
  nobody.workload = "";
  catalog.set(client, nobody);
  // One that captures, and is a gateway once there is one.
  Member edge;
  Node capturing = sample::node("ratings-1");
  capturing.outbound_tcp = "127.0.0.1";
  capturing.credentials = "/srv/credentials";
  capturing.capture_outbound = {.address = "0.0.0.0:15001"};
  capturing.capture_inbound = {.address = "0.0.0.0:15006"};
  catalog.set(edge, capturing);
  const auto agree = [&] {
    CHECK(web.held == compiled(*model, sample::node("web-1")));
    CHECK(reviews.held == compiled(*model, sample::node("reviews-v1")));
    CHECK(client.held == compiled(*model, nobody));
    CHECK(edge.held == compiled(*model, capturing));
  };
  agree();

  SECTION("an instance comes, moves to another service, and goes") {
    const Model::Key key{"demo", "more"};
    for (const auto* app : {"reviews", "ratings"}) {
      const Workload now = instance("more", app);
      catalog.on_instances(model->set(key, &now, now.state, {}));
      catalog.on_workload(key);
      agree();
    }
    catalog.on_instances(model->set(key, nullptr, Workload::State::Present, {}));
    agree();
    CHECK(model->workloads().find(key) == model->workloads().end());
  }
  SECTION("a configured instance is away and comes back") {
    const Model::Key key{"demo", "reviews-v2"};
    for (const auto state : {Workload::State::Absent, Workload::State::Present}) {
      catalog.on_instances(model->set(key, nullptr, state, {}));
      agree();
    }
  }
  SECTION("objects change, come and go") {
    std::string yaml = sample::kAll;
    const auto apply = [&](const std::string& now, const std::string& name) {
      const auto objects = sample::objects(now);
      auto change = change_of(*model, *objects, {name});
      if (change.rebuild) {
        model = Model::build({}, objects, {}, kPresent);
        add_instances(*model, {name}, change.extent);
      } else {
        model->set_rules(objects);
      }
      catalog.set_model(model, change.extent);
      agree();
    };
    apply(yaml + kCredential, "DestinationRule/demo/secret");
    apply(yaml, "DestinationRule/demo/secret");
    apply(yaml + kSlow, "VirtualService/demo/legacy");
    apply(yaml, "VirtualService/demo/legacy");
    apply(yaml + sample::kMixed, "WorkloadEntry/demo/web-old");
    apply(yaml, "WorkloadEntry/demo/web-old");
    const std::string more = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: more, namespace: demo}
spec: {hosts: [more], location: MESH_INTERNAL, resolution: STATIC,
  ports: [{number: 80, name: http, protocol: HTTP}], workloadSelector: {labels: {app: web}}}
)";
    apply(yaml + more, "ServiceEntry/demo/more");
    apply(yaml, "ServiceEntry/demo/more");
    const std::string strict = R"(
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: demo}
spec: {mtls: {mode: STRICT}}
)";
    apply(yaml + strict, "PeerAuthentication/demo/default");
    const std::string gateway = R"(
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: demo}
spec:
  selector: {app: ratings}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
)";
    apply(yaml + gateway, "Gateway/demo/edge");
    const std::string scope = R"(
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: scope, namespace: demo}
spec:
  workloadSelector: {labels: {app: ratings}}
  egress:
  - port: {number: 9443, protocol: HTTP, name: http}
    bind: 127.0.0.1
    hosts: ["./reviews"]
  - hosts: ["./web"]
)";
    apply(yaml + scope, "Sidecar/demo/scope");
    const std::string logs = R"(
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: quiet, namespace: demo}
spec:
  selector: {matchLabels: {app: web}}
  accessLogging: [{disabled: true}]
)";
    apply(yaml + logs, "Telemetry/demo/quiet");
    apply(yaml, "Telemetry/demo/quiet");
    // A delegate, which is in no list: it comes, changes, is none for a while, and goes.
    const auto routing = [](const std::string& name, const std::string& spec) {
      return "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " +
             name + ", namespace: demo}\nspec: {" + spec + "}\n";
    };
    const std::string root =
        yaml + routing("root",
                       "hosts: [legacy.example.org], http: [{match: [{uri: {prefix: /a}}], "
                       "delegate: {name: leaf}}]");
    const auto http = [](const std::string& to) {
      return "http: [{route: [{destination: {host: " + to + "}}]}]";
    };
    const std::string leaf = "VirtualService/demo/leaf";
    apply(root, "VirtualService/demo/root");
    apply(root + routing("leaf", http("reviews")), leaf);
    apply(root + routing("leaf", http("web")), leaf);
    apply(root + routing("leaf", "hosts: [web], " + http("web")), leaf);
    apply(root + routing("leaf", http("web")), leaf);
    apply(root, leaf);
    apply(yaml, "VirtualService/demo/root");
  }
}

TEST_CASE("catalog: one endpoint's change is compiled once, however many have it") {
  auto model = build(sample::kAll);
  Catalog catalog;
  catalog.set_model(model, {.all = true});
  std::vector<Member> members(50);
  for (size_t i = 0; i < members.size(); ++i) {
    Node node = sample::node("client-" + std::to_string(i));
    catalog.set(members[i], node);
  }
  CHECK(catalog.stats().units == 4);  // services
  CHECK(catalog.stats().scopes == 1);
  for (auto& member : members) member.heard = 0;
  const Workload now = instance("more", "ratings");
  catalog.on_instances(model->set({"demo", "more"}, &now, now.state, {}));
  CHECK(catalog.stats().units == 5);
  CHECK(catalog.stats().scopes == 1);
  for (const auto& member : members) CHECK(member.heard == 2);  // two ports
}

TEST_CASE("catalog: a Sidecar is its nodes', whoever was served alike before it came") {
  const std::string sidecar = R"(
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: few, namespace: demo}
spec: {workloadSelector: {labels: {app: few}}, egress: [{hosts: ["./web"]}]}
)";
  const std::vector<std::vector<std::string>> orders{{"few", "all"}, {"all", "few"}};
  for (const auto& names : orders) {
    auto model = build(sample::kAll);
    Catalog catalog;
    catalog.set_model(model, {.all = true});
    std::vector<Member> members(names.size());
    for (size_t i = 0; i < names.size(); ++i) catalog.set(members[i], sample::node(names[i]));
    for (const auto& yaml : {sample::kAll + sidecar, sample::kAll}) {
      model = build(yaml);
      catalog.set_model(model, {.all = true});
      for (size_t i = 0; i < names.size(); ++i)
        CHECK(members[i].held == compiled(*model, sample::node(names[i])));
    }
  }
}

TEST_CASE("catalog: on demand a member has what it asked for and what that leads to") {
  auto model = build(sample::kAll + kSlow);
  Catalog catalog;
  catalog.set_model(model, {.all = true});
  Member web, other;
  catalog.set(web, sample::node("client"));
  catalog.set_asked(web, Catalog::Hosts{});
  catalog.set(other, sample::node("client"));
  catalog.set_asked(other, Catalog::Hosts{"legacy.example.org"});
  CHECK(web.held[size_t(Type::Cluster)].empty());
  CHECK_FALSE(catalog.find(web, "nobody.example"));
  CHECK(catalog.find(web, "LEGACY.example.org:8080") == Catalog::Hosts{"legacy.example.org"});
  CHECK(catalog.find(web, "ratings:81") == Catalog::Hosts{"ratings.demo.svc.cluster.local"});
  catalog.set_asked(web, Catalog::Hosts{"ratings", "later.example"});
  CHECK(web.held[size_t(Type::Cluster)].size() == 2);
  CHECK(web.held[size_t(Type::Endpoints)].contains("outbound|81||ratings.demo.svc.cluster.local"));

  // What it did not ask for is not told.
  web.heard = 0;
  const auto without = sample::objects(sample::kAll);
  const auto change = change_of(*model, *without, {"VirtualService/demo/legacy"});
  CHECK_FALSE(change.extent.all);
  CHECK_FALSE(change.rebuild);
  model->set_rules(without);
  catalog.set_model(model, change.extent);
  CHECK(web.heard == 0);
  CHECK(other.heard > 0);
  catalog.set_asked(web, std::nullopt);
  CHECK(web.held == compiled(*model, sample::node("client")));
  catalog.leave(web);
  catalog.leave(other);
}

TEST_CASE("catalog: a circuit breaker holds for a host that is asked for later, too") {
  const std::string breaker = R"(
---
apiVersion: mesh/v1
kind: CircuitBreaker
metadata: {name: reviews, namespace: demo}
spec: {host: reviews, thresholds: {errorPercent: 50}}
)";
  auto model = build(sample::kAll + breaker);
  Catalog catalog;
  catalog.set_model(model, {.all = true});
  Member first, second;
  const Node node = sample::node("client");
  // Who asked for another host is compiled for first; listeners are shared.
  catalog.set(first, node, Catalog::Hosts{"web"});
  catalog.set(second, node, Catalog::Hosts{});
  catalog.set_asked(second, Catalog::Hosts{"reviews"});
  for (const auto& [member, host] : {std::pair{&first, "web"}, std::pair{&second, "reviews"}}) {
    Node now = node;
    now.hosts = demand_of(*model, node, {host}).hosts;
    CHECK(member->held == compiled(*model, now));
  }
  const auto without = build(sample::kAll);
  Node same = node;
  same.hosts = demand_of(*without, node, {"reviews"}).hosts;
  CHECK(second.held[size_t(Type::Listener)] != compiled(*without, same)[size_t(Type::Listener)]);
  catalog.leave(first);
  catalog.leave(second);
}

TEST_CASE("catalog: an arrival on demand compiles what it asks for, and nothing else") {
  auto model = build(sample::kAll);
  Catalog catalog;
  catalog.set_model(model, {.all = true});
  std::vector<Member> members(20);
  for (size_t i = 0; i < members.size(); ++i)
    catalog.set(members[i], sample::node("client-" + std::to_string(i)), Catalog::Hosts{"reviews"});
  CHECK(catalog.stats().units == 1);
  CHECK(catalog.stats().scopes == 1);
  // Another host is one unit more, and those who share it share that too.
  for (auto& member : members) catalog.set_asked(member, Catalog::Hosts{"reviews", "ratings"});
  CHECK(catalog.stats().units == 2);
  CHECK(catalog.stats().scopes == 2);
  for (auto& member : members) catalog.leave(member);
}

TEST_CASE("catalog: on demand, rules are followed as far as they lead") {
  const auto model = build(sample::kAll + R"(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: first, namespace: demo}
spec:
  hosts: [first.example]
  http: [{route: [{destination: {host: legacy.example.org}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: second, namespace: demo}
spec:
  hosts: [legacy.example.org]
  http: [{route: [{destination: {host: ratings.demo.svc.cluster.local, port: {number: 81}}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: wide, namespace: demo}
spec: {hosts: ["*.wide.example"], location: MESH_EXTERNAL, resolution: NONE,
  ports: [{number: 80, name: http, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: exact, namespace: demo}
spec: {hosts: [exact.wide.example], location: MESH_EXTERNAL, resolution: STATIC,
  ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 192.0.2.9}]}
)");
  Catalog catalog;
  catalog.set_model(model, {.all = true});
  Member member;
  catalog.set(member, sample::node("client"), Catalog::Hosts{});
  using Hosts = Catalog::Hosts;
  const auto found = [&](std::string_view asked) {
    return catalog.find(member, asked).value_or(Hosts{"nobody"});
  };
  CHECK(found("first.example") ==
        Hosts{"first.example", "legacy.example.org", "ratings.demo.svc.cluster.local"});
  // The exact host stands above the wildcard, and nobody would ask for it.
  CHECK(found("other.wide.example") == Hosts{"*.wide.example", "exact.wide.example"});
  CHECK(found("exact.wide.example") == Hosts{"exact.wide.example"});
}

TEST_CASE("catalog: on demand, what is told apart by port or named beforehand is there unasked") {
  const std::string more = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: store, namespace: demo}
spec: {hosts: [store], location: MESH_INTERNAL, resolution: STATIC,
  ports: [{number: 5432, name: tcp, protocol: TCP}], endpoints: [{address: 192.0.2.9}]}
)";
  const std::string gateway = R"(
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: demo}
spec:
  selector: {app: ratings}
  servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: demo}
spec:
  hosts: ["shop.example"]
  gateways: [edge]
  http: [{route: [{destination: {host: reviews}}]}]
)";
  const std::string scope = R"(
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: scope, namespace: demo}
spec:
  workloadSelector: {labels: {app: web}}
  egress: [{hosts: ["./reviews", "./*"]}]
)";
  auto model = build(sample::kAll + more + gateway + scope);
  Catalog catalog;
  catalog.set_model(model, {.all = true});
  const auto has = [](const Member& member, const std::string& host) {
    const auto& all = member.held[size_t(Type::Cluster)];
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& one) { return one.first.ends_with("|" + host); });
  };
  Node plain = sample::node("plain");
  Node tcp = plain;
  tcp.outbound_tcp = "127.0.0.1";
  Node captured = plain;
  captured.capture_outbound = {.address = "0.0.0.0:15001"};
  Node edge = plain;
  edge.labels = {{"app", "ratings"}};
  Node scoped = plain;
  scoped.labels = {{"app", "web"}};
  Member by_plain, by_tcp, by_capture, by_edge, by_scope;
  catalog.set(by_plain, plain, Catalog::Hosts{});
  catalog.set(by_tcp, tcp, Catalog::Hosts{});
  catalog.set(by_capture, captured, Catalog::Hosts{});
  catalog.set(by_edge, edge, Catalog::Hosts{});
  catalog.set(by_scope, scoped, Catalog::Hosts{});
  CHECK_FALSE((has(by_plain, "store") || has(by_plain, "reviews")));
  CHECK((has(by_tcp, "store") && !has(by_tcp, "reviews")));
  CHECK((has(by_capture, "store") && !has(by_capture, "reviews")));
  CHECK((has(by_edge, "reviews") && !has(by_edge, "store")));
  CHECK((has(by_scope, "reviews") && !has(by_scope, "store")));
  // Whoever is captured is listened for at every port, whatever it calls.
  Member whole;
  catalog.set(whole, captured);
  const auto names = [](const Member& member, Type type) {
    std::set<std::string> result;
    for (const auto& [name, version] : member.held[size_t(type)]) result.insert(name);
    return result;
  };
  CHECK(names(by_capture, Type::Listener) == names(whole, Type::Listener));
  CHECK(names(by_capture, Type::Routes) == names(whole, Type::Routes));
  // And that costs the same, however many hosts it asks for.
  const auto compiled_before = catalog.stats().listeners;
  const auto before = by_capture.held[size_t(Type::Listener)];
  catalog.set_asked(by_capture, Catalog::Hosts{"reviews"});
  catalog.set_asked(by_capture, Catalog::Hosts{"reviews", "ratings"});
  CHECK(catalog.stats().listeners == compiled_before);
  CHECK(by_capture.held[size_t(Type::Listener)] == before);
  captured.hosts = demand_of(*model, captured, {"reviews", "ratings"}).hosts;
  CHECK(by_capture.held == compiled(*model, captured));
  for (Member* one : {&by_plain, &by_tcp, &by_capture, &by_edge, &by_scope, &whole})
    catalog.leave(*one);
}

TEST_CASE("catalog: on demand, a more exact host that is new stands above what was asked for") {
  const auto entry = [](const std::string& host) {
    return "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " +
           std::string(host == "*.wide.example" ? "wide" : "exact") +
           ", namespace: demo}\nspec: {hosts: [\"" + host +
           "\"], location: MESH_EXTERNAL, resolution: STATIC, ports: [{number: 80, name: http, "
           "protocol: HTTP}], endpoints: [{address: 192.0.2.9}]}\n";
  };
  const std::string wide = sample::kAll + entry("*.wide.example");
  const std::string routes = R"(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: exact, namespace: demo}
spec: {hosts: [exact.wide.example], http: [{route: [{destination: {host: reviews}}]}]}
)";
  auto model = build(wide);
  Catalog catalog;
  catalog.set_model(model, {.all = true});
  Member member;
  const Node node = sample::node("client");
  catalog.set(member, node, Catalog::Hosts{"any.wide.example"});
  const auto has = [&](const std::string& cluster) {
    return member.held[size_t(Type::Cluster)].contains(cluster);
  };
  CHECK((has("outbound|80||*.wide.example") && !has("outbound|80||reviews")));
  const auto with_routes = sample::objects(wide + routes);
  auto change = change_of(*model, *with_routes, {"VirtualService/demo/exact"});
  CHECK_FALSE(change.extent.all);
  model->set_rules(with_routes);
  catalog.set_model(model, change.extent);
  CHECK(has("outbound|80||reviews"));
  Node now = node;
  now.hosts = demand_of(*model, node, {"any.wide.example"}).hosts;
  CHECK(member.held == compiled(*model, now));
  catalog.leave(member);
}

TEST_CASE("catalog: the host that a request names finds its service") {
  const auto model = build(sample::kAll + R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: hidden, namespace: elsewhere}
spec: {hosts: [hidden.example], location: MESH_EXTERNAL, resolution: STATIC, exportTo: ["."],
  ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 192.0.2.9}]}
)");
  const auto found = [&](const std::string& host) {
    const auto* service = model->service_named(host, sample::node("client"));
    return service == nullptr ? "" : service->host;
  };
  CHECK(found("reviews") == "reviews");
  CHECK(found("Ratings") == "ratings.demo.svc.cluster.local");
  CHECK(found("ratings.demo") == "ratings.demo.svc.cluster.local");
  CHECK(found("ratings.demo.svc") == "ratings.demo.svc.cluster.local");
  CHECK(found("hidden.example") == "");
}

}  // namespace
