#include "config/analyze/index.h"

#include <algorithm>

#include "base/text.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"
#include "istio/networking/v1alpha3/gateway.pb.h"
#include "istio/networking/v1alpha3/workload_entry.pb.h"
#include "istio/networking/v1alpha3/workload_group.pb.h"

namespace mesh::config {
namespace {

namespace networking = ::istio::networking::v1alpha3;

template <class Map>
Index::Labels labels_of(const Map& map) {
  return {map.begin(), map.end()};
}

// Whether the hosts of the rule, of a port or a subset of it, are ever ejected.
bool ejects(const networking::DestinationRule& rule) {
  const auto has = [](const auto& policy) { return policy.has_outlier_detection(); };
  const auto any = [&](const networking::TrafficPolicy& policy) {
    const auto& ports = policy.port_level_settings();
    return has(policy) || std::any_of(ports.begin(), ports.end(), has);
  };
  const auto& subsets = rule.subsets();
  return any(rule.traffic_policy()) ||
         std::any_of(subsets.begin(), subsets.end(),
                     [&](const auto& subset) { return any(subset.traffic_policy()); });
}

bool covers(std::string_view pattern, std::string_view name) {
  return pattern == name || (pattern.starts_with('*') && name.size() >= pattern.size() &&
                             name.ends_with(pattern.substr(1)));
}

}  // namespace

std::string intersection(std::string_view a, std::string_view b) {
  if (covers(a, b)) return std::string(b);
  return covers(b, a) ? std::string(a) : std::string();
}

Index::Index(const ObjectSet& set) {
  for (const auto& [name, object] : set.objects()) {
    if (name.kind == "ServiceEntry") {
      add_service(*object);
    } else if (name.kind == "DestinationRule") {
      add_rule(*object);
    } else if (name.kind == "WorkloadEntry") {
      Labels labels = labels_of(spec_of<networking::WorkloadEntry>(*object).labels());
      labels.insert(object->labels().begin(), object->labels().end());
      add_workload(name.ns, std::move(labels));
    } else if (name.kind == "WorkloadGroup") {
      const auto group = spec_of<networking::WorkloadGroup>(*object);
      Labels labels = labels_of(group.template_().labels());
      labels.insert(group.metadata().labels().begin(), group.metadata().labels().end());
      add_workload(name.ns, std::move(labels));
    } else if (name.kind == "Gateway") {
      // The forwarders that listen for it, wherever they are.
      add_workload("", labels_of(spec_of<networking::Gateway>(*object).selector()));
    }
  }
}

void Index::add_service(const v1::Object& object) {
  const auto entry = spec_of<networking::ServiceEntry>(object);
  const Service service{&object, {entry.ports().begin(), entry.ports().end()}};
  for (const auto& host : entry.hosts()) services_.emplace(text::to_lower(host), service);
  for (const auto& endpoint : entry.endpoints())
    add_workload(object.namespace_(), labels_of(endpoint.labels()));
}

void Index::add_rule(const v1::Object& object) {
  const auto rule = spec_of<networking::DestinationRule>(object);
  Rules& rules = rules_[text::to_lower(rule.host())];
  for (const auto& subset : rule.subsets()) rules.subsets.insert(subset.name());
  rules.ejects = rules.ejects || config::ejects(rule);
}

void Index::add_workload(const std::string& ns, Labels labels) {
  for (const auto& [key, value] : labels) by_label_[key + "=" + value].push_back(workloads_.size());
  workloads_.emplace_back(ns, std::move(labels));
}

const Index::Service* Index::find_service(std::string_view host, std::string_view ns) const {
  const std::string lower = text::to_lower(host);
  auto found = services_.find(lower);
  if (found != services_.end()) return &found->second;
  if (lower.find('.') != std::string::npos) return nullptr;
  const std::string completed = lower + "." + std::string(ns) + ".svc.";
  found = services_.lower_bound(completed);
  const bool there = found != services_.end() && found->first.starts_with(completed);
  return there ? &found->second : nullptr;
}

bool Index::has_host(std::string_view host, std::string_view ns) const {
  if (!host.starts_with('*')) return find_service(host, ns) != nullptr;
  const std::string pattern = text::to_lower(host);
  return std::any_of(services_.begin(), services_.end(),
                     [&](const auto& service) { return covers(pattern, service.first); });
}

std::vector<const std::string*> Index::patterns_for(const std::string& host,
                                                    std::string_view ns) const {
  std::vector<const std::string*> result;
  const auto add = [&](const std::string& name) {
    if (const auto found = rules_.find(name); found != rules_.end())
      result.push_back(&found->first);
  };
  const std::string lower = text::to_lower(host);
  add(lower);
  std::string name = lower;
  if (name.find('.') == std::string::npos) {
    // The rule may have the long name, or the route.
    const std::string completed = lower + "." + std::string(ns) + ".svc.";
    const auto found = rules_.lower_bound(completed);
    if (found != rules_.end() && found->first.starts_with(completed)) {
      result.push_back(&found->first);
      name = found->first;
    }
  } else if (const size_t svc = name.find(".svc."); svc != std::string::npos) {
    add(name.substr(0, std::min(name.find('.'), svc)));
  }
  for (size_t i = 0; i < name.size(); ++i)
    if (i == 0 || name[i] == '.') add("*" + (i == 0 ? std::string() : name.substr(i)));
  return result;
}

bool Index::has_subset(const std::string& host, std::string_view ns,
                       const std::string& subset) const {
  const auto patterns = patterns_for(host, ns);
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string* pattern) {
    return rules_.find(*pattern)->second.subsets.contains(subset);
  });
}

bool Index::ejects(const std::string& host) const {
  const auto patterns = patterns_for(host, "");
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string* pattern) {
    return rules_.find(*pattern)->second.ejects;
  });
}

bool Index::selects(const std::string& ns, const Labels& labels) const {
  // Among those that have the rarest of the labels.
  const std::vector<size_t>* rarest = nullptr;
  for (const auto& [key, value] : labels) {
    const auto found = by_label_.find(key + "=" + value);
    if (found == by_label_.end()) return false;
    if (rarest == nullptr || found->second.size() < rarest->size()) rarest = &found->second;
  }
  if (rarest == nullptr) return true;
  return std::any_of(rarest->begin(), rarest->end(), [&](size_t i) {
    const auto& [at, has] = workloads_[i];
    return (ns.empty() || at.empty() || ns == at) &&
           std::includes(has.begin(), has.end(), labels.begin(), labels.end());
  });
}

}  // namespace mesh::config
