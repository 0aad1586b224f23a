// HTTPRoutes and GRPCRoutes of a Service from YAML to the wire: mesh-routing(7), "GATEWAY API".
#include <catch2/catch.hpp>
#include <set>

#include "scenario/mesh.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string api_route(const std::string& kind, const std::string& name, const std::string& rules) {
  return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: " + kind +
         "\nmetadata: {name: " + name +
         ", namespace: demo}\nspec:\n  parentRefs: [{group: \"\", kind: Service, name: " +
         "reviews}]\n  rules:\n" + rules;
}

std::string to(const std::string& name, const std::string& more = "") {
  return "backendRefs: [{name: " + name + ", port: 80" + more + "}]";
}
std::string rule(const std::string& fields) { return "  - {" + fields + "}\n"; }

// Answers with its name, the path it was asked for and the field that routes set.
void echo(Origin& origin) {
  origin.handle([&origin](const Message& request, Wire& wire) {
    const size_t begin = request.start.find(' ') + 1;
    const std::string path = request.start.substr(begin, request.start.find(' ', begin) - begin);
    return wire.send(
        support::response(200, origin.name() + " " + path + " " + request.field("x-route")));
  });
}

}  // namespace

TEST_CASE("mesh: routes of the Gateway API, the most exact match first", "[forwarder]") {
  const uint32_t count = workers();
  Origin reviews("reviews"), ratings("ratings");
  for (Origin* origin : {&reviews, &ratings}) echo(*origin);
  const std::string services = instance("web", "web-1", 9) + service("reviews") +
                               instance("reviews", "reviews-1", reviews.port()) +
                               service("ratings") +
                               instance("ratings", "ratings-1", ratings.port());
  const std::string all =
      api_route("HTTPRoute", "all",
                "  - backendRefs: [{name: reviews, port: 80}]\n"
                "  - matches: [{path: {value: /stars}}]\n"
                "    filters:\n"
                "    - {type: RequestHeaderModifier, requestHeaderModifier: {set: "
                "[{name: x-route, value: 100%}]}}\n"
                "    - {type: URLRewrite, urlRewrite: {path: {type: "
                "ReplacePrefixMatch, replacePrefixMatch: /v2}}}\n"
                "    backendRefs: [{name: ratings, port: 80}]\n"
                "  - matches: [{path: {value: /gone}}]\n"
                "  - matches: [{path: {value: /lost}}]\n"
                "    backendRefs: [{name: nosuch, port: 80}]\n"
                "  - matches: [{path: {value: /half}}]\n"
                "    backendRefs: [{name: nosuch, port: 80}, {name: ratings, port: 80}]\n");
  const std::string exact = api_route("HTTPRoute", "exact",
                                      "  - matches: [{path: {type: Exact, value: /stars/all}}]\n"
                                      "    backendRefs: [{name: reviews, port: 80}]\n");
  const std::string calls = api_route("GRPCRoute", "calls",
                                      "  - matches: [{method: {service: a.B, method: Get}}]\n"
                                      "    backendRefs: [{name: ratings, port: 80}]\n"
                                      "  - matches: [{method: {service: a.B, method: Lost}}]\n"
                                      "    backendRefs: [{name: nosuch, port: 80}]\n");
  Mesh mesh(services + all + exact + calls);
  Proxy& web = mesh.start("web-1", count);
  const auto at = [&](const std::string& path) {
    const auto answer = support::get(web.port("outbound"), path, "reviews");
    return answer.status == 200 ? answer.body : std::to_string(answer.status);
  };
  CHECK(at("/") == "reviews / ");
  CHECK(at("/stars/5?a=b") == "ratings /v2/5?a=b 100%");
  CHECK(at("/stars") == "ratings /v2 100%");
  CHECK(at("/starship") == "reviews /starship ");
  CHECK(at("/stars/all") == "reviews /stars/all ");
  CHECK(at("/a.B/Get") == "ratings /a.B/Get ");
  CHECK(at("/a.B/Put") == "reviews /a.B/Put ");
  CHECK(at("/gone/x") == "500");
  CHECK(at("/lost") == "500");
  CHECK(at("/a.B/Lost") == "503");
  // A share of a backend that is not there: all of forty on one side are one of 2^39.
  std::set<std::string> half;
  for (int i = 0; i < 40; ++i) half.insert(at("/half"));
  CHECK(half == std::set<std::string>{"500", "ratings /half "});
  mesh.apply(services + exact);
  CHECK(at("/stars/5") == "404");
}

TEST_CASE("mesh: of rules of several routes of the Gateway API the most exact decides",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin reviews("reviews"), ratings("ratings"), details("details");
  std::string services = instance("web", "web-1", 9);
  for (Origin* origin : {&reviews, &ratings, &details}) {
    echo(*origin);
    services +=
        service(origin->name()) + instance(origin->name(), origin->name() + "-1", origin->port());
  }
  // By name and place the least exact come first.
  const auto route = [](const std::string& name, const std::string& rules) {
    return api_route("HTTPRoute", name, rules);
  };
  const std::string routes =
      route("a", rule(to("reviews")) +
                     rule("matches: [{path: {type: RegularExpression, value: '/r[0-9]+'}}], " +
                          to("details")) +
                     rule("matches: [{path: {value: /a}}], " + to("details"))) +
      route("b", rule("matches: [{path: {value: /a}, headers: [{name: x-a, value: '1'}]}], " +
                      to("ratings")) +
                     rule("matches: [{path: {value: /r}}], " + to("ratings")) +
                     rule("matches: [{path: {value: /a}, queryParams: [{name: q, value: '1'}]}], " +
                          to("reviews"))) +
      route("c", rule("matches: [{path: {value: /a}, method: PUT}], " + to("reviews")) +
                     rule("matches: [{path: {value: /a}, method: GET, headers: [{name: x-b, value: "
                          "'1'}]}], " +
                          to("details"))) +
      route("d", rule("matches: [{path: {value: /a/b}}], " + to("ratings")) +
                     rule("matches: [{path: {value: /a}, headers: [{name: x-a, value: '1'}, {name: "
                          "x-c, value: '1'}]}], " +
                          to("details"))) +
      route("e", rule("matches: [{path: {type: Exact, value: /a/b}}], " + to("reviews"))) +
      route("y", rule("matches: [{path: {value: /same}}], " + to("ratings"))) +
      route("z", rule("matches: [{path: {value: /same}}], " + to("details")));
  Mesh mesh(services + routes);
  Proxy& web = mesh.start("web-1", count);
  struct Row {
    const char* because;
    const char* path;
    const char* fields;
    const char* want;
  };
  const Row rows[] = {
      {"nothing better", "/x", "", "reviews"},
      {"a prefix before a shorter one", "/a", "", "details"},
      {"a longer prefix", "/a/b/c", "x-a: 1\r\n", "ratings"},
      {"an exact path", "/a/b", "x-a: 1\r\n", "reviews"},
      {"a prefix of whole elements", "/ab", "", "reviews"},
      {"a prefix, be it that of all, before a regex", "/r7", "", "reviews"},
      {"a header before none", "/a", "x-a: 1\r\n", "ratings"},
      {"two headers before one", "/a", "x-a: 1\r\nx-c: 1\r\n", "details"},
      {"a method before headers", "/a", "x-a: 1\r\nx-b: 1\r\n", "details"},
      {"a parameter before none", "/a?q=1", "", "reviews"},
      {"a header before a parameter", "/a?q=1", "x-a: 1\r\n", "ratings"},
      {"among equals the first by name", "/same", "", "ratings"},
  };
  for (const Row& row : rows) {
    INFO(row.because);
    const auto answer = support::get(web.port("outbound"), row.path, "reviews", row.fields);
    CHECK(answer.body.substr(0, answer.body.find(' ')) == row.want);
  }
  // A route that goes leaves the next.
  mesh.apply(services + route("z", rule("matches: [{path: {value: /same}}], " + to("details"))));
  CHECK(support::get(web.port("outbound"), "/same", "reviews").body.starts_with("details "));
}

TEST_CASE("mesh: fields of HTTPRoutes and GRPCRoutes on the wire", "[forwarder]") {
  const uint32_t count = workers();
  Origin reviews("reviews"), ratings("ratings"), shadow("shadow");
  std::string services = instance("web", "web-1", 9);
  for (Origin* origin : {&reviews, &ratings, &shadow}) {
    origin->handle([origin](const Message& request, Wire& wire) {
      if (request.start.find("/slow") != std::string::npos) {
        wire.closed();
        return false;
      }
      if (request.start.find("/broken") != std::string::npos && origin->requests() % 2 == 1)
        return wire.send(support::response(503, "broken"));
      return wire.send(support::response(200,
                                         origin->name() + " " + request.field("host") + " " +
                                             request.field("x-set") + "," + request.field("x-add") +
                                             "," + request.field("x-gone"),
                                         "x-kept: 1\r\nx-gone: 1\r\n"));
    });
    services +=
        service(origin->name()) + instance(origin->name(), origin->name() + "-1", origin->port());
  }
  const auto at = [](const std::string& path, const std::string& rest) {
    return rule("matches: [{path: {value: " + path + "}}], " + rest);
  };
  const std::string edits =
      "{set: [{name: x-set, value: a}], add: [{name: x-add, value: b}], remove: [x-gone]}";
  const std::string http = api_route(
      "HTTPRoute", "h",
      at("/regex", to("reviews")) +
          rule("matches: [{path: {value: /regex}, headers: [{type: RegularExpression, name: x-v, "
               "value: 'v[12]'}]}, {path: {value: /regex}, queryParams: [{type: RegularExpression, "
               "name: q, value: '[0-9]+'}]}], " +
               to("ratings")) +
          at("/request", "filters: [{type: RequestHeaderModifier, requestHeaderModifier: " + edits +
                             "}], " + to("reviews")) +
          at("/response", "filters: [{type: ResponseHeaderModifier, responseHeaderModifier: " +
                              edits + "}], " + to("reviews")) +
          at("/backend", to("ratings",
                            ", filters: [{type: RequestHeaderModifier, "
                            "requestHeaderModifier: " +
                                edits + "}]")) +
          at("/host", "filters: [{type: URLRewrite, urlRewrite: {hostname: other.example}}], " +
                          to("reviews")) +
          at("/moved",
             "filters: [{type: RequestRedirect, requestRedirect: {scheme: https, "
             "hostname: b.example, port: 8443, statusCode: 308, path: {type: "
             "ReplaceFullPath, replaceFullPath: /new}}}]") +
          at("/mirror",
             "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: "
             "shadow, port: 80}, percent: 100}}], " +
                 to("reviews")) +
          at("/cors",
             "filters: [{type: CORS, cors: {allowOrigins: ['https://*.example.com'], "
             "allowMethods: [PUT], allowHeaders: [x-a], exposeHeaders: [x-b], "
             "allowCredentials: true, maxAge: 7}}], " +
                 to("reviews")) +
          at("/slow", "timeouts: {request: 300ms}, " + to("reviews")) +
          at("/slow/try", "timeouts: {request: 20s, backendRequest: 100ms}, " + to("reviews")) +
          at("/broken", "retry: {attempts: 2, codes: [503], backoff: 10ms}, " + to("ratings")) +
          at("/weights",
             "backendRefs: [{name: reviews, port: 80, weight: 0}, {name: ratings, "
             "port: 80, weight: 3}]"));
  const std::string grpc = api_route(
      "GRPCRoute", "g",
      rule("matches: [{method: {type: RegularExpression, service: 'a\\.[BC]', method: Get}, "
           "headers: [{name: x-v, value: v1}]}], filters: [{type: RequestHeaderModifier, "
           "requestHeaderModifier: " +
           edits + "}], " + to("ratings")) +
          rule("matches: [{method: {service: a.B}, headers: [{type: RegularExpression, name: x-v, "
               "value: 'w.'}]}], filters: [{type: ResponseHeaderModifier, "
               "responseHeaderModifier: " +
               edits +
               "}, {type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: "
               "80}}}], " +
               to("reviews")) +
          rule("matches: [{method: {service: a.None}}]"));
  Mesh mesh(services + http + grpc);
  Proxy& web = mesh.start("web-1", count);
  const auto get = [&](const std::string& path, const std::string& fields = "") {
    return support::get(web.port("outbound"), path, "reviews", fields);
  };
  const auto body = [&](const std::string& path, const std::string& fields = "") {
    const auto answer = get(path, fields);
    return answer.status == 200 ? answer.body : std::to_string(answer.status);
  };
  CHECK(body("/regex") == "reviews reviews ,,");
  CHECK(body("/regex", "x-v: v2\r\n") == "ratings reviews ,,");
  CHECK(body("/regex", "x-v: v22\r\n") == "reviews reviews ,,");
  CHECK(body("/regex?q=12") == "ratings reviews ,,");
  CHECK(body("/regex?q=a") == "reviews reviews ,,");
  CHECK(body("/request", "x-set: z\r\nx-gone: z\r\n") == "reviews reviews a,b,");
  CHECK(body("/backend", "x-set: z\r\nx-gone: z\r\n") == "ratings reviews a,b,");
  const auto response = get("/response");
  CHECK(response.field("x-set") == "a");
  CHECK(response.field("x-add") == "b");
  CHECK(response.field("x-gone").empty());
  CHECK(response.field("x-kept") == "1");
  CHECK(body("/host") == "reviews other.example ,,");
  const auto moved = get("/moved/x");
  CHECK(moved.status == 308);
  CHECK(moved.field("location") == "https://b.example:8443/new");
  CHECK(body("/weights") == "ratings reviews ,,");

  CHECK(body("/mirror") == "reviews reviews ,,");
  REQUIRE(support::wait_for([&] { return shadow.requests() == 1; }));

  const std::string page = "origin: https://a.example.com\r\n";
  const auto cors = get("/cors", page);
  CHECK(cors.status == 200);
  CHECK(cors.field("access-control-allow-origin") == "https://a.example.com");
  CHECK(cors.field("access-control-allow-credentials") == "true");
  CHECK(cors.field("access-control-expose-headers") == "x-b");
  auto wire = Wire::connect(web.port("outbound"));
  wire.send("OPTIONS /cors HTTP/1.1\r\nhost: reviews\r\n" + page +
            "access-control-request-method: PUT\r\n\r\n");
  const auto preflight = wire.read();
  CHECK(preflight.status == 200);
  CHECK(preflight.field("access-control-allow-methods") == "PUT");
  CHECK(preflight.field("access-control-allow-headers") == "x-a");
  CHECK(preflight.field("access-control-max-age") == "7");
  CHECK(get("/cors", "origin: https://a.example\r\n").field("access-control-allow-origin").empty());

  const size_t before = reviews.requests();
  CHECK(body("/slow/x") == "504");
  CHECK(reviews.requests() == before + 1);
  CHECK(body("/slow/try") == "504");
  CHECK(reviews.requests() == before + 2);
  // An odd request of this origin is answered by 503, the next is not.
  while (ratings.requests() % 2 == 1) body("/weights");
  const size_t tried = ratings.requests();
  CHECK(body("/broken") == "ratings reviews ,,");
  CHECK(ratings.requests() == tried + 2);

  CHECK(body("/a.C/Get", "x-v: v1\r\nx-gone: z\r\n") == "ratings reviews a,b,");
  CHECK(body("/a.C/Get") == "404");
  CHECK(body("/a.C/Put", "x-v: v1\r\n") == "404");
  const auto call = get("/a.B/Put", "x-v: w1\r\n");
  CHECK(call.body == "reviews reviews ,,");
  CHECK(call.field("x-set") == "a");
  REQUIRE(support::wait_for([&] { return shadow.requests() == 2; }));
  CHECK(body("/a.None/Get") == "503");
}
