// Who sees what: exportTo, namespaces, and the egress of Sidecars.
#include <catch2/catch.hpp>

#include "discovery/compile/compile.h"
#include "envoy/config/route/v3/route.pb.h"
#include "tests/unit/discovery/sample.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::string service(const std::string& ns, const std::string& host, const std::string& more = "") {
  return "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " + host +
         ", namespace: " + ns + "}\nspec: {hosts: [" + host +
         "], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, "
         "protocol: HTTP}], endpoints: [{address: 192.0.2.1}]" +
         more + "}\n";
}

std::string sidecar(const std::string& ns, const std::string& spec) {
  return "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s" +
         std::to_string(std::hash<std::string>()(spec) % 1000) + ", namespace: " + ns +
         "}\nspec: " + spec + "\n";
}

std::string routing(const std::string& ns, const std::string& host, const std::string& to,
                    const std::string& more = "") {
  return "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + host +
         ", namespace: " + ns + "}\nspec: {hosts: [" + host +
         "], http: [{route: [{destination: {host: " + to + "}}]}]" + more + "}\n";
}

const std::string kMesh =
    service("a", "one.a") + service("a", "own.a", ", exportTo: [\".\"]") + service("b", "one.b") +
    service("b", "some.b", ", exportTo: [a, c]") + service("b", "none.b", ", exportTo: [z]") +
    service("b", "hidden.b", ", exportTo: [\"~\"]") + service("a", "both.x") +
    service("b", "both.x") + service("c", "deep.c.example") + service("c", "far.c.example");

std::string seen(const std::string& yaml, const std::string& ns, const Labels& labels = {}) {
  const auto model = sample::model(yaml);
  Node node;
  node.ns = ns;
  node.labels = labels;
  std::string text;
  for (const auto* service : model->services_for(node))
    text += (text.empty() ? "" : " ") + service->host + "@" + service->ns;
  return text;
}

TEST_CASE("visibility: what is exported, its own namespace's first") {
  CHECK(seen(kMesh, "a") ==
        "both.x@a deep.c.example@c far.c.example@c one.a@a one.b@b own.a@a some.b@b");
  CHECK(seen(kMesh, "b") == "both.x@b deep.c.example@c far.c.example@c one.a@a one.b@b");
  CHECK(seen(kMesh, "c") == "both.x@a deep.c.example@c far.c.example@c one.a@a one.b@b some.b@b");
}

TEST_CASE("visibility: the egress of a Sidecar, the most special of them") {
  struct Row {
    const char* egress;
    const char* seen;
  };
  const Row rows[] = {
      {"\"./*\"", "both.x@a one.a@a own.a@a"},
      {"\"b/*\"", "both.x@b one.b@b some.b@b"},
      {"\"*/one.b\"", "one.b@b"},
      {"\"*/*.example\"", "deep.c.example@c far.c.example@c"},
      {"\"c/deep.c.example\", ./one.a", "deep.c.example@c one.a@a"},
      {"\"~/*\"", ""},
      {"\"b/none.b\"", ""},
  };
  for (const auto& row : rows) {
    INFO(row.egress);
    CHECK(seen(kMesh + sidecar("a", "{egress: [{hosts: [" + std::string(row.egress) + "]}]}"),
               "a") == row.seen);
  }
  const std::string root = sidecar("istio-system", "{egress: [{hosts: [\"*/one.a\"]}]}");
  const std::string wide = sidecar("a", "{egress: [{hosts: [\"*/one.b\"]}]}");
  const std::string own =
      sidecar("a", "{workloadSelector: {labels: {app: web}}, egress: [{hosts: [\"*/some.b\"]}]}");
  CHECK(seen(kMesh + root, "b") == "one.a@a");
  CHECK(seen(kMesh + root + wide, "a") == "one.b@b");
  CHECK(seen(kMesh + root + wide + own, "a", {{"app", "web"}}) == "some.b@b");
  CHECK(seen(kMesh + root + wide + own, "a", {{"app", "other"}}) == "one.b@b");
}

TEST_CASE("visibility: a VirtualService within the egress brings what it leads to") {
  const std::string own = sidecar("a", "{egress: [{hosts: [\"./*\"]}]}");
  const std::string front = routing("a", "front.a", "deep.c.example");
  CHECK(seen(kMesh + own + front, "a") == "both.x@a deep.c.example@c one.a@a own.a@a");
  // One of another namespace is not within it, and what is hidden stays so.
  CHECK(seen(kMesh + own + routing("b", "front.b", "deep.c.example"), "a") ==
        "both.x@a one.a@a own.a@a");
  CHECK(seen(kMesh + own + routing("a", "front.a", "none.b"), "a") == "both.x@a one.a@a own.a@a");

  const auto hosts = [](const std::string& yaml) {
    Node node;
    node.ns = "a";
    node.outbound = "127.0.0.1:15001";
    std::set<std::string> names;
    for (const auto& resource : compile_routes(*sample::model(yaml), node)) {
      envoy::config::route::v3::RouteConfiguration config;
      REQUIRE(config.ParseFromString(*resource.body));
      for (const auto& host : config.virtual_hosts()) names.insert(host.name());
    }
    return names;
  };
  CHECK(hosts(kMesh + own + front).contains("front.a:80"));
  CHECK_FALSE(hosts(kMesh + own + routing("b", "front.b", "one.b")).contains("front.b:80"));
  CHECK(hosts(kMesh + routing("b", "front.b", "one.b")).contains("front.b:80"));
  CHECK_FALSE(hosts(kMesh + routing("b", "front.b", "one.b", ", exportTo: [\".\"]"))
                  .contains("front.b:80"));
}

TEST_CASE("visibility: the egress of a Sidecar says whose VirtualServices hold") {
  // Where calls of namespace a to one.b go.
  const auto leads = [](const std::string& yaml) {
    Node node;
    node.ns = "a";
    node.outbound = "127.0.0.1:15001";
    for (const auto& resource : compile_routes(*sample::model(kMesh + yaml), node)) {
      envoy::config::route::v3::RouteConfiguration config;
      REQUIRE(config.ParseFromString(*resource.body));
      for (const auto& host : config.virtual_hosts())
        if (host.name() == "one.b:80") return host.routes(0).route().cluster();
    }
    return std::string();
  };
  const std::string there = "outbound|80||far.c.example";
  const std::string as_it_is = "outbound|80||one.b";
  const std::string exact = routing("c", "one.b", "far.c.example");
  const std::string wild =
      "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: wild, "
      "namespace: c}\nspec: {hosts: [\"*.b\"], http: [{route: [{destination: {host: "
      "far.c.example}}]}]}\n";
  struct Row {
    const char* egress;
    std::string exact, wild;
  };
  const Row rows[] = {
      {"\"*/*\"", there, there},
      {"\"b/*\", \"c/*\"", there, there},
      {"\"b/*\"", as_it_is, as_it_is},
      {"\"b/*\", \"./*\"", as_it_is, as_it_is},
      {"\"b/*\", \"c/one.b\"", there, there},
      {"\"b/*\", \"c/*.b\"", there, there},
      {"\"b/*\", \"c/two.b\"", as_it_is, there},
      {"\"b/*\", \"c/*.example\"", as_it_is, as_it_is},
  };
  CHECK(leads(exact) == there);
  CHECK(leads(wild) == there);
  for (const Row& row : rows) {
    CAPTURE(row.egress);
    const std::string scope =
        sidecar("a", "{egress: [{hosts: [" + std::string(row.egress) + "]}]}");
    CHECK(leads(exact + scope) == row.exact);
    CHECK(leads(wild + scope) == row.wild);
  }
  // What is kept out leaves its place to the next.
  CHECK(leads(routing("a", "one.b", "deep.c.example") + routing("b", "one.b", "far.c.example") +
              sidecar("a", "{egress: [{hosts: [\"b/*\"]}]}")) == there);
}

}  // namespace
