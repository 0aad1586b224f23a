// The YAML reader against any bytes: nothing crashes, everything is bounded,
// and an object that was accepted is written and read back as the same.
//
// modules: config route resilience telemetry http identity base
// modules: api:mesh/options.proto api:mesh/config.proto
// modules: api:mesh/settings_forwarder.proto
// modules: api:istio/type/v1beta1/selector.proto
// modules: api:istio/security/v1beta1/authorization_policy.proto
// modules: api:istio/security/v1beta1/peer_authentication.proto
// modules: api:istio/security/v1beta1/request_authentication.proto
// modules: api:istio/telemetry/v1alpha1/telemetry.proto
// modules: api:istio/networking/v1alpha3/virtual_service.proto
// modules: api:istio/networking/v1alpha3/destination_rule.proto
// modules: api:istio/networking/v1alpha3/service_entry.proto
// modules: api:istio/networking/v1alpha3/workload_entry.proto
// modules: api:istio/networking/v1alpha3/workload_group.proto
// modules: api:istio/networking/v1alpha3/gateway.proto
// modules: api:istio/networking/v1alpha3/sidecar.proto
// modules: api:k8s/gateway/v1/common.proto api:k8s/gateway/v1/http_route.proto
// modules: api:k8s/gateway/v1/grpc_route.proto
// modules: api:mesh/v1/adaptive_concurrency.proto api:mesh/v1/circuit_breaker.proto
// modules: api:mesh/v1/mesh_config.proto api:mesh/v1/rate_limit.proto
// modules: api:mesh/v1/service_policy.proto api:envoy/type/v3/type.proto api:mesh/xds_options.proto
// libraries: protobuf yaml crypto re2

#include <google/protobuf/struct.pb.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/object_set.h"
#include "config/reader.h"
#include "config/writer.h"
#include "mesh/settings_forwarder.pb.h"

using namespace mesh;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  mesh::settings::v1::Forwarder settings;
  static_cast<void>(config::read_text(text, "f.yaml", settings));
  google::protobuf::Struct anything;
  static_cast<void>(config::read_text(text, "f.yaml", anything));

  config::Problems problems("f.yaml");
  std::vector<config::v1::Object> objects;
  config::read_objects(text, problems, objects);
  if (problems.lines().size() > 51) std::abort();
  config::ObjectSet set;
  for (const config::v1::Object& object : objects) {
    for (const std::string& written :
         {config::to_yaml(config::to_node(object)), config::to_json(config::to_node(object))}) {
      config::Problems none("g.yaml");
      std::vector<config::v1::Object> again;
      config::read_objects(written, none, again);
      if (again.size() != 1 || config::digest(again[0]) != config::digest(object)) std::abort();
    }
    set.put(object);
  }
  static_cast<void>(config::check_set(set));
  return 0;
}
