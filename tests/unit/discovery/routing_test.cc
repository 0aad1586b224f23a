// What a VirtualService's routes become: redirects, mirrors, CORS, rewrites, edits by
// destination, matches by caller, delegates. mesh-routing(7).
#include <catch2/catch.hpp>

#include "route/fault_rules.h"
#include "route/request_policy.h"
#include "route/rewrite.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::shared_ptr<const route::Table> table(const std::string& yaml,
                                          const Node& node = sample::node("web-1")) {
  const auto made = compile_routes(*sample::model(sample::kAll + yaml), node);
  REQUIRE(made.size() == 1);
  auto decoded = xds::decode_route_configuration(*made[0].body);
  if (!decoded) FAIL(decoded.error().text);
  return *decoded;
}

const route::Route& find(const route::Table& routes, std::string_view path,
                         std::string_view authority = "ratings") {
  const auto* found =
      routes.find({.authority = authority, .method = "GET", .scheme = "http", .path = path});
  if (found == nullptr) FAIL("no route for " << path);
  return *found;
}

std::string virtual_service(const std::string& name, const std::string& spec,
                            const std::string& ns = "demo") {
  return "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " +
         name + ", namespace: " + ns + "}\nspec: " + spec + "\n";
}

TEST_CASE("routing: a match says how its requests are counted, a delegate's before the root's") {
  const auto routes = table(
      virtual_service("ratings",
                      "{hosts: [ratings], http: [{match: [{uri: {prefix: /a}, "
                      "statPrefix: root}], delegate: {name: team}}]}") +
      virtual_service("team",
                      "{http: [{match: [{uri: {prefix: /a/b}, statPrefix: leaf}], route: "
                      "[{destination: {host: web}}]}, {route: [{destination: {host: web}}]}]}"));
  REQUIRE(find(*routes, "/a/b").policy);
  CHECK(find(*routes, "/a/b").policy->stat->prefix == "leaf");
  CHECK(find(*routes, "/a/c").policy->stat->prefix == "root");
}

TEST_CASE("routing: redirect, rewrite, mirror, CORS and edits of a destination") {
  const auto routes = table(sample::kRouting);
  const auto& redirect = *find(*routes, "/old").redirect;
  CHECK(redirect.status == 308);
  CHECK(redirect.host == "new.example.org");
  CHECK(redirect.path == "/new");
  CHECK_FALSE(redirect.port);  // derived: 80 of http is not written

  const auto& api = find(*routes, "/api/7/stars");
  std::string out;
  CHECK(route::rewrite_path(api, "/api/7/stars", out) == "/v7/stars");
  REQUIRE(api.mirrors.size() == 1);
  CHECK(api.mirrors[0].cluster == "outbound|80||web");
  CHECK(api.mirrors[0].share->per_million == 250'000);
  const auto* cors = route::value_in<route::CorsPolicy>(api.filters.get());
  REQUIRE(cors != nullptr);
  CHECK(cors->allow_methods == "GET,POST");
  CHECK(cors->max_age == "86400");
  CHECK(cors->allow_credentials == true);
  CHECK(cors->forward_not_matching_preflights == false);
  CHECK(holds(cors->allow_origins.at(0), "https://shop.example.org"));

  const auto& shared = find(*routes, "/");
  REQUIRE(shared.clusters.size() == 2);
  CHECK(shared.clusters[0].host_rewrite->text == "first");
  CHECK(shared.clusters[0].edits->request.at(0).format != nullptr);
  CHECK(shared.clusters[1].edits->response.at(0).name == "x-second");
  CHECK(shared.mirrors.size() == 2);
}

TEST_CASE("routing: the authority is given once, by the rewrite, the route or the destination") {
  struct Row {
    const char* route;  // of the only destination
    const char* headers;
    const char* want;
  };
  const Row rows[] = {
      {"rewrite: {authority: r}", "{request: {set: {host: d}}}", "r"},
      {"headers: {request: {set: {HOST: h}}}", "{request: {set: {host: d}}}", "h"},
      {"headers: {request: {add: {hOsT: h}}}", "{}", "h"},
      {"headers: {request: {set: {x: y}}}", "{request: {set: {':Authority': d}}}", "d"},
      {"headers: {request: {set: {x: y}}}", "{request: {set: {host: d}, add: {x: z}}}", "d"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.route, row.headers);
    const auto routes = table(virtual_service(
        "ratings", "{hosts: [ratings], http: [{" + std::string(row.route) +
                       ", route: [{destination: {host: web}, headers: " + row.headers + "}]}]}"));
    const auto& found = find(*routes, "/");
    REQUIRE(found.host_rewrite);
    CHECK(found.host_rewrite->text == row.want);
    for (const auto& edits : found.edits)
      for (const auto& edit : edits->request) CHECK(edit.name == "x");
  }
}

TEST_CASE("routing: an edit of the host in any case is of a share's own authority") {
  const auto routes = table(virtual_service(
      "ratings",
      "{hosts: [ratings], http: [{route: [{destination: {host: web}, weight: 1, headers: {request: "
      "{set: {HoSt: d}}}}, {destination: {host: reviews}, weight: 1}]}]}"));
  const auto& found = find(*routes, "/");
  REQUIRE(found.clusters.at(0).host_rewrite);
  CHECK(found.clusters[0].host_rewrite->text == "d");
  CHECK_FALSE(found.clusters[1].host_rewrite);
}

TEST_CASE("routing: a path that no request has takes none, and no table with it") {
  const auto routes = table(virtual_service(
      "ratings",
      "{hosts: [ratings], http: [{match: [{uri: {exact: '/a?x=1'}}, {uri: {prefix: '/a#'}}], "
      "directResponse: {status: 201}}, {directResponse: {status: 202}}]}"));
  CHECK(find(*routes, "/a?x=1").direct_status == 202);
  CHECK(find(*routes, "/a").direct_status == 202);
}

TEST_CASE("routing: an answer of our own may have a body of a megabyte") {
  const std::string body(1024 * 1024, 'a');
  const auto routes = table(virtual_service(
      "ratings",
      "{hosts: [ratings], http: [{directResponse: {status: 200, body: {string: " + body + "}}}]}"));
  CHECK(find(*routes, "/").direct_body.size() == body.size());
}

TEST_CASE("routing: an address in capitals is that address, and somebody's once") {
  const auto at = [](const std::string& name, const std::string& address) {
    return "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " +
           name + ", namespace: demo}\nspec: {hosts: [" + name + ".example], addresses: ['" +
           address + "'], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}]}\n";
  };
  const auto routes = table(at("a", "2001:DB8::1") + at("b", "2001:db8::1"));
  CHECK(find(*routes, "/", "[2001:db8::1]").clusters.at(0).cluster == "outbound|80||a.example");
}

TEST_CASE("routing: a condition of retries that is there twice is one") {
  std::string on = "5xx";
  for (int i = 0; i < 70; ++i) on += ",5xx";
  const auto routes = table(
      virtual_service("ratings", "{hosts: [ratings], http: [{retries: {attempts: 1, retryOn: '" +
                                     on + "'}, route: [{destination: {host: web}}]}]}"));
  CHECK(find(*routes, "/").retry->retry_on == resilience::kRetryOn5xx);
}

TEST_CASE("routing: a match for other callers, or for gateways, is left out") {
  const std::string yaml = virtual_service("ratings", R"({
    hosts: [ratings.demo.svc.cluster.local],
    http: [
      {match: [{sourceLabels: {app: web}}], directResponse: {status: 201}},
      {match: [{sourceNamespace: other}], directResponse: {status: 202}},
      {match: [{gateways: [door], uri: {prefix: /}}], directResponse: {status: 203}},
      {match: [{gateways: [door, mesh], sourceLabels: {app: x}}, {sourceNamespace: demo}],
       directResponse: {status: 204}},
      {directResponse: {status: 205}}]})");
  Node web = sample::node("web-1");
  web.labels = {{"app", "web"}};
  CHECK(find(*table(yaml, web), "/").direct_status == 201);
  Node plain = sample::node("web-1");
  plain.labels = {};
  CHECK(find(*table(yaml, plain), "/").direct_status == 204);
  Node other = plain;
  other.ns = "other";
  CHECK(find(*table(yaml, other), "/", "ratings.demo.svc.cluster.local").direct_status == 202);
  Node third = plain;
  third.ns = "third";
  CHECK(find(*table(yaml, third), "/", "ratings.demo.svc.cluster.local").direct_status == 205);
}

TEST_CASE("routing: a service none of whose routes is for the caller is called as without them") {
  const std::string ratings = "ratings.demo.svc.cluster.local";
  const std::string fault =
      "fault: {abort: {httpStatus: 555, percentage: {value: 100}}}, route: [{destination: {host: "
      "ratings}}]";
  struct Row {
    const char* match;
    const char* authority;
    const char* cluster;  // of the default route; empty: another one takes it, or none
  };
  const Row rows[] = {
      {"sourceLabels: {app: client}", "ratings", "outbound|80||ratings.demo.svc.cluster.local"},
      {"sourceLabels: {app: web}", "ratings", ""},
      {"sourceNamespace: other", "ratings", "outbound|80||ratings.demo.svc.cluster.local"},
      {"port: 80", "ratings", ""},
      {"port: 80", "ratings:81", "outbound|81||ratings.demo.svc.cluster.local"},
      {"gateways: [istio-system/gw]", "ratings", "outbound|80||ratings.demo.svc.cluster.local"},
      {"gateways: [istio-system/gw, mesh]", "ratings", ""},
      {"uri: {prefix: /other}", "ratings", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.match, row.authority);
    const auto routes = table(
        virtual_service("ratings", "{hosts: [" + ratings +
                                       "], gateways: [mesh, istio-system/gw], http: [{match: [{" +
                                       row.match + "}], " + fault + "}]}"));
    const auto* const found =
        routes->find({.authority = row.authority, .method = "GET", .scheme = "http", .path = "/"});
    const bool is_default = found != nullptr && found->name == "default";
    CHECK((is_default ? found->clusters.at(0).cluster : "") == row.cluster);
    if (is_default) CHECK(found->retry);
  }
  // A host that is nobody's but the VirtualService's is unknown to who has no route there.
  const std::string bare =
      "{hosts: [bare.example.org], http: [{match: [{sourceNamespace: other}], "
      "directResponse: {status: 201}}]}";
  CHECK(
      table(virtual_service("bare", bare))
          ->find(
              {.authority = "bare.example.org", .method = "GET", .scheme = "http", .path = "/"}) ==
      nullptr);
}

TEST_CASE("routing: a wildcard that no service has is a host of its own, at port 80") {
  const auto service = [](const std::string& host, const std::string& port) {
    return "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: more, "
           "namespace: demo}\nspec: {hosts: [\"" +
           host +
           "\"], location: MESH_EXTERNAL, resolution: STATIC, endpoints: [{address: 192.0.2.9}], "
           "ports: [{number: " +
           port + ", name: http, protocol: HTTP}]}\n";
  };
  const std::string wild = virtual_service(
      "wild",
      "{hosts: [\"*.legacy.example.org\", one.bare.example.org, \"*.demo.svc.cluster.local\"], "
      "http: [{directResponse: {status: 201}}]}");
  const std::string exact = virtual_service(
      "exact", "{hosts: [x.legacy.example.org], http: [{directResponse: {status: 202}}]}");
  struct Row {
    std::string yaml;
    const char* authority;
    const char* answer;  // a status, a cluster, or none
  };
  const Row rows[] = {
      {wild, "one.bare.example.org", "201"},
      {wild, "x.legacy.example.org", "201"},
      {wild, "x.legacy.example.org:80", "201"},
      {wild, "x.y.legacy.example.org", "201"},
      {wild, "x.legacy.example.org:8080", "none"},
      {wild, "legacy.example.org", "outbound|8080||legacy.example.org"},
      {wild + exact, "x.legacy.example.org", "202"},
      {wild + exact, "y.legacy.example.org", "201"},
      // A service of its range has it to itself.
      {wild + service("s.legacy.example.org", "80"), "s.legacy.example.org", "201"},
      {wild + service("s.legacy.example.org", "80"), "x.legacy.example.org", "none"},
      {wild, "ratings", "201"},
      {wild, "nobody.demo.svc.cluster.local", "none"},
      // One at other ports has not.
      {wild + service("s.legacy.example.org", "8080"), "x.legacy.example.org", "201"},
      {wild + service("s.legacy.example.org", "8080"), "s.legacy.example.org:8080", "201"},
      // And it is within the range of a service.
      {wild + service("*.example.org", "80"), "x.legacy.example.org", "outbound|80||*.example.org"},
      // No short form of a wildcard is everything.
      {service("*.demo.svc.cluster.local", "80"), "nobody", "none"},
      {service("*.demo.svc.cluster.local", "80"), "x.demo",
       "outbound|80||*.demo.svc.cluster.local"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.yaml, row.authority);
    const auto routes = table(row.yaml);
    const auto* const found =
        routes->find({.authority = row.authority, .method = "GET", .scheme = "http", .path = "/"});
    CHECK((found == nullptr       ? "none"
           : found->direct_status ? std::to_string(*found->direct_status)
                                  : found->clusters.at(0).cluster) == row.answer);
  }
}

TEST_CASE("routing: a fault has the share that it says, and without one none") {
  struct Row {
    const char* fault;
    uint32_t delay, abort;  // of a million
  };
  const Row rows[] = {
      {"delay: {fixedDelay: 1s}, abort: {httpStatus: 503}", 0, 0},
      {"delay: {fixedDelay: 1s, percent: 3}", 30'000, 0},
      {"delay: {fixedDelay: 1s, percentage: {value: 0.5}}", 5'000, 0},
      {"abort: {httpStatus: 503, percentage: {}}", 0, 0},
      {"abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}", 0, 1'000'000},
  };
  for (const Row& row : rows) {
    CAPTURE(row.fault);
    const auto routes = table(
        virtual_service("ratings", "{hosts: [ratings], http: [{fault: {" + std::string(row.fault) +
                                       "}, route: [{destination: {host: ratings}}]}]}"));
    const auto* const rules = route::value_in<route::FaultRules>(find(*routes, "/").filters.get());
    REQUIRE(rules != nullptr);
    CHECK(rules->policy.delay_share.per_million == row.delay);
    CHECK(rules->policy.abort_share.per_million == row.abort);
  }
}

TEST_CASE("routing: a delegate's routes stand in the place of those that name it") {
  const std::string root = virtual_service("root", R"({
    hosts: [ratings.demo.svc.cluster.local],
    http: [
      {name: a, match: [{uri: {prefix: /a}}], delegate: {name: leaf, namespace: teams},
       timeout: 7s, headers: {request: {set: {x-root: "1"}}}},
      {match: [{uri: {prefix: /gone}}], delegate: {name: hidden, namespace: teams}},
      {directResponse: {status: 404}}]})");
  const std::string leaves =
      virtual_service("leaf", R"({
    http: [
      {name: deep, match: [{uri: {prefix: /a/b}, method: {exact: GET}}],
       route: [{destination: {host: web}}], timeout: 1s},
      {match: [{uri: {prefix: /elsewhere}}], directResponse: {status: 500}},
      {match: [{uri: {regex: "/a/.*"}}], directResponse: {status: 501}},
      {route: [{destination: {host: reviews}}]}]})",
                      "teams") +
      virtual_service("hidden", R"({exportTo: ["."], http: [{directResponse: {status: 502}}]})",
                      "teams");
  const auto routes = table(root + leaves);
  const auto& deep = find(*routes, "/a/b/c");
  CHECK(deep.name == "a-deep");
  CHECK(deep.timeout == std::chrono::seconds(1));
  CHECK(deep.edits.at(0)->request.at(0).name == "x-root");
  const auto& rest = find(*routes, "/a/x");
  CHECK(rest.name == "a");
  CHECK(rest.clusters.at(0).cluster == "outbound|80||reviews");
  CHECK(rest.timeout == std::chrono::seconds(7));
  CHECK(find(*routes, "/elsewhere").direct_status == 404);
  CHECK(find(*routes, "/gone").direct_status == 404);
}

}  // namespace
