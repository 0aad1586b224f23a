// HTTPRoutes and GRPCRoutes of a Service from YAML to the wire: mesh-routing(7), "GATEWAY API".
#include <catch2/catch.hpp>

#include "scenario/mesh.h"
#include "support/http_peer.h"

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
                "  - matches: [{path: {value: /gone}}]\n");
  const std::string exact = api_route("HTTPRoute", "exact",
                                      "  - matches: [{path: {type: Exact, value: /stars/all}}]\n"
                                      "    backendRefs: [{name: reviews, port: 80}]\n");
  const std::string calls = api_route("GRPCRoute", "calls",
                                      "  - matches: [{method: {service: a.B, method: Get}}]\n"
                                      "    backendRefs: [{name: ratings, port: 80}]\n");
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
  mesh.apply(services + exact);
  CHECK(at("/stars/5") == "404");
}
