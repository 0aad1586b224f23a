// HTTPRoutes and GRPCRoutes as the forwarder has them: mesh-routing(7), "GATEWAY API".
#include <catch2/catch.hpp>

#include "route/redirect.h"
#include "route/rewrite.h"
#include "route/stateful_session.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;

std::string api(const std::string& kind, const std::string& name, const std::string& spec,
                const std::string& ns = "demo") {
  return "\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: " + kind +
         "\nmetadata: {name: " + name + ", namespace: " + ns + "}\nspec:\n" + spec;
}

const std::string kDoor =
    "\n---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: door, namespace: "
    "demo}\nspec: {selector: {app: edge}, servers: [{port: {number: 8080, name: http, protocol: "
    "HTTP}, hosts: [\"*\"]}, {port: {number: 8081, name: other, protocol: HTTP}, hosts: "
    "[\"*\"]}]}\n";

std::string web(const std::string& more) {
  return "backendRefs: [{name: web, port: 80}]" + (more.empty() ? "" : ", " + more);
}

using Tables = std::map<std::string, std::shared_ptr<const route::Table>>;

Tables compile(const std::string& yaml, Node node) {
  const auto model = sample::model(sample::kServices + sample::kWorkloads + kDoor + yaml);
  Tables tables;
  for (const auto& one : compile_routes(*model, node)) {
    auto decoded = xds::decode_route_configuration(*one.body);
    if (!decoded) FAIL(decoded.error().text);
    tables[one.name] = *decoded;
  }
  return tables;
}

// Of the gateway's port 8080.
std::shared_ptr<const route::Table> edge(const std::string& yaml,
                                         const std::string& table = "http.8080") {
  Node node = sample::node("edge-1");
  node.workload.clear();
  node.outbound.clear();
  return compile(yaml, node).at(table);
}

std::shared_ptr<const route::Table> inside(const std::string& yaml, const std::string& ns) {
  Node node = sample::node("web-1");
  node.ns = ns;
  return compile(yaml, node).at("outbound");
}

struct Call {
  std::string path;
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string authority = "a.example";
};

// "CLUSTER PATH", the status of a direct answer, "STATUS LOCATION", or "none".
std::string where(const route::Table& table, const Call& call) {
  http::Fields fields;
  for (const auto& [name, value] : call.headers) fields.add(name, value);
  const route::Request request{.authority = call.authority,
                               .method = call.method,
                               .scheme = "http",
                               .path = call.path,
                               .fields = &fields};
  const auto* found = table.find(request);
  if (found == nullptr) return "none";
  if (found->redirect)
    return std::to_string(found->redirect->status) + " " + route::location(*found, request, "");
  if (found->direct_status) return std::to_string(*found->direct_status);
  std::string out;
  const auto path = route::rewrite_path(*found, call.path, out);
  return found->clusters.at(0).cluster.substr(9) + " " + std::string(path);
}

struct Row {
  Call call;
  const char* want;
};

void check(const route::Table& table, std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.call.method, row.call.path);
    CHECK(where(table, row.call) == row.want);
  }
}

std::string at_door(const std::string& rules) {
  return "  parentRefs: [{name: door}]\n  hostnames: [a.example]\n  rules:\n" + rules;
}

TEST_CASE("gateway api: the most exact match decides, of all routes of a host") {
  const auto table =
      edge(api("HTTPRoute", "b",
               at_door("  - {backendRefs: [{name: web, port: 80}]}\n"
                       "  - {matches: [{path: {value: /a}}], " +
                       web("name: p") +
                       "}\n"
                       "  - {matches: [{path: {value: /a}, method: POST}], backendRefs: [{name: "
                       "reviews, port: 80}]}\n")) +
           api("HTTPRoute", "a",
               at_door("  - {matches: [{path: {type: Exact, value: /a/b}}], backendRefs: [{name: "
                       "ratings, port: 80}]}\n"
                       "  - {matches: [{path: {value: /a/b}}], backendRefs: [{name: reviews, port: "
                       "80}]}\n"
                       "  - {matches: [{headers: [{name: X-A, value: b}]}], backendRefs: [{name: "
                       "ratings, port: 80}]}\n"
                       "  - {matches: [{path: {type: RegularExpression, value: /r.*}}], "
                       "backendRefs: [{name: reviews, port: 80}]}\n")));
  check(*table, {{{"/"}, "80||web /"},
                 {{"/a"}, "80||web /a"},
                 {{"/a/"}, "80||web /a/"},
                 {{"/ab", "POST"}, "80||web /ab"},
                 {{"/a/x", "POST"}, "80||reviews /a/x"},
                 {{"/a/b"}, "80||ratings.demo.svc.cluster.local /a/b"},
                 {{"/a/b/c"}, "80||reviews /a/b/c"},
                 {{"/a/b/c", "POST"}, "80||reviews /a/b/c"},
                 {{"/x", "GET", {{"x-a", "b"}}}, "80||ratings.demo.svc.cluster.local /x"},
                 {{"/x", "GET", {{"x-a", "c"}}}, "80||web /x"},
                 {{"/a", "GET", {{"x-a", "b"}}}, "80||web /a"},
                 {{"/", "GET", {}, "b.example"}, "none"}});
}

TEST_CASE("gateway api: among equals the first by name, then by place") {
  const auto equal = [](const std::string& name, const std::string& to) {
    return api("HTTPRoute", name,
               at_door("  - {matches: [{path: {value: /a}}], backendRefs: [{name: " + to +
                       ", port: 80}]}\n  - {matches: [{path: {value: /a}}], backendRefs: [{name: "
                       "ratings, port: 80}]}\n"));
  };
  const auto table = edge(equal("z", "web") + equal("y", "reviews"));
  check(*table, {{{"/a"}, "80||reviews /a"}});
}

TEST_CASE("gateway api: at a Gateway the order is one, of all namespaces") {
  const auto door = [](const std::string& ns, const std::string& name, const std::string& path,
                       const std::string& to, const std::string& host = "a.example") {
    return api("HTTPRoute", name,
               "  parentRefs: [{name: door, namespace: demo}]\n  hostnames: [\"" + host +
                   "\"]\n  rules:\n  - {matches: [{path: {value: " + path +
                   "}}], backendRefs: [{name: " + to + ", namespace: demo, port: 80}]}\n",
               ns);
  };
  const auto table = edge(door("demo", "m", "/a", "web") + door("zeta", "m", "/a/b", "reviews") +
                          door("demo", "m2", "/a/b/c", "web") + door("zeta", "a", "/e", "reviews") +
                          door("demo", "z", "/e", "web") + door("alpha", "z", "/f", "reviews") +
                          door("demo", "a", "/f", "web"));
  check(*table, {{{"/a/x"}, "80||web /a/x"},
                 {{"/a/b"}, "80||reviews /a/b"},
                 {{"/a/b/c"}, "80||web /a/b/c"},
                 {{"/e"}, "80||web /e"},
                 {{"/f"}, "80||reviews /f"}});
}

TEST_CASE("gateway api: paths are rewritten as a whole or by their prefix") {
  const auto rewrite = [](const std::string& match, const std::string& path) {
    return "  - {matches: [{path: {value: " + match + "}}], " +
           web("filters: [{type: URLRewrite, urlRewrite: {path: {" + path + "}}}]") + "}\n";
  };
  const auto table =
      edge(api("HTTPRoute", "a",
               at_door(rewrite("/p", "type: ReplacePrefixMatch, replacePrefixMatch: /q") +
                       rewrite("/s/", "type: ReplacePrefixMatch, replacePrefixMatch: /t/") +
                       rewrite("/gone", "type: ReplacePrefixMatch, replacePrefixMatch: /") +
                       rewrite("/full", "type: ReplaceFullPath, replaceFullPath: '/one\\1'"))));
  check(*table, {{{"/p"}, "80||web /q"},
                 {{"/p/x?y=z"}, "80||web /q/x?y=z"},
                 {{"/px"}, "none"},
                 {{"/s"}, "80||web /t"},
                 {{"/s/x"}, "80||web /t/x"},
                 {{"/gone"}, "80||web /"},
                 {{"/gone/x"}, "80||web /x"},
                 {{"/full/x/y?z"}, "80||web /one\\1?z"}});
}

TEST_CASE("gateway api: redirects") {
  const auto redirect = [](const std::string& match, const std::string& to) {
    return "  - {matches: [{path: {value: " + match +
           "}}], filters: [{type: RequestRedirect, requestRedirect: {" + to + "}}]}\n";
  };
  const auto table =
      edge(api("HTTPRoute", "a",
               at_door(redirect("/s", "scheme: https, statusCode: 301") +
                       redirect("/h", "hostname: b.example") +
                       redirect("/p",
                                "port: 9000, path: {type: ReplacePrefixMatch, replacePrefixMatch: "
                                "/q}") +
                       redirect("/f",
                                "path: {type: ReplaceFullPath, replaceFullPath: /one}, statusCode: "
                                "308"))));
  check(*table, {{{"/s/x?y"}, "301 https://a.example/s/x?y"},
                 {{"/h/x"}, "302 http://b.example:8080/h/x"},
                 {{"/p"}, "302 http://a.example:9000/q"},
                 {{"/p/x"}, "302 http://a.example:9000/q/x"},
                 {{"/f/x"}, "308 http://a.example/one"}});
}

TEST_CASE("gateway api: weights, and who may not get anything") {
  const auto table = edge(api(
      "HTTPRoute", "a",
      at_door("  - {matches: [{path: {value: /w}}], backendRefs: [{name: web, port: 80, weight: "
              "3}, {name: reviews, port: 80}, {name: ratings, port: 80, weight: 0}]}\n"
              "  - {matches: [{path: {value: /none}}]}\n"
              "  - {matches: [{path: {value: /zero}}], backendRefs: [{name: web, port: 80, "
              "weight: 0}]}\n")));
  check(*table, {{{"/none"}, "500"}, {{"/zero"}, "500"}});
  const auto* found =
      table->find({.authority = "a.example", .method = "GET", .scheme = "http", .path = "/w"});
  REQUIRE(found != nullptr);
  REQUIRE(found->clusters.size() == 2);
  CHECK(found->clusters[0].cluster == "outbound|80||web");
  CHECK(found->clusters[0].weight == 3);
  CHECK(found->clusters[1].weight == 1);
}

TEST_CASE("gateway api: a backend that is not there is 500 to HTTP, 503 to gRPC") {
  const std::string rules =
      "  - {backendRefs: [{name: nosuch, port: 80}, {name: web, port: 80}]}\n";
  const auto status = [](const route::Table& table) {
    const auto* const found =
        table.find({.authority = "a.example", .method = "POST", .scheme = "http", .path = "/a"});
    REQUIRE(found != nullptr);
    REQUIRE(found->clusters.size() == 2);
    CHECK(found->clusters[0].cluster == "outbound|80||nosuch.demo.svc.cluster.local");
    return found->cluster_not_found_status;
  };
  CHECK(status(*edge(api("HTTPRoute", "a", at_door(rules)))) == 500);
  CHECK(status(*edge(api("GRPCRoute", "a", at_door(rules)))) == 503);
}

TEST_CASE("gateway api: headers, mirrors, timeouts, retries and other origins") {
  const auto table = edge(
      api("HTTPRoute", "a",
          at_door("  - name: all\n"
                  "    backendRefs: [{name: web, port: 80}]\n"
                  "    timeouts: {request: 10s, backendRequest: 2s}\n"
                  "    retry: {attempts: 3, codes: [504]}\n"
                  "    filters:\n"
                  "    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, "
                  "value: 100%}], remove: [x-b]}}\n"
                  "    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-c, "
                  "value: d}]}}\n"
                  "    - {type: RequestMirror, requestMirror: {backendRef: {name: reviews, port: "
                  "80}, fraction: {numerator: 1, denominator: 4}}}\n"
                  "    - {type: CORS, cors: {allowOrigins: ['https://*.example.com'], "
                  "allowMethods: [GET]}}\n")));
  const auto* found =
      table->find({.authority = "a.example", .method = "GET", .scheme = "http", .path = "/"});
  REQUIRE(found != nullptr);
  CHECK(found->name == "all");
  CHECK(found->timeout == std::chrono::seconds(10));
  REQUIRE(found->retry);
  CHECK(found->retry->num_retries == 3);
  CHECK(found->retry->per_try_timeout == std::chrono::seconds(2));
  REQUIRE(found->mirrors.size() == 1);
  CHECK(found->mirrors[0].cluster == "outbound|80||reviews");
  CHECK_FALSE(found->edits.empty());
  CHECK(found->filters);
}

TEST_CASE("gateway api: calls of gRPC by service and method") {
  const auto to = [](const std::string& method, const std::string& name) {
    return "  - {matches: [{method: {" + method + "}}], backendRefs: [{name: " + name +
           ", port: 80}]}\n";
  };
  const auto table = edge(api("GRPCRoute", "g",
                              at_door(to("method: Get", "web") + to("service: a.B", "reviews") +
                                      to("service: a.B, method: Get", "ratings") +
                                      to("type: RegularExpression, service: 'x\\..*'", "web")) +
                                  "  - {matches: [{headers: [{name: x-none, value: a}]}]}\n"));
  check(*table, {{{"/a.B/Get", "POST"}, "80||ratings.demo.svc.cluster.local /a.B/Get"},
                 {{"/a.B/Put", "POST"}, "80||reviews /a.B/Put"},
                 {{"/c.D/Get", "POST"}, "80||web /c.D/Get"},
                 {{"/x.Y/Put", "POST"}, "80||web /x.Y/Put"},
                 {{"/c.D/Put", "POST"}, "none"},
                 {{"/c.D/Put", "POST", {{"x-none", "a"}}}, "503"}});
}

TEST_CASE("gateway api: a port or a section of the Gateway") {
  const auto route = [](const std::string& parent) {
    return api("HTTPRoute", "a",
               "  parentRefs: [{name: door, " + parent +
                   "}]\n  rules:\n  - {backendRefs: [{name: web, port: 80}]}\n");
  };
  for (const char* parent : {"port: 8081", "sectionName: other"}) {
    check(*edge(route(parent)), {{{"/"}, "none"}});
    check(*edge(route(parent), "http.8081"), {{{"/"}, "80||web /"}});
  }
}

TEST_CASE("gateway api: routes of a service, for all callers or for those of a namespace") {
  const auto route = [](const std::string& ns) {
    return api(
        "HTTPRoute", "a",
        "  parentRefs: [{kind: Service, group: \"\", name: web, namespace: demo}]\n  rules:\n"
        "  - {matches: [{path: {value: /r}}], backendRefs: [{name: reviews, namespace: demo, "
        "port: 80}]}\n  - {backendRefs: [{name: web, namespace: demo, port: 80}]}\n",
        ns);
  };
  const auto call = [](const std::string& path) {
    Call one{path};
    one.authority = "web";
    return one;
  };
  check(*inside(route("demo"), "other"), {{call("/r/x"), "80||reviews /r/x"}});
  check(*inside(route("other"), "other"), {{call("/r/x"), "80||reviews /r/x"}});
  check(*inside(route("other"), "demo"), {{call("/r/x"), "80||web /r/x"}});
  // What a VirtualService says goes before it.
  check(*inside(route("demo") +
                    "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: "
                    "{name: v, namespace: demo}\nspec: {hosts: [web], http: [{directResponse: "
                    "{status: 204}}]}\n",
                "other"),
        {{call("/r/x"), "204"}});
}

TEST_CASE("gateway api: routes of one port of a service leave the others as they are") {
  const auto table =
      inside(api("HTTPRoute", "a",
                 "  parentRefs: [{kind: Service, group: \"\", name: ratings, port: 80}]\n  rules:\n"
                 "  - {matches: [{path: {value: /r}}], backendRefs: [{name: web, port: 80}]}\n"),
             "demo");
  const auto call = [](const std::string& path, const std::string& authority) {
    Call one{path};
    one.authority = authority;
    return one;
  };
  check(*table, {{call("/r/x", "ratings"), "80||web /r/x"},
                 {call("/x", "ratings"), "none"},
                 {call("/x", "ratings:81"), "81||ratings.demo.svc.cluster.local /x"}});
}

TEST_CASE("gateway api: sessions by cookie or header, of each rule") {
  const auto session = [](const std::string& persistence, const std::string& kind = "HTTPRoute") {
    const auto table =
        edge(api(kind, "a",
                 "  parentRefs: [{name: door}]\n  rules: [{" +
                     web("sessionPersistence: {" + persistence + "}") + "}]\n") +
             "\n---\napiVersion: mesh/v1\nkind: ServicePolicy\nmetadata: {name: web, namespace: "
             "demo}\nspec: {host: web, stickySession: {header: x-other}}\n");
    const auto* const found =
        table->find({.authority = "a.example", .method = "GET", .scheme = "http", .path = "/"});
    REQUIRE(found != nullptr);
    REQUIRE(found->filters != nullptr);
    for (const auto& filter : *found->filters)
      if (const auto* const value = route::value_of<route::StatefulSession>(filter.config.get()))
        return *value;
    FAIL("no session");
    return route::StatefulSession();
  };
  using By = route::StatefulSession::By;
  const auto named = session(
      "sessionName: shop, absoluteTimeout: 1h, cookieConfig: {lifetimeType: "
      "Permanent}");
  CHECK(named.by == By::Cookie);
  CHECK(named.name == "shop");
  CHECK(named.ttl == std::chrono::hours(1));
  CHECK(named.path == "/");
  const auto own = session("type: Cookie", "GRPCRoute");
  CHECK_THAT(own.name, Catch::StartsWith("mesh-session-"));
  CHECK(own.name.size() == 21);
  CHECK(own.ttl.count() == 0);
  CHECK(session("").name != own.name);  // another rule's
  const auto header = session("type: Header, sessionName: X-Shop");
  CHECK(header.by == By::Header);
  CHECK(header.name == "x-shop");
}

}  // namespace
