#include "discovery/compile/tunnel.h"

namespace mesh::discovery {

void set_tunnel(const Model& model, const Node& node, const Service* service,
                const std::string& subset,
                envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy& proxy) {
  const auto* rule = service == nullptr ? nullptr : model.destination_rule(*service, node);
  if (rule == nullptr) return;
  const istio::TrafficPolicy* policy = &rule->spec.traffic_policy();
  for (const auto& one : rule->spec.subsets())
    if (!subset.empty() && one.name() == subset) policy = &one.traffic_policy();
  if (!policy->has_tunnel()) return;
  const std::string& host = policy->tunnel().target_host();
  const bool v6 = host.find(':') != std::string::npos;
  proxy.mutable_tunneling_config()->set_hostname((v6 ? "[" + host + "]" : host) + ":" +
                                                 std::to_string(policy->tunnel().target_port()));
}

}  // namespace mesh::discovery
