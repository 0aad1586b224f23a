#include "explain/destination.h"

#include <algorithm>

#include "base/text.h"
#include "route/explain.h"

namespace mesh::explain {
namespace {

constexpr int kEndpointsMax = 1000;

std::string_view name_of(balance::Algorithm algorithm) {
  switch (algorithm) {
    case balance::Algorithm::RoundRobin: return "ROUND_ROBIN";
    case balance::Algorithm::Random: return "RANDOM";
    case balance::Algorithm::LeastRequest: return "LEAST_REQUEST";
    case balance::Algorithm::RingHash: return "RING_HASH";
    case balance::Algorithm::Maglev: return "MAGLEV";
    case balance::Algorithm::ModuloHash: break;
  }
  return "MODULO_HASH";
}

bool has_labels(const xds::Endpoint& endpoint, const route::SubsetLabels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
    return std::find(endpoint.lb_metadata.begin(), endpoint.lb_metadata.end(), label) !=
           endpoint.lb_metadata.end();
  });
}

std::string endpoints_text(const v1::Destination& to) {
  if (to.missing()) return "no such cluster";
  const uint32_t count = uint32_t(to.endpoints_size()) + to.endpoints_left_out();
  if (count == 0) return "no endpoints";
  const auto ill = std::count_if(to.endpoints().begin(), to.endpoints().end(), [](const auto& e) {
    return e.health() != "healthy" && e.health() != "degraded";
  });
  std::string out = std::to_string(count) + (count == 1 ? " endpoint" : " endpoints");
  if (ill > 0) out += ", " + std::to_string(ill) + " not usable";
  return out;
}

}  // namespace

void add_destination(const Held& held, const std::string& name, const route::SubsetLabels* subset,
                     double percent, v1::Destination& into) {
  into.set_cluster(name);
  into.set_percent(percent);
  // "outbound|PORT|SUBSET|HOST", "inbound|PORT||".
  const auto parts = text::split(name, '|');
  if (parts.size() == 4) {
    if (const auto port = text::parse_uint(parts[1], 65535)) into.set_port(uint32_t(*port));
    into.set_subset(std::string(parts[2]));
    into.set_host(std::string(parts[3]));
  }
  const auto found = held.config().clusters.find(name);
  if (found == held.config().clusters.end()) {
    into.set_missing(true);
    return;
  }
  const xds::Cluster& cluster = *found->second;
  if (!cluster.service.host.empty()) into.set_host(cluster.service.host);
  into.set_balancing(std::string(name_of(cluster.balancing.options.algorithm)));
  v1::Origin origin = held.cluster_origin(name, "config");
  if (origin.origin().empty()) origin = held.cluster_origin(name, "service");
  *into.mutable_origin() = std::move(origin);
  // Their addresses are made of the request, or asked of DNS as they are needed.
  if (cluster.discovery == xds::Cluster::Discovery::OriginalDst) into.set_usable(true);
  const xds::ClusterLoadAssignment* const assignment = held.assignment(cluster);
  if (assignment == nullptr) return;
  bool any = false;
  for (const xds::Endpoint& endpoint : assignment->endpoints) {
    if (subset != nullptr && !has_labels(endpoint, *subset)) continue;
    const std::string address = to_string(endpoint.address);
    const EndpointHealth health = health_of(held.forwarder(), name, address, endpoint.health);
    any = true;
    if (health.usable()) into.set_usable(true);
    if (into.endpoints_size() >= kEndpointsMax) {
      into.set_endpoints_left_out(into.endpoints_left_out() + 1);
      continue;
    }
    auto& out = *into.add_endpoints();
    out.set_address(address);
    out.set_health(health.health);
    out.set_flags(health.flags);
    out.set_weight(endpoint.weight);
    const xds::LocalityGroup& group = assignment->groups[endpoint.group];
    out.set_priority(group.priority);
    out.set_locality(group.locality);
    if (!endpoint.workload.name.empty())
      out.set_workload(endpoint.workload.ns + "/" + endpoint.workload.name);
    out.set_mtls(cluster.tls.has_value() && (!cluster.tls_by_endpoint || endpoint.tls));
  }
  // In panic those that are ill are used as well.
  if (any && !into.usable() && cluster.balancing.options.healthy_panic_percent > 0) {
    into.set_panic(true);
    into.set_usable(true);
  }
}

std::string destinations_text(const v1::Hop& hop) {
  std::vector<std::string> parts;
  for (const auto& to : hop.destinations()) {
    std::string text;
    if (hop.destinations_size() > 1) text = route::percent_text(to.percent()) + " ";
    text += "to ";
    if (!to.subset().empty()) text += "subset " + to.subset() + " of ";
    text += (to.host().empty() ? to.cluster() : to.host()) + ", " + endpoints_text(to);
    if (to.panic()) text += " (panic: used all the same)";
    parts.push_back(std::move(text));
  }
  return text::join(parts, "; ");
}

}  // namespace mesh::explain
