#include "config/analyze/index.h"

#include <algorithm>
#include <tuple>

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

// The hosts of a ServiceEntry or a DestinationRule.
std::vector<std::string> hosts_of(const v1::Object& object) {
  std::vector<std::string> hosts;
  if (object.kind() == "ServiceEntry") {
    const auto entry = spec_of<networking::ServiceEntry>(object);
    for (const auto& host : entry.hosts()) hosts.push_back(text::to_lower(host));
  }
  if (object.kind() == "DestinationRule")
    hosts.push_back(text::to_lower(spec_of<networking::DestinationRule>(object).host()));
  return hosts;
}

template <class Map>
void take_out(Map& map, const std::vector<std::string>& hosts, const v1::Object& object) {
  for (const std::string& host : hosts) {
    const auto found = map.find(host);
    if (found == map.end()) continue;
    std::erase_if(found->second, [&](const auto& one) { return one.object == &object; });
    if (found->second.empty()) map.erase(found);
  }
}

// One each, in the order of the objects' names.
template <class List>
void put_in(List& list, typename List::value_type one) {
  const auto name = [](const auto& of) {
    return std::tie(of.object->namespace_(), of.object->name());
  };
  const auto at = std::lower_bound(list.begin(), list.end(), one,
                                   [&](const auto& a, const auto& b) { return name(a) < name(b); });
  if (at == list.end() || at->object != one.object) list.insert(at, std::move(one));
}

// What is asked for: a host, the beginning of a completed one, any host; the same of
// rules; a label.
constexpr char kHost = 'h';
constexpr char kHostBegin = 'H';
constexpr char kAnyHost = '*';
constexpr char kRule = 'r';
constexpr char kRuleBegin = 'R';
constexpr char kLabel = 'l';

}  // namespace

std::string intersection(std::string_view a, std::string_view b) {
  if (covers(a, b)) return std::string(b);
  return covers(b, a) ? std::string(a) : std::string();
}

std::string gateway_name(const std::string& name, const std::string& ns) {
  return name.find('/') != std::string::npos ? name : ns + "/" + name;
}

Fact fact(char kind, std::string_view name) {
  return std::hash<std::string_view>()(name) * 31 + size_t(uint8_t(kind));
}

void Index::depend(char kind, std::string_view name) const {
  if (facts_ != nullptr) facts_->push_back(fact(kind, name));
}

void Index::add(const v1::Object& object, const Touch& touch) {
  const std::string& kind = object.kind();
  if (kind == "ServiceEntry") {
    add_service(object);
  } else if (kind == "DestinationRule") {
    add_rule(object);
  } else if (kind == "WorkloadEntry") {
    Labels labels = labels_of(spec_of<networking::WorkloadEntry>(object).labels());
    labels.insert(object.labels().begin(), object.labels().end());
    add_workload(&object, object.namespace_(), std::move(labels));
  } else if (kind == "WorkloadGroup") {
    const auto group = spec_of<networking::WorkloadGroup>(object);
    Labels labels = labels_of(group.template_().labels());
    labels.insert(group.metadata().labels().begin(), group.metadata().labels().end());
    add_workload(&object, object.namespace_(), std::move(labels));
  } else if (kind == "Gateway") {
    // The forwarders that listen for it, wherever they are.
    add_workload(&object, "", labels_of(spec_of<networking::Gateway>(object).selector()));
  }
  touch_names(object, touch);
}

void Index::remove(const v1::Object& object, const Touch& touch) {
  touch_names(object, touch);
  const auto hosts = hosts_of(object);
  take_out(services_, hosts, object);
  take_out(rules_, hosts, object);
  const auto own = workloads_.find(&object);
  if (own == workloads_.end()) return;
  for (const auto& workload : own->second)
    for (const auto& [key, value] : workload->labels) {
      const auto found = by_label_.find(key + "=" + value);
      std::erase(found->second, workload.get());
      if (found->second.empty()) by_label_.erase(found);
    }
  workloads_.erase(own);
}

void Index::touch_names(const v1::Object& object, const Touch& touch) const {
  const bool rule = object.kind() == "DestinationRule";
  for (const std::string& host : hosts_of(object)) {
    touch(fact(rule ? kRule : kHost, host));
    for (size_t at = 0; (at = host.find(".svc.", at)) != std::string::npos; ++at)
      touch(fact(rule ? kRuleBegin : kHostBegin, host.substr(0, at + 5)));
    if (!rule) touch(fact(kAnyHost, ""));
  }
  if (const auto own = workloads_.find(&object); own != workloads_.end())
    for (const auto& workload : own->second)
      for (const auto& [key, value] : workload->labels) touch(fact(kLabel, key + "=" + value));
}

void Index::add_service(const v1::Object& object) {
  const auto entry = spec_of<networking::ServiceEntry>(object);
  const Service service{&object, {entry.ports().begin(), entry.ports().end()}};
  for (const auto& host : entry.hosts()) put_in(services_[text::to_lower(host)], service);
  for (const auto& endpoint : entry.endpoints())
    add_workload(&object, object.namespace_(), labels_of(endpoint.labels()));
}

void Index::add_rule(const v1::Object& object) {
  const auto rule = spec_of<networking::DestinationRule>(object);
  Subsets subsets{&object, {}, config::ejects(rule)};
  for (const auto& subset : rule.subsets()) subsets.names.insert(subset.name());
  put_in(rules_[text::to_lower(rule.host())], std::move(subsets));
}

void Index::add_workload(const std::string& ns, Labels labels) {
  add_workload(nullptr, ns, std::move(labels));
}

void Index::add_workload(const v1::Object* object, const std::string& ns, Labels labels) {
  auto workload = std::make_unique<const Workload>(Workload{object, ns, std::move(labels)});
  for (const auto& [key, value] : workload->labels)
    by_label_[key + "=" + value].push_back(workload.get());
  workloads_[object].push_back(std::move(workload));
}

const Index::Service* Index::find_service(std::string_view host, std::string_view ns) const {
  const std::string lower = text::to_lower(host);
  depend(kHost, lower);
  auto found = services_.find(lower);
  if (found != services_.end()) return &found->second.front();
  if (lower.find('.') != std::string::npos) return nullptr;
  const std::string completed = lower + "." + std::string(ns) + ".svc.";
  depend(kHostBegin, completed);
  found = services_.lower_bound(completed);
  const bool there = found != services_.end() && found->first.starts_with(completed);
  return there ? &found->second.front() : nullptr;
}

bool Index::has_host(std::string_view host, std::string_view ns) const {
  if (!host.starts_with('*')) return find_service(host, ns) != nullptr;
  const std::string pattern = text::to_lower(host);
  depend(kAnyHost, "");
  return std::any_of(services_.begin(), services_.end(),
                     [&](const auto& service) { return covers(pattern, service.first); });
}

std::vector<const Index::Service*> Index::services() const {
  depend(kAnyHost, "");
  std::vector<const Service*> result;
  std::set<const v1::Object*> seen;  // one with several hosts is there for each
  for (const auto& [host, services] : services_)
    for (const Service& service : services)
      if (seen.insert(service.object).second) result.push_back(&service);
  return result;
}

std::vector<const std::vector<Index::Subsets>*> Index::rules_for(const std::string& host,
                                                                 std::string_view ns) const {
  std::vector<const std::vector<Subsets>*> result;
  const auto add = [&](const std::string& name) {
    depend(kRule, name);
    if (const auto found = rules_.find(name); found != rules_.end())
      result.push_back(&found->second);
  };
  const std::string lower = text::to_lower(host);
  add(lower);
  std::string name = lower;
  if (name.find('.') == std::string::npos) {
    // The rule may have the long name, or the route.
    const std::string completed = lower + "." + std::string(ns) + ".svc.";
    depend(kRuleBegin, completed);
    const auto found = rules_.lower_bound(completed);
    if (found != rules_.end() && found->first.starts_with(completed)) {
      result.push_back(&found->second);
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
  for (const auto* const rules : rules_for(host, ns))
    for (const Subsets& rule : *rules)
      if (rule.names.contains(subset)) return true;
  return false;
}

bool Index::ejects(const std::string& host) const {
  for (const auto* const rules : rules_for(host, ""))
    for (const Subsets& rule : *rules)
      if (rule.ejects) return true;
  return false;
}

// Those with the one of the labels that the fewest have; null: nobody has one of them.
const std::vector<const Index::Workload*>* Index::with_rarest(const Labels& labels) const {
  // A workload that has all of them has the first.
  depend(kLabel, labels.begin()->first + "=" + labels.begin()->second);
  const std::vector<const Workload*>* rarest = nullptr;
  for (const auto& [key, value] : labels) {
    const auto found = by_label_.find(key + "=" + value);
    if (found == by_label_.end()) return nullptr;
    if (rarest == nullptr || found->second.size() < rarest->size()) rarest = &found->second;
  }
  return rarest;
}

bool Index::selects(const std::string& ns, const Labels& labels) const {
  if (labels.empty()) return true;
  const auto* const some = with_rarest(labels);
  return some != nullptr && std::any_of(some->begin(), some->end(), [&](const Workload* workload) {
           const auto& has = workload->labels;
           return (ns.empty() || workload->ns.empty() || ns == workload->ns) &&
                  std::includes(has.begin(), has.end(), labels.begin(), labels.end());
         });
}

std::vector<const Index::Workload*> Index::having(const Labels& labels) const {
  std::vector<const Workload*> result;
  if (labels.empty()) return result;
  const auto* const some = with_rarest(labels);
  if (some == nullptr) return result;
  std::copy_if(some->begin(), some->end(), std::back_inserter(result),
               [&](const Workload* workload) {
                 const auto& has = workload->labels;
                 return !workload->ns.empty() &&
                        std::includes(has.begin(), has.end(), labels.begin(), labels.end());
               });
  return result;
}

}  // namespace mesh::config
