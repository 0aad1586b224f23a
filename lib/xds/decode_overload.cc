#include "xds/decode_overload.h"

#include <map>
#include <optional>

#include "base/text.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb.h"
#include "mesh/xds/v1/descriptors_monitor.pb.h"
#include "xds/decode_common.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::overload::v3;
namespace monitors = envoy::extensions::resource_monitors;
using monitors::downstream_connections::v3::DownstreamConnectionsConfig;
using monitors::fixed_heap::v3::FixedHeapConfig;
using resilience::OverloadAction;
using resilience::OverloadPolicy;
using resilience::OverloadResource;

constexpr std::string_view kPrefix = "envoy.overload_actions.";

std::optional<OverloadAction> action_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  for (size_t i = 0; i < resilience::kOverloadActions; ++i)
    if (name.substr(kPrefix.size()) == to_string(OverloadAction(1U << i)))
      return OverloadAction(1U << i);
  return std::nullopt;
}

Result<OverloadResource> decode_monitor(const pb::ResourceMonitor& from, const std::string& path,
                                        OverloadPolicy& into) {
  const auto& any = from.typed_config();
  const std::string at = path_of(path, "typed_config");
  if (any.Is<FixedHeapConfig>()) {
    MESH_TRY(const auto heap, unpack<FixedHeapConfig>(any, at));
    into.memory_bytes_max = heap.max_heap_size_bytes();
    if (into.memory_bytes_max == 0) return refuse(path_of(at, "max_heap_size_bytes"), "is missing");
    return OverloadResource::Memory;
  }
  if (any.Is<DownstreamConnectionsConfig>()) {
    MESH_TRY(const auto connections, unpack<DownstreamConnectionsConfig>(any, at));
    if (connections.max_active_downstream_connections() <= 0)
      return refuse(path_of(at, "max_active_downstream_connections"), "is at least 1");
    into.connections_max = uint64_t(connections.max_active_downstream_connections());
    return OverloadResource::Connections;
  }
  MESH_TRY(const auto descriptors, unpack<v1::DescriptorsMonitor>(any, at));
  into.descriptors_max =
      descriptors.max_descriptors() == 0 ? UINT64_MAX : descriptors.max_descriptors();
  return OverloadResource::Descriptors;
}

}  // namespace

Result<OverloadPolicy> decode_overload(const pb::OverloadManager& manager, std::string_view path) {
  OverloadPolicy policy;
  policy.refresh = std::chrono::seconds(1);  // Envoy's default
  if (manager.has_refresh_interval()) {
    MESH_TRY(policy.refresh,
             decode_duration(manager.refresh_interval(), path_of(path, "refresh_interval")));
    if (policy.refresh < std::chrono::milliseconds(10))
      return refuse(path_of(path, "refresh_interval"), "is at least 10ms");
  }
  std::map<std::string, OverloadResource> known;
  for (int i = 0; i < manager.resource_monitors_size(); ++i) {
    const std::string at = path_of(path, "resource_monitors", i);
    const std::string& name = manager.resource_monitors(i).name();
    MESH_TRY(const auto resource, decode_monitor(manager.resource_monitors(i), at, policy));
    if (!known.emplace(name, resource).second)
      return refuse(path_of(at, "name"), text::quoted(name) + " is there already");
  }
  for (int i = 0; i < manager.actions_size(); ++i) {
    const auto& from = manager.actions(i);
    const std::string at = path_of(path, "actions", i);
    const auto action = action_of(from.name());
    if (!action)
      return refuse(path_of(at, "name"), text::quoted(from.name()) + " is not supported");
    for (int j = 0; j < from.triggers_size(); ++j) {
      const auto& trigger = from.triggers(j);
      const std::string where = path_of(at, "triggers", j);
      const auto resource = known.find(trigger.name());
      if (resource == known.end())
        return refuse(path_of(where, "name"), "no resource monitor is called so");
      const double value = trigger.threshold().value();
      if (!trigger.has_threshold() || !(value > 0 && value <= 1))
        return refuse(path_of(where, "threshold.value"), "is over 0, and at most 1");
      policy.triggers.push_back({*action, resource->second, value});
    }
  }
  return policy;
}

}  // namespace mesh::xds
