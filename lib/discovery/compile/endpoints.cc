#include "envoy/config/endpoint/v3/endpoint.pb.h"

#include <algorithm>
#include <map>

#include "base/text.h"
#include "discovery/compile/build.h"
#include "discovery/compile/locality.h"
#include "discovery/compile/traffic_policy.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::endpoint::v3;
namespace core = envoy::config::core::v3;

void set_locality(const std::string& text, core::Locality& into) {
  const auto parts = text::split(text, '/');
  into.set_region(std::string(parts[0]));
  if (parts.size() > 1) into.set_zone(std::string(parts[1]));
  if (parts.size() > 2) into.set_sub_zone(std::string(parts[2]));
}

// Istio's metadata: "NAME;NAMESPACE;CANONICAL-NAME;CANONICAL-REVISION;CLUSTER".
std::string workload_text(const Workload& workload) {
  const auto label = [&](const char* key) {
    const auto found = workload.labels.find(key);
    return found == workload.labels.end() ? std::string() : found->second;
  };
  std::string canonical = label("service.istio.io/canonical-name");
  if (canonical.empty()) canonical = label("app.kubernetes.io/name");
  if (canonical.empty()) canonical = label("app");
  if (canonical.empty()) canonical = workload.name;
  std::string revision = label("service.istio.io/canonical-revision");
  if (revision.empty()) revision = label("app.kubernetes.io/version");
  if (revision.empty()) revision = label("version");
  if (revision.empty()) revision = "latest";
  std::string text;
  for (std::string part : {workload.name, workload.ns, canonical, revision}) {
    std::replace(part.begin(), part.end(), ';', '_');
    text += part + ";";
  }
  return text;
}

void add_endpoint(const Model& model, const Service& service, const Instance& instance,
                  pb::LocalityLbEndpoints& group) {
  auto& endpoint = *group.add_lb_endpoints();
  auto& address = *endpoint.mutable_endpoint()->mutable_address();
  if (instance.path.empty())
    set_address(instance.address, instance.port, address);
  else
    set_address(instance.path, address);
  endpoint.mutable_load_balancing_weight()->set_value(instance.workload->weight);
  if (!instance.workload->illness.empty()) endpoint.set_health_status(core::UNHEALTHY);
  if (!instance.workload->name.empty()) {
    auto& istio = (*endpoint.mutable_metadata()->mutable_filter_metadata())["istio"];
    (*istio.mutable_fields())["workload"].set_string_value(workload_text(*instance.workload));
  }
  if (speaks_tls(model, service, instance)) {
    auto& match =
        (*endpoint.mutable_metadata()->mutable_filter_metadata())["envoy.transport_socket_match"];
    (*match.mutable_fields())["tlsMode"].set_string_value("istio");
  }
}

template <class Selector>
Resource compile_one(const Model& model, const Service& service, const Port& port,
                     const std::string& subset, const Selector& selector, const Node& node,
                     const istio::TrafficPolicy& policy) {
  pb::ClusterLoadAssignment assignment;
  assignment.set_cluster_name(outbound_name(port.number, subset, service.host));
  const LocalityRule rule(policy, node, model.locality(node));
  std::map<std::pair<uint32_t, std::string>, pb::LocalityLbEndpoints> groups;  // by distance
  std::map<std::string, uint32_t> sums;
  for (const auto* workload : service.workloads) {
    if (workload->state != Workload::State::Present) continue;
    if (!selects(selector, workload->labels)) continue;
    sums[workload->locality] += workload->weight;
    add_endpoint(model, service, instance_of(*workload, port),
                 groups[{rule.distance(*workload), workload->locality}]);
  }
  const auto weights = rule.weights(sums);
  uint32_t priority = 0;
  uint32_t last = 0;
  for (auto& [place, group] : groups) {
    const auto& [distance, locality] = place;
    // Priorities have no gaps: each distance that occurs is one.
    if (assignment.endpoints_size() > 0 && last != distance) ++priority;
    last = distance;
    const auto weight = weights.find(locality);
    if (rule.weighted() && weight == weights.end()) continue;  // gets nothing
    if (!locality.empty()) set_locality(locality, *group.mutable_locality());
    if (rule.weighted()) group.mutable_load_balancing_weight()->set_value(weight->second);
    group.set_priority(priority);
    *assignment.add_endpoints() = std::move(group);
  }
  return resource(assignment.cluster_name(), assignment);
}

}  // namespace

std::vector<Resource> compile_endpoints(const Model& model, const Service& service,
                                        const Node& node) {
  // Names stand in the cluster itself: EDS has none.
  if (service.resolution != Service::Resolution::Static) return {};
  return assignments_of(model, service, node);
}

std::vector<Resource> assignments_of(const Model& model, const Service& service, const Node& node) {
  std::vector<Resource> result;
  const auto* rule = model.destination_rule(service, node);
  for (const auto& port : service.ports) {
    result.push_back(compile_one(model, service, port, "", Labels{}, node,
                                 policy_for(rule, nullptr, port.number)));
    if (rule == nullptr) continue;
    for (const auto& subset : rule->spec.subsets())
      result.push_back(compile_one(model, service, port, subset.name(), subset.labels(), node,
                                   policy_for(rule, &subset, port.number)));
  }
  return result;
}

}  // namespace mesh::discovery
