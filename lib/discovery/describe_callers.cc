#include "discovery/describe_callers.h"

#include <algorithm>
#include <map>

#include <google/protobuf/descriptor.h>

#include "base/text.h"
#include "discovery/compile/ext_authz.h"
#include "discovery/provenance.h"

namespace mesh::discovery {
namespace {

using istio_security::AuthorizationPolicy;
using istio_security::Rule;
using Policies = std::vector<const Object<AuthorizationPolicy>*>;

// The first of many, and how many more.
std::string list_of(const std::vector<std::string>& all, size_t shown_max) {
  if (all.size() <= shown_max) return text::join(all, ", ");
  const std::vector<std::string> first(all.begin(), all.begin() + ptrdiff_t(shown_max));
  return text::join(first, ", ") + " and " + std::to_string(all.size() - shown_max) + " more";
}

// The fields of a Source or an Operation, which are all lists of texts.
std::vector<const google::protobuf::FieldDescriptor*> fields_of(
    const google::protobuf::Message& message) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

// "namespaces demo, shop and notPrincipals a"; empty: whoever it is.
std::string source_text(const istio_security::Source& source) {
  constexpr size_t kValuesShown = 10;
  const auto& reflection = *source.GetReflection();
  std::vector<std::string> parts;
  for (const auto* const field : fields_of(source)) {
    std::vector<std::string> values;
    for (int i = 0; i < reflection.FieldSize(source, field); ++i)
      values.push_back(reflection.GetRepeatedString(source, field, i));
    parts.push_back(field->json_name() + " " + list_of(values, kValuesShown));
  }
  return text::join(parts, " and ");
}

// By the sources alone; empty: everybody.
std::string sources_text(const Rule& rule) {
  std::vector<std::string> parts;
  for (const auto& from : rule.from()) {
    parts.push_back(source_text(from.source()));
    if (parts.back().empty()) return {};
  }
  return text::join(parts, " or ");
}

// What else has to match: fields of operations, keys of conditions; empty: nothing.
std::vector<std::string> further(const Rule& rule) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const auto& to : rule.to()) {
    const auto fields = fields_of(to.operation());
    if (fields.empty()) {  // one that all requests are
      names.clear();
      break;
    }
    for (const auto* const field : fields) add(field->json_name());
  }
  for (const auto& condition : rule.when()) add(condition.key());
  return names;
}

bool matches_all(const Rule& rule) { return sources_text(rule).empty() && further(rule).empty(); }

std::string rule_text(const Rule& rule) {
  const std::string sources = sources_text(rule);
  const auto others = further(rule);
  std::string out = sources.empty() ? "everybody" : sources;
  if (!others.empty())
    out += ", where " + text::join(others, ", ") + (others.size() == 1 ? " matches" : " match");
  return out;
}

// "ORIGIN (PLACE)" of a policy, or of one of its rules.
std::string named(const Model& model, const Object<AuthorizationPolicy>& policy, int rule = -1) {
  const std::string origin =
      origin_of("AuthorizationPolicy", policy.ns, policy.name,
                rule < 0 ? std::string() : "rules[" + std::to_string(rule) + "]");
  const std::string place = model.objects().places->place(origin);
  return origin + (place.empty() ? "" : " (" + place + ")");
}

struct Enforced {
  Policies refused;  // CUSTOM, and there is nobody to ask (Istio)
  Policies asked;    // CUSTOM
  Policies denied;
  Policies allowed;
};

Enforced enforced(const Model& model, const PolicyTarget& target) {
  Enforced out;
  for (const auto& policy : model.objects().authorization_policies) {
    if (!is_about(model, policy, target)) continue;
    const auto dry_run = policy.annotations.find("istio.io/dry-run");
    const bool real = dry_run == policy.annotations.end() || dry_run->second != "true";
    const auto action = policy.spec.action();
    if (action == AuthorizationPolicy::CUSTOM) {
      const bool served = provider_service(model, policy.spec.provider().name()) != nullptr;
      (served ? out.asked : out.refused).push_back(&policy);
    } else if (action == AuthorizationPolicy::DENY && real) {
      out.denied.push_back(&policy);
    } else if (action == AuthorizationPolicy::ALLOW && real) {
      out.allowed.push_back(&policy);
    }
  }
  return out;
}

// Visits each rule as (policy, rule, its index), until a visit says that it is enough.
template <class Visit>
bool any_rule(const Policies& policies, const Visit& visit) {
  for (const auto* const policy : policies)
    for (int i = 0; i < policy->spec.rules_size(); ++i)
      if (visit(*policy, policy->spec.rules(i), i)) return true;
  return false;
}

// Why nobody may call; empty: somebody may.
std::string nobody(const Model& model, const Enforced& all) {
  std::string why;
  const auto stops = [&](const char* does) {
    return [&model, &why, does](const auto& policy, const Rule& rule, int i) {
      if (matches_all(rule)) why = named(model, policy, i) + does;
      return !why.empty();
    };
  };
  if (any_rule(all.refused, stops(" has nobody to ask, and refuses all")) ||
      any_rule(all.denied, stops(" denies all")) || all.allowed.empty() ||
      any_rule(all.allowed, [](const auto&, const Rule&, int) { return true; }))
    return why;
  return named(model, *all.allowed[0]) + " has no rules, and allows nobody";
}

}  // namespace

std::vector<std::string> describe_callers(const Model& model, const PolicyTarget& target) {
  const Enforced all = enforced(model, target);
  if (const std::string why = nobody(model, all); !why.empty()) return {"nobody: " + why};
  std::vector<std::string> out;
  const auto add = [&](const std::string& before, const char* does) {
    return [&model, &out, before, does](const auto& policy, const Rule& rule, int i) {
      out.push_back(before + named(model, policy, i) + does + rule_text(rule));
      return false;
    };
  };
  const bool open =
      any_rule(all.allowed, [](const auto&, const Rule& rule, int) { return matches_all(rule); });
  if (!open)
    any_rule(all.allowed, [&](const auto& policy, const Rule& rule, int i) {
      return add(out.empty() ? "as " : "or as ", " allows: ")(policy, rule, i);
    });
  any_rule(all.denied, add("not as ", " denies: "));
  any_rule(all.refused, add("not as ", ", which has nobody to ask, refuses: "));
  for (const auto* const policy : all.asked)
    any_rule({policy},
             add("as " + policy->spec.provider().name() + " answers, which ", " asks of: "));
  return out;
}

std::vector<std::string> describe_callers(const Model& model, const Service& service) {
  constexpr size_t kNamesShown = 5;
  // Their lines, and the names of those that have them, in the order of the first.
  std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> groups;
  for (const Workload* const workload : service.workloads) {
    if (workload->source == Workload::Source::Inline) continue;  // no forwarder stands there
    auto lines = describe_callers(model, {workload->ns, workload->labels, workload});
    auto at = std::find_if(groups.begin(), groups.end(),
                           [&](const auto& group) { return group.first == lines; });
    if (at == groups.end()) at = groups.insert(at, {std::move(lines), {}});
    at->second.push_back(workload->name);
  }
  if (groups.empty()) {
    // What an instance would find, where there may be one.
    if (service.external || !service.workloads.empty()) return {};
    return describe_callers(model, {service.ns, service.selector});
  }
  if (groups.size() == 1) return groups[0].first;
  std::vector<std::string> out;
  for (auto& [lines, names] : groups) {
    if (lines.empty()) lines.push_back("everybody");
    for (const std::string& line : lines)
      out.push_back("at " + list_of(names, kNamesShown) + ": " + line);
  }
  return out;
}

}  // namespace mesh::discovery
