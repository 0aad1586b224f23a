#include "discovery/compile/authorization.h"

#include <string>
#include <vector>

#include "base/text.h"
#include "discovery/compile/access_rule.h"
#include "discovery/compile/build.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"
#include "envoy/extensions/filters/network/rbac/v3/rbac.pb.h"

namespace mesh::discovery {
namespace {

namespace rbac = envoy::config::rbac::v3;
using istio_security::AuthorizationPolicy;

constexpr const char* kDryRun = "istio.io/dry-run";

struct ActionKind {
  AuthorizationPolicy::Action action;
  rbac::RBAC::Action compiled;
  const char* name;           // of its filters
  const char* shadow_prefix;  // of the counts of a dry run, as Istio has it
};
constexpr ActionKind kActions[] = {
    {AuthorizationPolicy::AUDIT, rbac::RBAC::LOG, "audit", ""},
    {AuthorizationPolicy::DENY, rbac::RBAC::DENY, "deny", "istio_dry_run_deny_"},
    {AuthorizationPolicy::ALLOW, rbac::RBAC::ALLOW, "allow", "istio_dry_run_allow_"},
};

rbac::Policy never() {
  rbac::Policy policy;
  policy.add_permissions()->mutable_not_rule()->set_any(true);
  policy.add_principals()->mutable_not_id()->set_any(true);
  return policy;
}

bool is_dry_run(const Object<AuthorizationPolicy>& policy) {
  const auto found = policy.annotations.find(kDryRun);
  return found != policy.annotations.end() && found->second == "true";
}

void add_rules(const Model& model, const Object<AuthorizationPolicy>& policy,
               const ActionKind& kind, bool tcp, rbac::RBAC& into) {
  into.set_action(kind.compiled);
  const AccessScope scope{.trust_domain = model.options().trust_domain,
                          .policy_namespace = policy.ns,
                          .tcp = tcp,
                          .strict = kind.action == AuthorizationPolicy::ALLOW};
  const auto name = [&](int rule) {
    return "ns[" + policy.ns + "]-policy[" + policy.name + "]-rule[" + std::to_string(rule) + "]";
  };
  auto& policies = *into.mutable_policies();
  const auto& rules = policy.spec.rules();
  for (int i = 0; i < rules.size(); ++i)
    if (auto compiled = compile_rule(rules[i], scope)) policies[name(i)] = *std::move(compiled);
  if (rules.empty()) policies[name(0)] = never();
}

// Fills rules and shadow_rules of either kind of filter; false: no policy has the action.
template <class Filter>
bool fill(const Model& model, const PolicyTarget& target, const ActionKind& kind, bool tcp,
          Filter& filter) {
  for (const auto& policy : model.objects().authorization_policies) {
    if (policy.spec.action() != kind.action || !is_about(model, policy, target)) continue;
    const bool shadow = is_dry_run(policy);
    add_rules(model, policy, kind, tcp,
              shadow ? *filter.mutable_shadow_rules() : *filter.mutable_rules());
    if (shadow) filter.set_shadow_rules_stat_prefix(kind.shadow_prefix);
  }
  return filter.has_rules() || filter.has_shadow_rules();
}

}  // namespace

void add_authorization(const Model& model, const PolicyTarget& target, HttpManager& manager) {
  for (const ActionKind& kind : kActions) {
    envoy::extensions::filters::http::rbac::v3::RBAC filter;
    if (!fill(model, target, kind, false, filter)) continue;
    auto& added = *manager.add_http_filters();
    added.set_name(std::string("envoy.filters.http.rbac/") + kind.name);
    pack(filter, *added.mutable_typed_config());
  }
}

void add_authorization(const Model& model, const PolicyTarget& target,
                       envoy::config::listener::v3::FilterChain& chain) {
  for (const ActionKind& kind : kActions) {
    envoy::extensions::filters::network::rbac::v3::RBAC filter;
    if (!fill(model, target, kind, true, filter)) continue;
    filter.set_stat_prefix(std::string(kind.name) + ".");
    auto& added = *chain.add_filters();
    added.set_name("envoy.filters.network.rbac");
    pack(filter, *added.mutable_typed_config());
  }
}

}  // namespace mesh::discovery
