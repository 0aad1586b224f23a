#include "explain/access.h"

#include <algorithm>

#include "authz/explain.h"
#include "base/text.h"
#include "explain/hop.h"

namespace mesh::explain {
namespace {

std::string_view name_of(authz::Action action) {
  switch (action) {
    case authz::Action::Allow: return "ALLOW";
    case authz::Action::Deny: return "DENY";
    case authz::Action::Log: break;
  }
  return "AUDIT";
}

// What lets a provider be asked is written in shadow rules whose names begin so (Istio).
constexpr std::string_view kCustom = "istio-ext-authz-";

// Cuts "HEAD...]" off the front of `text`; what stands between.
std::string_view take(std::string_view& text, std::string_view head) {
  if (!text.starts_with(head)) return {};
  const size_t end = text.find(']');
  if (end == std::string_view::npos) return {};
  const std::string_view inside = text.substr(head.size(), end - head.size());
  text.remove_prefix(end + 1);
  return inside;
}

authz::Decision add(const Held& held, const authz::Rules& rules, bool dry_run,
                    const authz::Request& request, v1::Hop& hop) {
  const authz::Explanation why = authz::explain(rules, request);
  for (size_t i = 0; i < why.rules.size(); ++i) {
    const authz::RuleReport& report = why.rules[i];
    auto& rule = *hop.add_rules();
    rule.set_policy(report.policy);
    const bool custom = dry_run && report.policy.starts_with(kCustom);
    rule.set_action(custom ? "CUSTOM" : std::string(name_of(rules.action())));
    rule.set_dry_run(dry_run && !custom);
    rule.set_matched(report.matched);
    rule.set_decided(!dry_run && rules.action() != authz::Action::Log && why.decision.policy == i);
    for (const authz::FailingClause& failing : report.failing) {
      auto& clause = *rule.add_failed();
      clause.set_expected(failing.expected);
      clause.set_actual(failing.actual);
    }
    if (const std::string origin = rule_origin(report.policy); !origin.empty())
      *rule.mutable_origin() = held.origin(origin);
  }
  return why.decision;
}

void add_origins(const std::shared_ptr<const authz::Rules>& rules, std::vector<std::string>& out) {
  if (rules == nullptr) return;
  for (uint32_t i = 0; i < rules->size(); ++i)
    if (std::string origin = rule_origin(rules->name(i)); !origin.empty())
      out.push_back(std::move(origin));
}

}  // namespace

std::string rule_origin(std::string_view policy) {
  if (policy.starts_with(kCustom))
    policy.remove_prefix(std::min(policy.size(), policy.find("ns[")));
  const std::string_view ns = take(policy, "ns[");
  const std::string_view name = take(policy, "-policy[");
  const std::string_view rule = take(policy, "-rule[");
  if (ns.empty() || name.empty() || rule.empty()) return {};
  std::string out("AuthorizationPolicy/");
  out.append(ns).append("/").append(name).append(" rules[").append(rule).append("]");
  return out;
}

std::vector<std::string> rule_origins(const xds::Listener& listener) {
  std::vector<std::string> out;
  const auto add_rbac = [&](const authz::Rbac& rbac) {
    add_origins(rbac.rules, out);
    add_origins(rbac.shadow, out);
  };
  const auto add_chain = [&](const xds::FilterChain& chain) {
    for (const auto& rbac : chain.network_rbac) add_rbac(*rbac);
    for (const auto& filter : chain.http_filters)
      if (const auto* const rbac = route::value_of<authz::Rbac>(filter.config.get()))
        add_rbac(*rbac);
  };
  for (const auto& chain : listener.filter_chains) add_chain(chain);
  if (listener.default_filter_chain) add_chain(*listener.default_filter_chain);
  return out;
}

bool judge(const Held& held, const authz::Rbac& rbac, const authz::Request& request, v1::Hop& hop,
           std::vector<authz::ShadowVerdict>* found) {
  if (rbac.shadow != nullptr) {
    const authz::Decision shadow = add(held, *rbac.shadow, true, request, hop);
    if (found != nullptr && shadow.policy != authz::Decision::kNone)
      found->push_back({.prefix = rbac.shadow_stat_prefix,
                        .policy = rbac.shadow->name(shadow.policy),
                        .allowed = shadow.allowed});
  }
  if (rbac.rules == nullptr) return false;
  const authz::Decision decision = add(held, *rbac.rules, false, request, hop);
  if (decision.allowed) return false;
  hop.set_outcome(std::string(kDenied));
  hop.set_status(403);
  hop.set_details(std::string(rbac.rules->details(decision)));
  hop.set_text(decision.policy == authz::Decision::kNone
                   ? "no rule that allows matches"
                   : "denied by " + rbac.rules->name(decision.policy));
  return true;
}

std::string leave_open(const Held& held, const authz::Rules& rules, const authz::Possible& possible,
                       const authz::Request& request, v1::Hop& hop) {
  const int first = hop.rules_size();
  add(held, rules, false, request, hop);
  std::vector<std::string> names;
  for (const uint32_t policy : possible.open) {
    v1::Rule& rule = *hop.mutable_rules(first + int(policy));
    rule.set_depends(true);
    rule.set_matched(false);
    rule.set_decided(false);
    for (v1::Clause& clause : *rule.mutable_failed())
      if (clause.expected().find("request.auth.") != std::string::npos) clause.set_actual("?");
    names.push_back(rules.name(policy));
  }
  return std::string("403 ") + (rules.action() == authz::Action::Deny ? "where " : "unless ") +
         text::join(names, " or ") + (names.size() == 1 ? " matches" : " match");
}

void tell_authorizer(const authz::ExtAuthz& config, const std::vector<authz::ShadowVerdict>& found,
                     v1::Hop& hop) {
  if (config.cluster.empty() || !asks(config, found)) return;
  auto& setting = *hop.mutable_route()->add_settings();
  setting.set_name("authorizer");
  setting.set_value(config.cluster + " is asked over " + (config.grpc ? "gRPC" : "HTTP") +
                    "; what it says is not known here");
}

}  // namespace mesh::explain
