#include "discovery/compile/compile.h"

#include <catch2/catch.hpp>

#include <set>

#include <map>
#include "route/fault_rules.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using namespace std::chrono_literals;

std::vector<std::string> names(const std::vector<Resource>& resources) {
  std::vector<std::string> result;
  for (const auto& r : resources) result.push_back(r.name);
  return result;
}

const Resource& find(const std::vector<Resource>& resources, const std::string& name) {
  for (const auto& r : resources)
    if (r.name == name) return r;
  FAIL("no resource " << name);
  return resources.front();
}

template <class T>
T value(Result<T> result) {
  if (!result) FAIL(result.error().text);
  return *std::move(result);
}

std::shared_ptr<const xds::Cluster> cluster(const std::shared_ptr<const Model>& model,
                                            const std::string& name,
                                            const Node& node = sample::node("web-1")) {
  return value(xds::decode_cluster(*find(compile_clusters(*model, node), name).body));
}

std::shared_ptr<const route::Table> routes(const std::string& yaml) {
  const auto made = compile_routes(*sample::model(yaml), sample::node("web-1"));
  REQUIRE(made.size() == 1);
  return value(xds::decode_route_configuration(*made[0].body));
}

std::vector<std::string> addresses(const std::shared_ptr<const Model>& model,
                                   const std::string& host, const std::string& name) {
  const auto* service = model->find_service(host, "demo");
  REQUIRE(service != nullptr);
  const auto made = compile_endpoints(*model, *service, {.ns = "demo"});
  std::vector<std::string> result;
  const auto assignment = value(xds::decode_endpoints(*find(made, name).body));
  for (const auto& e : assignment->endpoints)
    result.push_back(xds::to_string(e.address) + (e.tls ? " tls" : ""));
  return result;
}

TEST_CASE("every resource of the sample is what our own data plane takes") {
  const auto model = sample::model(sample::kAll + sample::kRouting);
  for (const auto* workload : {"web-1", "reviews-v1", "ratings-1", "nobody"}) {
    const Node node = sample::node(workload);
    for (const auto& r : compile_listeners(*model, node)) value(xds::decode_listener(*r.body));
    for (const auto& r : compile_clusters(*model, node)) value(xds::decode_cluster(*r.body));
    for (const auto& r : compile_routes(*model, node))
      value(xds::decode_route_configuration(*r.body));
  }
}

TEST_CASE("clusters are named as Istio names them") {
  const auto model = sample::model(sample::kAll);
  CHECK(names(compile_clusters(*model, sample::node("reviews-v1"))) ==
        std::vector<std::string>{
            "outbound|8080||legacy.example.org", "outbound|80||ratings.demo.svc.cluster.local",
            "outbound|81||ratings.demo.svc.cluster.local", "outbound|80||reviews",
            "outbound|80|v1|reviews", "outbound|80|v2|reviews", "outbound|80|v3|reviews",
            "outbound|80||web", "inbound|20011||"});
}

TEST_CASE("a cluster without a rule has Istio's defaults") {
  const auto web = cluster(sample::model(sample::kAll), "outbound|80||web");
  CHECK(web->balancing.options.algorithm == balance::Algorithm::LeastRequest);
  CHECK(web->connect_timeout == 10s);
  CHECK(web->limits.max_requests == UINT32_MAX);
  CHECK(web->balancing.options.healthy_panic_percent == 0);
  CHECK_FALSE(web->outlier);
  CHECK(web->protocol == xds::UpstreamProtocol::Auto);
  REQUIRE(web->tls);
  CHECK_FALSE(web->tls_by_endpoint);
  CHECK(web->tls->subject_alt_uris ==
        std::vector<std::string>{"spiffe://cluster.local/ns/demo/sa/web"});
  CHECK(web->tls->alpn.empty());
  CHECK(web->tls->sni == "outbound_.80_._.web");
  CHECK(web->tls->tls_minimum == xds::TlsVersion::Tls13);
}

TEST_CASE("a DestinationRule's policy, and a subset's above it") {
  const auto model = sample::model(sample::kAll);
  const auto v1 = cluster(model, "outbound|80|v1|reviews");
  CHECK(v1->balancing.options.algorithm == balance::Algorithm::RoundRobin);
  CHECK(v1->connect_timeout == 2s);
  CHECK(v1->limits.max_connections == 50);
  CHECK(v1->limits.max_retries == UINT32_MAX);
  REQUIRE(v1->outlier);
  CHECK(v1->outlier->consecutive_5xx == 3);
  CHECK(v1->outlier->max_ejection_percent == 50);
  const auto v3 = cluster(model, "outbound|80|v3|reviews");
  CHECK(v3->balancing.options.algorithm == balance::Algorithm::Random);
  CHECK(v3->connect_timeout == 2s);
}

TEST_CASE("a rule that selects callers holds for those alone, and before the others'") {
  const auto rule = [](const std::string& name, const std::string& ns, const std::string& more,
                       int connections) {
    return "\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " +
           name + ", namespace: " + ns + "}\nspec: {host: legacy.example.org" + more +
           ", trafficPolicy: {connectionPool: {tcp: {maxConnections: " +
           std::to_string(connections) + "}}}}\n";
  };
  const auto limit = [](const std::string& yaml, const Node& node) {
    return cluster(sample::model(yaml), "outbound|8080||legacy.example.org", node)
        ->limits.max_connections;
  };
  const std::string yaml =
      sample::kAll + rule("all", "demo", "", 1) +
      rule("other", "demo", ", workloadSelector: {matchLabels: {app: other}}", 2) +
      rule("web", "demo", ", workloadSelector: {matchLabels: {app: web}}", 3) +
      rule("away", "elsewhere", ", workloadSelector: {matchLabels: {app: web}}", 4);
  const Node web = sample::node("web-1");
  CHECK(limit(yaml, web) == 3);
  CHECK(sample::model(yaml)->heeds().labels);
  Node without = web;
  without.labels.clear();
  CHECK(limit(yaml, without) == 1);
  Node outside = without;
  outside.ns = "elsewhere";
  CHECK(limit(yaml, outside) == 1);
  outside.labels = {{"app", "web"}};
  CHECK(limit(yaml, outside) == 4);
}

TEST_CASE("who is not of the mesh is spoken to in clear text") {
  const auto model = sample::model(sample::kAll);
  const auto legacy = cluster(model, "outbound|8080||legacy.example.org");
  CHECK_FALSE(legacy->tls);
  CHECK(legacy->protocol == xds::UpstreamProtocol::Http1);
  CHECK(addresses(model, "legacy.example.org", "outbound|8080||legacy.example.org") ==
        std::vector<std::string>{"192.0.2.7:9000"});
}

TEST_CASE("an instance without identity makes its service mixed") {
  const auto model = sample::model(sample::kAll + sample::kMixed);
  const auto web = cluster(model, "outbound|80||web");
  CHECK(web->tls_by_endpoint);
  CHECK(web->protocol == xds::UpstreamProtocol::Http1);
  CHECK(addresses(model, "web", "outbound|80||web") ==
        std::vector<std::string>{"127.0.0.1:20001 tls", "127.0.0.1:21001"});
}

TEST_CASE("PeerAuthentication decides the chains of a listener: the narrowest wins") {
  const auto policy = [](const std::string& ns, const std::string& spec) {
    return "\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p" +
           std::to_string(std::hash<std::string>{}(spec) % 1000) + ", namespace: " + ns +
           "}\nspec: " + spec + "\n";
  };
  const auto chains = [](const std::string& extra) {
    const auto model = sample::model(sample::kAll + extra);
    const auto made = compile_listeners(*model, sample::node("reviews-v1"));
    CHECK(names(made) == std::vector<std::string>{"outbound", "inbound|127.0.0.1|20011"});
    std::string result;
    const auto listener = value(xds::decode_listener(*made.at(1).body));
    for (const auto& chain : listener->filter_chains)
      result += chain.name + (chain.tls ? "!" : "") + " ";
    return result;
  };
  CHECK(chains("") == "tls! plain ");
  CHECK(chains(policy("istio-system", "{mtls: {mode: STRICT}}")) == "tls! ");
  CHECK(chains(policy("istio-system", "{mtls: {mode: STRICT}}") +
               policy("demo", "{mtls: {mode: DISABLE}}")) == "plain ");
  CHECK(chains(policy("demo", "{mtls: {mode: DISABLE}}") +
               policy("demo", "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}}")) ==
        "tls! ");
  CHECK(chains(policy("demo",
                      "{selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}, "
                      "portLevelMtls: {20011: {mode: PERMISSIVE}}}")) == "tls! plain ");
  CHECK(chains(policy("other", "{mtls: {mode: STRICT}}")) == "tls! plain ");
}

TEST_CASE("a listener's chains require certificates and serve the application") {
  const auto model = sample::model(sample::kAll);
  const auto made = compile_listeners(*model, sample::node("reviews-v1"));
  const auto listener = value(xds::decode_listener(*find(made, "inbound|127.0.0.1|20011").body));
  CHECK(listener->direction == xds::TrafficDirection::Inbound);
  const auto& chain = listener->filter_chains.at(0);
  CHECK(chain.tls->require_client_certificate);
  CHECK(chain.tls->subject_alt_uri_prefixes == std::vector<std::string>{"spiffe://cluster.local/"});
  REQUIRE(chain.route_config);
  const auto* route = chain.route_config->find(
      {.authority = "anything", .method = "GET", .scheme = "http", .path = "/"});
  REQUIRE(route != nullptr);
  CHECK(route->clusters.at(0).cluster == "inbound|20011||");
  CHECK(route->timeout == 0s);
  const auto inbound = cluster(model, "inbound|20011||", sample::node("reviews-v1"));
  REQUIRE(inbound->load_assignment);
  CHECK(xds::to_string(inbound->load_assignment->endpoints.at(0).address) == "127.0.0.1:20111");
}

TEST_CASE("without a Sidecar a workload's ports are those of its services") {
  const auto made = compile_listeners(*sample::model(sample::kAll), sample::node("ratings-1"));
  CHECK(names(made) ==
        std::vector<std::string>{"outbound", "inbound|10.0.0.9|80", "inbound|10.0.0.9|81"});
}

TEST_CASE("a client only has its outbound listener, on a Unix socket if it says so") {
  Node node = sample::node("");
  node.outbound = "/run/app.sock";
  node.outbound_mode = 0660;
  const auto made = compile_listeners(*sample::model(sample::kAll), node);
  REQUIRE(names(made) == std::vector<std::string>{"outbound"});
  const auto listener = value(xds::decode_listener(*made[0].body));
  CHECK(listener->address.path == "/run/app.sock");
  CHECK(listener->mode == 0660);
  CHECK(listener->filter_chains.at(0).route_config_name == "outbound");
}

TEST_CASE("virtual hosts: by host and port, short forms within the namespace") {
  const auto table = routes(sample::kAll);
  const auto host = [&](const std::string& authority) {
    const auto* found = table->find_host(authority);
    return found == nullptr ? "-" : found->name;
  };
  CHECK(host("reviews") == "reviews:80");
  CHECK(host("reviews:80") == "reviews:80");
  CHECK(host("reviews:81") == "-");
  CHECK(host("legacy.example.org") == "legacy.example.org:8080");
  CHECK(host("legacy.example.org:8080") == "legacy.example.org:8080");
  CHECK(host("ratings") == "ratings.demo.svc.cluster.local:80");
  CHECK(host("ratings.demo") == "ratings.demo.svc.cluster.local:80");
  CHECK(host("ratings.demo.svc.cluster.local:81") == "ratings.demo.svc.cluster.local:81");
  CHECK(host("elsewhere") == "-");
}

TEST_CASE("a VirtualService's routes in order") {
  const auto table = routes(sample::kAll);
  const auto& made = table->find_host("reviews")->routes;
  REQUIRE(made.size() == 2);
  CHECK(made[0].name == "jason");
  CHECK(made[0].match.fields.at(0).name == "end-user");
  CHECK(made[0].clusters.at(0).cluster == "outbound|80|v2|reviews");
  CHECK(made[0].timeout == 0s);
  REQUIRE(made[0].retry);
  CHECK(made[0].retry->num_retries == 2);
  CHECK(made[0].retry->retry_on ==
        (resilience::kRetryOnConnectFailure | resilience::kRetryOnRefusedStream |
         resilience::kRetryOnUnavailable | resilience::kRetryOnCancelled));
  CHECK(made[0].retry->avoid_tried_hosts);
  const auto* rules = route::value_in<route::FaultRules>(made[0].filters.get());
  REQUIRE(rules != nullptr);
  const auto* fault = &rules->policy;
  CHECK(fault->abort_share.per_million == 5000);
  CHECK(made[0].provenance == "VirtualService/demo/reviews http[0].match[0]");

  REQUIRE(made[1].clusters.size() == 2);
  CHECK(made[1].clusters[0].weight == 90);
  CHECK(made[1].clusters[1].cluster == "outbound|80|v3|reviews");
  CHECK(made[1].timeout == 5s);
  CHECK(made[1].retry->num_retries == 3);
  CHECK(made[1].retry->per_try_timeout == 2s);
  CHECK(made[1].retry->retriable_status_codes == std::vector<uint16_t>{503});
  CHECK(made[1].retry->retry_on == (resilience::kRetryOn5xx | resilience::kRetryOnReset |
                                    resilience::kRetryOnRetriableStatusCodes));
  CHECK(made[1].prefix_rewrite == "/api");
  CHECK(made[1].edits.at(0)->request.at(1).value == "10%");
  CHECK(made[1].edits.at(0)->request.at(0).kind == route::FieldEdit::Kind::Remove);
}

TEST_CASE("matches of every sort") {
  const auto table = routes(sample::kServices + sample::kWorkloads + R"(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: many, namespace: demo}
spec:
  hosts: [reviews, other.example.org]
  http:
  - match:
    - {uri: {exact: /a}, method: {exact: POST}}
    - {uri: {prefix: /b}, ignoreUriCase: true, queryParams: {q: {regex: "[0-9]+"}}}
    - {uri: {regex: "/c/.*"}, withoutHeaders: {x-a: {exact: b}, x-c: {}}}
    - {port: 99}
    route: [{destination: {host: web}}]
    retries: {attempts: 0}
  - directResponse: {status: 404, body: {string: "no"}}
  - route: [{destination: {host: never}}]
)");
  const auto cluster_of = [&](const std::string& authority, const std::string& method,
                              const std::string& path, const http::Fields* fields = nullptr) {
    static const http::Fields none;
    const auto* route = table->find({.authority = authority,
                                     .method = method,
                                     .scheme = "http",
                                     .path = path,
                                     .fields = fields == nullptr ? &none : fields});
    if (route == nullptr) return std::string("none");
    return route->direct_status ? std::to_string(*route->direct_status)
                                : route->clusters.at(0).cluster;
  };
  const std::string web = "outbound|80||web";
  CHECK(cluster_of("reviews", "POST", "/a") == web);
  CHECK(cluster_of("other.example.org", "POST", "/a") == web);
  CHECK(cluster_of("reviews", "GET", "/a") == "404");
  CHECK(cluster_of("reviews", "GET", "/B/x?q=12") == web);
  CHECK(cluster_of("reviews", "GET", "/B/x?q=z") == "404");
  CHECK(cluster_of("reviews", "GET", "/c/x") == web);
  const auto* host = table->find_host("reviews");
  REQUIRE(host != nullptr);
  REQUIRE(host->routes.size() == 4);
  CHECK_FALSE(host->routes[0].retry);
}

TEST_CASE("what is exported to nobody else is not seen, and a Sidecar narrows egress") {
  const std::string hidden = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: hidden, namespace: other}
spec:
  hosts: [hidden]
  exportTo: ["."]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: hidden}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: narrow, namespace: narrow}
spec: {egress: [{hosts: ["demo/reviews"]}]}
)";
  const auto model = sample::model(sample::kAll + hidden);
  CHECK(compile_clusters(*model, sample::node("web-1")).size() == 8);
  Node other = sample::node("");
  other.ns = "other";
  CHECK(compile_clusters(*model, other).size() == 6 + 3);
  Node narrow = sample::node("");
  narrow.ns = "narrow";
  CHECK(names(compile_clusters(*model, narrow)) ==
        std::vector<std::string>{"outbound|80||reviews", "outbound|80|v1|reviews",
                                 "outbound|80|v2|reviews", "outbound|80|v3|reviews"});
}

TEST_CASE("a service by name is a cluster that resolves, with its names in place") {
  const std::string named = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: named, namespace: demo}
spec:
  hosts: [api.example]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  endpoints: [{address: eu.example, locality: eu}, {address: 10.0.0.1}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: single, namespace: demo}
spec:
  hosts: [one.example]
  location: MESH_EXTERNAL
  resolution: DNS_ROUND_ROBIN
  ports: [{number: 80, name: http, protocol: HTTP}]
)";
  const auto model = sample::model(sample::kAll + named);
  std::map<std::string, std::shared_ptr<const xds::Cluster>> clusters;
  for (const auto& one : compile_clusters(*model, sample::node("web-1"))) {
    auto decoded = xds::decode_cluster(*one.body);
    REQUIRE(decoded);
    clusters[one.name] = *decoded;
  }
  using Discovery = xds::Cluster::Discovery;
  const auto& all = *clusters.at("outbound|80||api.example");
  CHECK(all.discovery == Discovery::StrictDns);
  CHECK(all.dns.refresh == std::chrono::seconds(60));
  const auto often = sample::model(sample::kAll + named + R"(
---
apiVersion: mesh/v1
kind: MeshConfig
metadata: {name: mesh, namespace: istio-system}
spec: {dnsRefreshRate: 2s}
)");
  for (const auto& one : compile_clusters(*often, sample::node("web-1")))
    if (one.name == "outbound|80||api.example")
      CHECK((*xds::decode_cluster(*one.body))->dns.refresh == std::chrono::seconds(2));
  std::set<std::string> hosts;
  for (const auto& e : all.load_assignment->endpoints) hosts.insert(xds::to_string(e.address));
  CHECK(hosts == std::set<std::string>{"10.0.0.1:8080", "eu.example:8080"});
  const auto& one = *clusters.at("outbound|80||one.example");
  CHECK(one.discovery == Discovery::LogicalDns);
  CHECK(xds::to_string(one.load_assignment->endpoints.at(0).address) == "one.example:80");
  const Service* const service = model->find_service("api.example", "demo");
  REQUIRE(service != nullptr);
  CHECK(compile_endpoints(*model, *service, sample::node("web-1")).empty());
}

TEST_CASE("endpoints of a subset, without those that are away") {
  const auto all = sample::model(sample::kAll);
  CHECK(addresses(all, "reviews", "outbound|80||reviews").size() == 3);
  CHECK(addresses(all, "reviews", "outbound|80|v2|reviews") ==
        std::vector<std::string>{"127.0.0.1:20012 tls"});
  const auto without = Model::build({}, sample::objects(sample::kAll), {}, [](const auto& key) {
    return key.second == "reviews-v2" ? Workload::State::Absent : Workload::State::Present;
  });
  CHECK(addresses(without, "reviews", "outbound|80||reviews").size() == 2);
  CHECK(addresses(without, "reviews", "outbound|80|v2|reviews").empty());
}

TEST_CASE("clusters and endpoints say for the metrics what they are of") {
  const auto model = sample::model(sample::kAll);
  const auto service_in = [&](const std::string& cluster) {
    for (const auto& one : compile_clusters(*model, sample::node("reviews-v1", "reviews")))
      if (one.name == cluster) return (*xds::decode_cluster(*one.body))->service;
    return xds::ServiceName{"no such cluster", "", ""};
  };
  CHECK(service_in("outbound|80||ratings.demo.svc.cluster.local") ==
        xds::ServiceName{"ratings.demo.svc.cluster.local", "ratings", "demo"});
  CHECK(service_in("inbound|20011||") == xds::ServiceName{"reviews", "reviews", "demo"});
  const auto* service = model->find_service("reviews", "demo");
  REQUIRE(service != nullptr);
  const auto assignment =
      xds::decode_endpoints(*compile_endpoints(*model, *service, {.ns = "demo"})[0].body);
  REQUIRE(assignment);
  CHECK((*assignment)->endpoints[0].workload ==
        xds::WorkloadName{"reviews-v1", "demo", "reviews", "v1", ""});
}

TEST_CASE("a registered instance is an endpoint and has listeners") {
  Workload v4{.ns = "demo",
              .name = "reviews-v4",
              .address = "127.0.0.1",
              .ports = {{"http", 20014}},
              .labels = {{"app", "reviews"}, {"version", "v1"}},
              .locality = {},
              .service_account = "reviews",
              .source = Workload::Source::Registered};
  const auto model = sample::model(sample::kAll, {v4});
  CHECK(addresses(model, "reviews", "outbound|80|v1|reviews") ==
        std::vector<std::string>{"127.0.0.1:20011 tls", "127.0.0.1:20014 tls"});
  CHECK(cluster(model, "inbound|20011||", sample::node("reviews-v4"))->load_assignment);
}

TEST_CASE("one endpoint's change is the change of its assignments alone") {
  const auto before = sample::model(sample::kAll);
  const auto after = Model::build({}, sample::objects(sample::kAll), {}, [](const auto& key) {
    return key.second == "reviews-v3" ? Workload::State::Absent : Workload::State::Present;
  });
  const Node node = sample::node("web-1");
  const auto same = [](const std::vector<Resource>& a, const std::vector<Resource>& b) {
    REQUIRE(a.size() == b.size());
    std::vector<std::string> changed;
    for (size_t i = 0; i < a.size(); ++i)
      if (a[i].version != b[i].version) changed.push_back(a[i].name);
    return changed;
  };
  const std::vector<std::string> none;
  CHECK(same(compile_listeners(*before, node), compile_listeners(*after, node)) == none);
  CHECK(same(compile_routes(*before, node), compile_routes(*after, node)) == none);
  CHECK(same(compile_clusters(*before, node), compile_clusters(*after, node)) == none);
  const auto endpoints = [](const Model& model) {
    return compile_endpoints(model, *model.find_service("reviews", "demo"), {.ns = "demo"});
  };
  CHECK(same(endpoints(*before), endpoints(*after)) ==
        std::vector<std::string>{"outbound|80||reviews", "outbound|80|v3|reviews"});
}

}  // namespace
