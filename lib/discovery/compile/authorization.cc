#include "discovery/compile/authorization.h"

#include <map>
#include <string>
#include <vector>

#include "base/text.h"
#include "discovery/compile/access_rule.h"
#include "discovery/compile/build.h"
#include "discovery/compile/ext_authz.h"
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

// `before` and `behind` the usual name of each rule.
void add_rules(const Model& model, const Object<AuthorizationPolicy>& policy,
               rbac::RBAC::Action action, bool tcp, rbac::RBAC& into,
               const std::string& before = {}, const std::string& behind = {}) {
  into.set_action(action);
  const AccessScope scope{.trust_domain = model.options().trust_domain,
                          .policy_namespace = policy.ns,
                          .tcp = tcp,
                          .strict = action == rbac::RBAC::ALLOW};
  const auto name = [&](int rule) {
    return before + "ns[" + policy.ns + "]-policy[" + policy.name + "]-rule[" +
           std::to_string(rule) + "]" + behind;
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
    add_rules(model, policy, kind.compiled, tcp,
              shadow ? *filter.mutable_shadow_rules() : *filter.mutable_rules());
    if (shadow) filter.set_shadow_rules_stat_prefix(kind.shadow_prefix);
  }
  return filter.has_rules() || filter.has_shadow_rules();
}

// By the names of the providers.
using Custom = std::map<std::string, std::vector<const Object<AuthorizationPolicy>*>>;
Custom custom_policies(const Model& model, const PolicyTarget& target) {
  Custom result;
  for (const auto& policy : model.objects().authorization_policies)
    if (policy.spec.action() == AuthorizationPolicy::CUSTOM && is_about(model, policy, target))
      result[policy.spec.provider().name()].push_back(&policy);
  return result;
}

// What the policies match, refused: nobody can be asked (Istio).
void refuse_custom(const Model& model, const Custom::value_type& custom, bool tcp,
                   rbac::RBAC& into) {
  for (const auto* policy : custom.second)
    add_rules(model, *policy, rbac::RBAC::DENY, tcp, into,
              std::string(kCustomPolicy) + custom.first + "-", "-deny-due-to-bad-CUSTOM-action");
}

// What the policies match, found and not refused.
void find_custom(const Model& model, const Custom::value_type& custom, bool tcp, rbac::RBAC& into) {
  for (const auto* policy : custom.second)
    add_rules(model, *policy, rbac::RBAC::DENY, tcp, into,
              std::string(kCustomPolicy) + custom.first + "-");
}

// Of each provider a filter that says which requests are its, and one that asks.
void add_custom(const Model& model, const PolicyTarget& target, HttpManager& manager) {
  for (const auto& custom : custom_policies(model, target)) {
    const auto add = [&](const char* filter, const google::protobuf::Message& config) {
      auto& added = *manager.add_http_filters();
      added.set_name(filter + ("/" + custom.first));
      pack(config, *added.mutable_typed_config());
    };
    envoy::extensions::filters::http::rbac::v3::RBAC rbac;
    const auto authorizer = compile_provider(model, custom.first);
    if (!authorizer) {
      refuse_custom(model, custom, false, *rbac.mutable_rules());
      add("envoy.filters.http.rbac/custom", rbac);
      continue;
    }
    find_custom(model, custom, false, *rbac.mutable_shadow_rules());
    rbac.set_shadow_rules_stat_prefix(std::string(kCustomKey));
    add("envoy.filters.http.rbac/custom", rbac);
    add("envoy.filters.http.ext_authz", *authorizer);
  }
}

// The same of connections. Of these a provider over HTTP is not asked (Istio).
void add_custom(const Model& model, const PolicyTarget& target,
                envoy::config::listener::v3::FilterChain& chain) {
  for (const auto& custom : custom_policies(model, target)) {
    const auto add = [&](const char* name, const google::protobuf::Message& config) {
      auto& added = *chain.add_filters();
      added.set_name(name);
      pack(config, *added.mutable_typed_config());
    };
    const auto authorizer = compile_connection_provider(model, custom.first);
    if (!authorizer && provider_service(model, custom.first) != nullptr) continue;
    envoy::extensions::filters::network::rbac::v3::RBAC rbac;
    rbac.set_stat_prefix("custom.");
    if (!authorizer) {
      refuse_custom(model, custom, true, *rbac.mutable_rules());
      add("envoy.filters.network.rbac", rbac);
      continue;
    }
    find_custom(model, custom, true, *rbac.mutable_shadow_rules());
    rbac.set_shadow_rules_stat_prefix(std::string(kCustomKey));
    add("envoy.filters.network.rbac", rbac);
    add("envoy.filters.network.ext_authz", *authorizer);
  }
}

}  // namespace

void add_authorization(const Model& model, const PolicyTarget& target, HttpManager& manager) {
  add_custom(model, target, manager);
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
  add_custom(model, target, chain);
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
