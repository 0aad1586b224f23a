#include "config/validate/outbound_policy.h"

namespace mesh::config {

using ::istio::networking::v1alpha3::OutboundTrafficPolicy;

void check_outbound_policy(const OutboundTrafficPolicy& policy, Checker& checker) {
  if (!policy.has_egress_proxy()) return;
  const std::string path = "spec.outboundTrafficPolicy.egressProxy";
  const auto& proxy = policy.egress_proxy();
  checker.expect(policy.mode() == OutboundTrafficPolicy::ALLOW_ANY, path, "needs mode ALLOW_ANY");
  checker.host(path + ".host", proxy.host(), false);
  if (!proxy.subset().empty()) checker.label_name(path + ".subset", proxy.subset());
  checker.port(path + ".port.number", proxy.port().number());
}

}  // namespace mesh::config
