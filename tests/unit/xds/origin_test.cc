// What resources say of where they come from.
#include "xds/origin.h"

#include <catch2/catch.hpp>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "xds/decode.h"

namespace mesh::xds {
namespace {

namespace core = envoy::config::core::v3;

void say(core::Metadata& metadata, const std::string& key, const std::string& value) {
  (*(*metadata.mutable_filter_metadata())["mesh"].mutable_fields())[key].set_string_value(value);
}

TEST_CASE("a refusal is traced to the rule that made the refused part") {
  envoy::config::route::v3::RouteConfiguration config;
  config.set_name("outbound");
  auto& host = *config.add_virtual_hosts();
  host.set_name("shop");
  host.add_domains("shop");
  for (int i = 0; i < 3; ++i) {
    auto& route = *host.add_routes();
    route.mutable_match()->set_prefix("/");
    route.mutable_route()->set_cluster("c");
    say(*route.mutable_metadata(), "config",
        "VirtualService/demo/shop http[" + std::to_string(i) + "]");
  }
  host.mutable_routes(1)->mutable_match()->mutable_safe_regex()->set_regex("(");
  std::string body = config.SerializeAsString();
  auto decoded = decode_route_configuration(body);
  REQUIRE(!decoded);
  CHECK(refused_origin(kRouteType, body, decoded.error().text) ==
        "VirtualService/demo/shop http[1]");

  host.mutable_routes(1)->mutable_match()->set_prefix("/");
  host.mutable_routes(2)->mutable_route()->mutable_internal_redirect_policy();
  body = config.SerializeAsString();
  decoded = decode_route_configuration(body);
  if (!decoded)
    CHECK(refused_origin(kRouteType, body, decoded.error().text) ==
          "VirtualService/demo/shop http[2]");
  CHECK(refused_origin(kRouteType, body, "virtual_hosts[0].routes[0].route.x is not supported") ==
        "VirtualService/demo/shop http[0]");
  CHECK(refused_origin(kRouteType, body, "virtual_hosts[7].routes[9].x") == "");
  CHECK(refused_origin(kRouteType, body, "virtual_hosts[x].routes[") == "");
  CHECK(refused_origin(kRouteType, "garbage", "virtual_hosts[0].routes[0].x") == "");
}

TEST_CASE("a cluster is its rule's, else its service's") {
  envoy::config::cluster::v3::Cluster cluster;
  say(*cluster.mutable_metadata(), "service", "ServiceEntry/demo/reviews");
  CHECK(refused_origin(kClusterType, cluster.SerializeAsString(), "x") ==
        "ServiceEntry/demo/reviews");
  say(*cluster.mutable_metadata(), "config", "DestinationRule/demo/reviews subsets[1]");
  CHECK(refused_origin(kClusterType, cluster.SerializeAsString(), "x") ==
        "DestinationRule/demo/reviews subsets[1]");
  CHECK(origins_of(kClusterType, cluster.SerializeAsString()).size() == 2);
  CHECK(origins_of(kEndpointType, cluster.SerializeAsString()).empty());
}

}  // namespace
}  // namespace mesh::xds
