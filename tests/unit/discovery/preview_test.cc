// What other resources a node would get: `mesh apply --dry-run`.
#include "discovery/preview.h"

#include <catch2/catch.hpp>

#include "unit/discovery/sample.h"

namespace {

using namespace mesh::discovery;

// "TYPE NAME +-~" of what differs for the node.
std::vector<std::string> differing(const std::string& before, const std::string& after,
                                   const char* name) {
  const Node node = sample::node(name);
  std::vector<std::string> out;
  for (const auto& diff : compare(compile_whole(*sample::model(before), node),
                                  compile_whole(*sample::model(after), node))) {
    if (diff.same) continue;
    const std::string type(diff.type_url.substr(diff.type_url.rfind('.') + 1));
    out.push_back(type + " " + diff.name + " " + (!diff.before ? "+" : !diff.after ? "-" : "~"));
  }
  return out;
}

using Lines = std::vector<std::string>;

const std::string kBefore = sample::kServices + sample::kWorkloads;
const std::string kRoute = R"(
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: demo}
spec:
  hosts: [reviews]
  http: [{timeout: 5s, route: [{destination: {host: reviews}}]}]
)";
const std::string kService = R"(
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: demo}
spec:
  hosts: [other.example.org]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [{address: 192.0.2.8}]
)";

}  // namespace

TEST_CASE("preview: a route changes the routes alone, a service what it is made of",
          "[discovery]") {
  CHECK(differing(kBefore, kBefore, "web-1").empty());
  CHECK(differing(kBefore, kBefore + kRoute, "web-1") == Lines{"RouteConfiguration outbound ~"});
  const Lines added{"Cluster outbound|8080||other.example.org +",
                    "ClusterLoadAssignment outbound|8080||other.example.org +",
                    "RouteConfiguration outbound ~"};
  CHECK(differing(kBefore, kBefore + kService, "web-1") == added);
  Lines removed = added;
  for (auto& line : removed)
    if (line.ends_with("+")) line.back() = '-';
  CHECK(differing(kBefore + kService, kBefore, "web-1") == removed);
}
