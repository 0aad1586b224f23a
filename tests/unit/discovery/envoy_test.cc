// Writes what is compiled for the sample as static bootstraps, for
// tests/interop/envoy_validate.bats. Hidden: runs when asked for by its tag.

#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "unit/discovery/sample.h"
#include "xds/decode.h"

namespace {

using namespace mesh;
using namespace mesh::discovery;
using envoy::config::bootstrap::v3::Bootstrap;

// EDS and RDS become what they would deliver; SDS names stay.
Bootstrap bootstrap(const Model& model, const Node& node) {
  Bootstrap result;
  result.mutable_node()->set_id(node.id);
  result.mutable_node()->set_cluster("sample");
  auto& resources = *result.mutable_static_resources();
  std::map<std::string, envoy::config::endpoint::v3::ClusterLoadAssignment> assignments;
  for (const auto* service : model.services_for(node))
    for (const auto& r : compile_endpoints(model, *service, node))
      REQUIRE(assignments[r.name].ParseFromString(*r.body));
  for (const auto& r : compile_clusters(model, node)) {
    auto& cluster = *resources.add_clusters();
    REQUIRE(cluster.ParseFromString(*r.body));
    if (!cluster.has_eds_cluster_config()) continue;
    *cluster.mutable_load_assignment() = assignments.at(cluster.name());
    cluster.clear_eds_cluster_config();
    cluster.set_type(envoy::config::cluster::v3::Cluster::STATIC);
  }
  for (const auto& r : compile_listeners(model, node))
    REQUIRE(resources.add_listeners()->ParseFromString(*r.body));
  return result;
}

TEST_CASE("the sample as bootstraps for Envoy", "[.envoy]") {
  const char* const dir = std::getenv("MESH_ENVOY_DIR");
  REQUIRE(dir != nullptr);
  REQUIRE(mesh::xds::decode_endpoints("").error().kind == Errc::Invalid);  // extensions are linked
  const auto model = sample::model(sample::kAll + sample::kRouting + sample::kMixed);
  for (const auto* name : {"web-1", "reviews-v1", "ratings-1"}) {
    const Node node = sample::node(name);
    google::protobuf::util::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    std::string json;
    REQUIRE(
        google::protobuf::util::MessageToJsonString(bootstrap(*model, node), &json, options).ok());
    std::ofstream(std::string(dir) + "/" + name + ".json") << json;
    envoy::config::route::v3::RouteConfiguration routes;
    REQUIRE(routes.ParseFromString(*compile_routes(*model, node).at(0).body));
    json.clear();
    REQUIRE(google::protobuf::util::MessageToJsonString(routes, &json, options).ok());
    std::ofstream(std::string(dir) + "/" + name + ".routes") << json;
  }
}

}  // namespace
