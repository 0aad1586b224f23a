#include "discovery/preview.h"

#include "xds/decode.h"

namespace mesh::discovery {

Whole compile_whole(const Model& model, const Node& node) {
  Whole whole;
  const auto add = [&](std::string_view type_url, std::vector<Resource> resources) {
    for (auto& resource : resources) {
      std::string name = resource.name;
      whole[type_url].insert_or_assign(std::move(name), std::move(resource));
    }
  };
  add(xds::kClusterType, compile_clusters(model, node));
  for (const auto* service : model.services_for(node))
    add(xds::kEndpointType, compile_endpoints(model, *service, node));
  add(xds::kListenerType, compile_listeners(model, node));
  add(xds::kRouteType, compile_routes(model, node));
  return whole;
}

std::vector<ResourceDiff> compare(const Whole& before, const Whole& after) {
  std::vector<ResourceDiff> out;
  for (const std::string_view type_url :
       {xds::kClusterType, xds::kEndpointType, xds::kListenerType, xds::kRouteType}) {
    std::map<std::string_view, ResourceDiff> by_name;
    if (const auto found = before.find(type_url); found != before.end())
      for (const auto& [name, resource] : found->second)
        by_name[name] = {.type_url = type_url, .name = name, .before = resource.body, .after = {}};
    if (const auto found = after.find(type_url); found != after.end())
      for (const auto& [name, resource] : found->second) {
        ResourceDiff& diff = by_name[name];
        diff.type_url = type_url;
        diff.name = name;
        diff.after = resource.body;
        diff.same = diff.before != nullptr && *diff.before == *resource.body;
      }
    for (auto& [name, diff] : by_name) out.push_back(std::move(diff));
  }
  return out;
}

}  // namespace mesh::discovery
