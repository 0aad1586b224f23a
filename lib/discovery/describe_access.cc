#include "discovery/describe_access.h"

#include "discovery/compile/ext_authz.h"
#include "discovery/compile/policy_target.h"
#include "discovery/provenance.h"

namespace mesh::discovery {
namespace {

using istio_security::AuthorizationPolicy;

template <class Provider>
std::string asked(const Provider& provider, const Service& service) {
  const std::string status =
      provider.status_on_error().empty() ? "403" : provider.status_on_error();
  return " at " + service.host + ":" + std::to_string(provider.port()) + ", and where that fails " +
         (provider.fail_open() ? "lets pass (failOpen)" : "answers " + status);
}

std::string describe_authorizer(const Model& model, const std::string& name) {
  const auto* const provider = find_authorizer(model, name);
  if (provider == nullptr) return "refuses: no MeshConfig has the authorizer " + name;
  const auto* const service = provider_service(model, name);
  if (service == nullptr) return "refuses: the authorizer " + name + " has no service";
  if (provider->has_envoy_ext_authz_http())
    return "asks " + name + " over HTTP" + asked(provider->envoy_ext_authz_http(), *service);
  return "asks " + name + " over gRPC" + asked(provider->envoy_ext_authz_grpc(), *service);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> describe_access(const Model& model,
                                                                 const Workload& workload) {
  std::vector<std::pair<std::string, std::string>> out;
  if (workload.source == Workload::Source::Inline) return out;
  const PolicyTarget target{workload.ns, workload.labels, &workload};
  for (const auto& policy : model.objects().authorization_policies) {
    if (!is_about(model, policy, target)) continue;
    const auto action = policy.spec.action();
    const auto dry_run = policy.annotations.find("istio.io/dry-run");
    std::string effect = AuthorizationPolicy::Action_Name(action);
    if (dry_run != policy.annotations.end() && dry_run->second == "true") effect += ", dry run";
    effect += ", rules: " + std::to_string(policy.spec.rules_size());
    if (action == AuthorizationPolicy::CUSTOM)
      effect += "; " + describe_authorizer(model, policy.spec.provider().name());
    out.emplace_back(origin_of("AuthorizationPolicy", policy.ns, policy.name), std::move(effect));
  }
  return out;
}

}  // namespace mesh::discovery
