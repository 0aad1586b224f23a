#include "config/validate/validate.h"
#include "istio/security/v1beta1/peer_authentication.pb.h"

namespace mesh::config {

void validate(const ::istio::security::v1beta1::PeerAuthentication& policy, Checker& checker) {
  const auto& labels = policy.selector().match_labels();
  checker.labels("spec.selector.matchLabels", labels);
  checker.expect(!policy.has_selector() || !labels.empty(), "spec.selector",
                 "expected matchLabels; leave the selector out for the whole namespace");
  checker.expect(policy.port_level_mtls().empty() || !labels.empty(), "spec.portLevelMtls",
                 "needs a selector: ports belong to workloads");
  for (const auto& [port, mtls] : policy.port_level_mtls())
    checker.port(at_key("spec.portLevelMtls", std::to_string(port)), port);
}

}  // namespace mesh::config
