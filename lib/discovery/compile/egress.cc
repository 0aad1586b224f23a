#include "discovery/compile/egress.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::discovery {
namespace {

constexpr std::string_view kUnixScheme = "unix://";

bool is_bound(const istio::IstioEgressListener& egress, const Node& node) {
  if (!egress.has_port()) return false;
  return !egress.bind().empty() || egress.capture_mode() == istio::NONE ||
         node.capture_outbound.address.empty();
}

bool allows(const istio::IstioEgressListener& egress, const Service& service, const Node& node) {
  const auto& hosts = egress.hosts();
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& host) {
    return egress_allows(host, service, node.ns);
  });
}

EgressListener listener_of(const istio::IstioEgressListener& egress, const Model& model,
                           const Node& node) {
  EgressListener result;
  result.bind = egress.bind().empty() ? "127.0.0.1" : egress.bind();
  const bool path = result.bind.starts_with(kUnixScheme);
  if (path) result.bind = result.bind.substr(kUnixScheme.size());
  result.port = path ? 0 : egress.port().number();
  result.name = path ? result.bind : result.bind + "_" + std::to_string(result.port);
  const std::string protocol = protocol_of(egress.port().protocol());
  result.declared = !protocol.empty();
  result.http = is_http(protocol);
  for (const Service* service : model.services_for(node))
    if (allows(egress, *service, node) &&
        (result.port == 0 || service->find_port(result.port) != nullptr))
      result.services.push_back(service);
  return result;
}

}  // namespace

std::vector<EgressListener> egress_listeners(const Model& model, const Node& node) {
  std::vector<EgressListener> result;
  const auto* const scope = model.sidecar(node.ns, node.labels);
  if (scope == nullptr) return result;
  for (int i = 0; i < scope->spec.egress_size(); ++i) {
    const auto& egress = scope->spec.egress(i);
    if (!is_bound(egress, node)) continue;
    result.push_back(listener_of(egress, model, node));
    result.back().origin =
        origin_of("Sidecar", scope->ns, scope->name, "egress[" + std::to_string(i) + "]");
  }
  return result;
}

std::vector<const Service*> default_services(const Model& model, const Node& node) {
  auto services = model.services_for(node);
  const auto* const scope = model.sidecar(node.ns, node.labels);
  if (scope == nullptr) return services;
  const auto& all = scope->spec.egress();
  if (std::none_of(all.begin(), all.end(), [&](const auto& e) { return is_bound(e, node); }))
    return services;
  std::erase_if(services, [&](const Service* service) {
    return std::none_of(all.begin(), all.end(), [&](const auto& egress) {
      return !is_bound(egress, node) && allows(egress, *service, node);
    });
  });
  return services;
}

}  // namespace mesh::discovery
