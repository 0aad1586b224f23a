#include "discovery/merged_rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

namespace mesh::discovery {
namespace {

using Rule = Object<istio::DestinationRule>;

// Whatever is equal of rules that are merged.
std::string key_of(const Rule& rule, const std::string& host) {
  std::set<std::string> export_to;
  for (const auto& to : rule.spec.export_to()) export_to.insert(to == "." ? rule.ns : to);
  if (export_to.empty() || export_to.contains("*")) export_to = {"*"};
  std::string key = rule.ns + "\n" + host;
  if (rule.spec.has_workload_selector()) {
    const auto& labels = rule.spec.workload_selector().match_labels();
    export_to = {"selected"};
    for (const auto& [name, value] :
         std::map<std::string, std::string>(labels.begin(), labels.end()))
      export_to.insert(name + "=" + value);
  }
  for (const auto& part : export_to) key += "\n" + part;
  return key;
}

DestinationRuleRef merge(const std::vector<const Rule*>& rules) {
  auto merged = std::make_shared<Rule>(*rules.front());
  merged->spec.clear_subsets();
  std::set<std::string> names;
  for (const Rule* const rule : rules) {
    if (rule->spec.has_traffic_policy() && !merged->spec.has_traffic_policy()) {
      *merged->spec.mutable_traffic_policy() = rule->spec.traffic_policy();
      merged->name = rule->name;
    }
    for (int i = 0; i < rule->spec.subsets_size(); ++i) {
      if (!names.insert(rule->spec.subsets(i).name()).second) continue;
      *merged->spec.add_subsets() = rule->spec.subsets(i);
      merged->origins.push_back(RuleOrigin{origin_of_subset(*rule, i), {}, {}});
    }
  }
  return merged;
}

}  // namespace

std::vector<DestinationRuleRef> merged_rules(
    const std::shared_ptr<const Objects>& objects,
    const std::function<std::string(const std::string& host, const std::string& ns)>& resolve) {
  std::vector<std::vector<const Rule*>> groups;
  std::unordered_map<std::string, size_t> places;
  for (const Rule& rule : objects->destination_rules) {
    const auto [found, fresh] =
        places.emplace(key_of(rule, resolve(rule.spec.host(), rule.ns)), groups.size());
    if (fresh) groups.emplace_back();
    groups[found->second].push_back(&rule);
  }
  std::vector<DestinationRuleRef> result;
  for (const auto& group : groups)
    result.push_back(group.size() == 1 ? DestinationRuleRef(objects, group.front()) : merge(group));
  return result;
}

std::string origin_of(const Object<istio::DestinationRule>& rule) {
  return origin_of("DestinationRule", rule.ns, rule.name);
}

std::string origin_of_subset(const Object<istio::DestinationRule>& rule, int i) {
  if (size_t(i) < rule.origins.size()) return rule.origins[size_t(i)].rule;
  return origin_of(rule) + " subsets[" + std::to_string(i) + "]";
}

}  // namespace mesh::discovery
