#include "config/validate/workload_choice.h"

#include "base/text.h"

namespace mesh::config {

void check_selector(const ::istio::type::v1beta1::WorkloadSelector& selector, Checker& checker) {
  checker.labels("spec.selector.matchLabels", selector.match_labels());
  checker.expect(!selector.match_labels().empty(), "spec.selector",
                 "expected matchLabels; leave the selector out for the whole namespace");
}

void check_target(const ::istio::type::v1beta1::PolicyTargetReference& target,
                  const std::string& path, Checker& checker) {
  checker.expect(!target.name().empty(), path + ".name", "expected a name");
  checker.expect(target.namespace_().empty(), path + ".namespace",
                 "other namespaces cannot be referred to; leave it out");
  const bool ours = target.group() == "networking.istio.io";
  const bool gateway = ours || target.group() == "gateway.networking.k8s.io";
  const bool known =
      (ours && target.kind() == "ServiceEntry") || (gateway && target.kind() == "Gateway");
  checker.expect(known, path,
                 "expected a ServiceEntry or a Gateway of networking.istio.io, got " +
                     text::quoted(target.group() + "/" + target.kind()) +
                     "; use a selector for others");
}

}  // namespace mesh::config
