// Where what is compiled stands in the user's files.
#include "discovery/provenance.h"

#include "envoy/config/route/v3/route.pb.h"
#include "unit/discovery/sample.h"

namespace mesh::discovery {
namespace {

constexpr const char* kShop = R"(apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: demo}
spec:
  hosts: [shop.example]
  http:
  - name: old
    match:
    - uri: {prefix: /old}
    - uri: {prefix: /older}
    redirect: {uri: /new}
  - match: [{uri: {prefix: /leaf}}]
    timeout: 3s
    delegate: {name: leaf, namespace: demo}
  - route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf, namespace: demo}
spec:
  http:
  - match:
    - uri: {prefix: /leaf/a}
    - uri: {prefix: /leaf/b}
    retries: {attempts: 1}
    route: [{destination: {host: reviews}}]
)";

TEST_CASE("an origin is found in its file, by its part or by what holds that") {
  const auto objects = sample::objects(kShop);
  const Provenance& places = *objects->places;
  CHECK(places.place("VirtualService/demo/shop") == "sample.yaml:1:1");
  CHECK(places.place("VirtualService/demo/shop http[0]") == "sample.yaml:7:5");
  CHECK(places.place("VirtualService/demo/shop http[0].match[1]") == "sample.yaml:10:7");
  CHECK(places.place("VirtualService/demo/shop http[1].timeout") == "sample.yaml:12:5");
  CHECK(places.place("VirtualService/demo/shop http[2].route[0].destination.host") ==
        "sample.yaml:15:13");
  CHECK(places.place("VirtualService/demo/leaf http[0].match[0]") == "sample.yaml:23:7");
  CHECK(places.place("VirtualService/demo/shop http[9]").starts_with("sample.yaml:6:"));
  CHECK(places.place("VirtualService/demo/other http[0]").empty());
  CHECK(places.place("").empty());
}

std::string said(const envoy::config::core::v3::Metadata& metadata, const std::string& key) {
  const auto mesh = metadata.filter_metadata().find("mesh");
  if (mesh == metadata.filter_metadata().end()) return "";
  const auto field = mesh->second.fields().find(key);
  return field == mesh->second.fields().end() ? "" : field->second.string_value();
}

TEST_CASE("routes say which match they are, also those of delegates, and who set what") {
  const auto model = sample::model(kShop + ("---" + sample::kServices));
  const Node node = sample::node("web-1");
  envoy::config::route::v3::RouteConfiguration config;
  for (const auto& resource : compile_routes(*model, node))
    REQUIRE(config.ParseFromString(*resource.body));
  std::vector<std::string> origins;
  for (const auto& host : config.virtual_hosts()) {
    if (!host.name().starts_with("shop.example")) continue;
    for (const auto& route : host.routes()) {
      origins.push_back(said(route.metadata(), "config") +
                        " timeout=" + said(route.metadata(), "timeout") +
                        " retries=" + said(route.metadata(), "retries"));
    }
  }
  const std::string leaf = "VirtualService/demo/leaf http[0]";
  const std::string inherited =
      " timeout=VirtualService/demo/shop http[1].timeout retries=" + leaf + ".retries";
  CHECK(origins == std::vector<std::string>{
                       "VirtualService/demo/shop http[0].match[0] timeout= retries=",
                       "VirtualService/demo/shop http[0].match[1] timeout= retries=",
                       leaf + ".match[0]" + inherited,
                       leaf + ".match[1]" + inherited,
                       "VirtualService/demo/shop http[2] timeout= retries=",
                   });
}

TEST_CASE("a line that moved changes no resource") {
  const auto bytes = [](const std::string& text) {
    const auto model = sample::model(text);
    std::string all;
    for (const auto& made : {compile_routes(*model, sample::node("web-1")),
                             compile_clusters(*model, sample::node("web-1")),
                             compile_listeners(*model, sample::node("web-1"))})
      for (const auto& resource : made) all += *resource.body;
    return all;
  };
  CHECK(bytes(sample::kAll) == bytes("\n# moved\n" + sample::kAll));
}

}  // namespace
}  // namespace mesh::discovery
