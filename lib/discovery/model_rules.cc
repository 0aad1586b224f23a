// Which rule or policy holds for a host.
#include <algorithm>
#include <optional>
#include <tuple>

#include "discovery/model.h"

namespace mesh::discovery {
namespace {

template <class Policies>
void index_by_host(const Model& model, const Policies& policies, HostIndex& index) {
  index.clear();
  for (size_t place = 0; place < policies.size(); ++place)
    index.add(model.resolve(policies[place].spec.host(), policies[place].ns), place);
}

// Whether the rule is for its own namespace, and no other.
bool is_private(const Object<istio::DestinationRule>& rule) {
  const auto& to = rule.spec.export_to();
  return rule.spec.has_workload_selector() ||
         (!to.empty() && std::all_of(to.begin(), to.end(), [&](const std::string& ns) {
           return ns == "." || ns == rule.ns;
         }));
}

// Whether a policy of the rule, or of a port, asks it.
template <class Asks>
bool any_policy(const istio::DestinationRule& rule, const Asks& asks) {
  const auto within = [&](const istio::TrafficPolicy& policy) {
    const auto& ports = policy.port_level_settings();
    return asks(policy) || std::any_of(ports.begin(), ports.end(), asks);
  };
  const auto& subsets = rule.subsets();
  return within(rule.traffic_policy()) ||
         std::any_of(subsets.begin(), subsets.end(),
                     [&](const auto& subset) { return within(subset.traffic_policy()); });
}

}  // namespace

void Model::set_rules(std::shared_ptr<const Objects> objects) {
  objects_ = std::move(objects);
  index_rules();
}

void Model::index_rules() {
  virtual_services_.clear();
  const auto& routings = objects_->virtual_services;
  heeds_ = {};
  for (size_t place = 0; place < routings.size(); ++place) {
    const auto& spec = routings[place].spec;
    for (const auto& host : spec.hosts())
      virtual_services_.add(resolve(host, routings[place].ns), place);
    const auto asks = [](const auto& routes) {
      return std::any_of(routes.begin(), routes.end(), [](const auto& route) {
        return std::any_of(route.match().begin(), route.match().end(),
                           [](const auto& match) { return !match.source_labels().empty(); });
      });
    };
    heeds_.labels |= asks(spec.http()) || asks(spec.tcp()) || asks(spec.tls());
  }
  rules_ = merged_rules(objects_,
                        [this](const auto& host, const auto& ns) { return resolve(host, ns); });
  destination_rules_.clear();
  for (size_t place = 0; place < rules_.size(); ++place)
    destination_rules_.add(resolve(rules_[place]->spec.host(), rules_[place]->ns), place);
  index_by_host(*this, objects_->service_policies, service_policies_);
  index_by_host(*this, objects_->circuit_breakers, circuit_breakers_);
  index_by_host(*this, objects_->rate_limits, rate_limits_);
  for (const auto& rule : objects_->destination_rules) {
    // Failover by labels compares those of the caller.
    heeds_.labels |= any_policy(rule.spec, [](const auto& policy) {
      const auto& balancing = policy.load_balancer();
      return !balancing.locality_lb_setting().failover_priority().empty() ||
             !balancing.zone_aware_lb_setting().failover_priority().empty();
    });
    heeds_.labels |= !rule.spec.workload_selector().match_labels().empty();
    heeds_.workload |= any_policy(rule.spec, [](const auto& policy) {
      return policy.load_balancer().has_zone_aware_lb_setting();
    });
    heeds_.credentials |= any_policy(
        rule.spec, [](const auto& policy) { return !policy.tls().credential_name().empty(); });
  }
  // The workload's own labels are asked for, where it has an entry.
  const bool chooses =
      std::any_of(objects_->telemetries.begin(), objects_->telemetries.end(),
                  [](const auto& one) { return !one.spec.selector().match_labels().empty(); });
  heeds_.labels |= chooses;
  heeds_.workload |= chooses;
  for (const auto& mesh : objects_->mesh_configs)
    for (const auto& provider : mesh.spec.extension_providers())
      heeds_.spans |= provider.has_opentelemetry();
  for (const auto& policy : objects_->service_policies)
    heeds_.workload |= policy.spec.load_balancer().has_zone_aware();
}

const Object<istio::DestinationRule>* Model::destination_rule(const Service& service,
                                                              const std::string& ns,
                                                              const Labels& labels) const {
  const Object<istio::DestinationRule>* best = nullptr;
  std::tuple<int, size_t, bool> best_rank{0, 0, false};
  destination_rules_.each(service.host, [&](size_t place) {
    const auto& rule = *rules_[place];
    const bool own = rule.ns == ns && (ns != options_.root_namespace || is_private(rule));
    const int nearness = own                                  ? 3
                         : rule.ns == service.ns              ? 2
                         : rule.ns == options_.root_namespace ? 1
                                                              : 0;
    if (nearness == 0 || !visible(rule.spec.export_to(), rule.ns, ns)) return;
    const bool selective = rule.spec.has_workload_selector();
    if (selective &&
        (rule.ns != ns || !selects(rule.spec.workload_selector().match_labels(), labels)))
      return;
    const std::tuple rank{nearness, host_match(resolve(rule.spec.host(), rule.ns), service.host),
                          selective};
    if (std::get<1>(rank) == 0 || rank < best_rank) return;
    // Of those that select the caller the first, of the others the last (Istio).
    if (rank == best_rank && selective) return;
    best = &rule;
    best_rank = rank;
  });
  return best;
}

std::vector<std::string_view> Model::nearest(const std::string& ns, const Service& service) const {
  const std::string_view root = options_.root_namespace;
  if (ns == root) return {service.ns, root};
  return {ns, service.ns, root};
}

const Object<v1::ServicePolicy>* Model::service_policy(const Service& service,
                                                       const std::string& subset,
                                                       const std::string& ns) const {
  if (objects_->service_policies.empty()) return nullptr;
  for (const std::string_view from : nearest(ns, service)) {
    const Object<v1::ServicePolicy>* own = nullptr;
    const Object<v1::ServicePolicy>* whole = nullptr;
    service_policies_.each(service.host, [&](size_t place) {
      const auto& policy = objects_->service_policies[place];
      if (policy.ns != from || resolve(policy.spec.host(), policy.ns) != service.host) return;
      if (own == nullptr && policy.spec.subset() == subset) own = &policy;
      if (policy.spec.subset().empty()) whole = &policy;
    });
    if (own != nullptr) return own;
    if (whole != nullptr) return whole;
  }
  return nullptr;
}

std::vector<const Object<v1::CircuitBreaker>*> Model::circuit_breakers(
    const Service& service, const std::string& ns) const {
  std::vector<const Object<v1::CircuitBreaker>*> found;
  if (objects_->circuit_breakers.empty()) return found;
  for (const std::string_view from : nearest(ns, service)) {
    circuit_breakers_.each(service.host, [&](size_t place) {
      const auto& breaker = objects_->circuit_breakers[place];
      if (breaker.ns == from && resolve(breaker.spec.host(), breaker.ns) == service.host)
        found.push_back(&breaker);
    });
    if (!found.empty()) break;
  }
  return found;
}

std::vector<const Object<v1::RateLimit>*> Model::rate_limits(const Service& service) const {
  std::vector<const Object<v1::RateLimit>*> found;
  if (objects_->rate_limits.empty()) return found;
  for (const auto* from : {&service.ns, &options_.root_namespace}) {
    rate_limits_.each(service.host, [&](size_t place) {
      const auto& limit = objects_->rate_limits[place];
      if (limit.ns == *from && resolve(limit.spec.host(), limit.ns) == service.host)
        found.push_back(&limit);
    });
    if (!found.empty()) break;
  }
  return found;
}

const Object<v1::MeshConfig>* Model::mesh_config() const {
  for (const auto& config : objects_->mesh_configs)
    if (config.ns == options_.root_namespace) return &config;
  return nullptr;
}

std::vector<const Object<istio::VirtualService>*> Model::virtual_services_of(
    const std::set<std::string, std::less<>>& hosts) const {
  std::set<size_t> places;
  for (const auto& host : hosts)
    virtual_services_.each(host, [&](size_t place) { places.insert(place); });
  std::vector<const Object<istio::VirtualService>*> result;
  for (const size_t place : places) result.push_back(&objects_->virtual_services[place]);
  return result;
}

const Object<istio::VirtualService>* Model::virtual_service(const std::string& host,
                                                            const std::string& host_ns,
                                                            const Node& node) const {
  const Object<istio::VirtualService>* best = nullptr;
  std::pair<size_t, int> best_rank{0, 0};
  std::optional<const Object<istio::Sidecar>*> scope;  // looked for once, where it matters
  virtual_services_.each(host, [&](size_t place) {
    const auto& object = objects_->virtual_services[place];
    const int nearness = object.ns == node.ns ? 2 : object.ns == host_ns ? 1 : 0;
    std::pair<size_t, int> rank{0, nearness};
    for (const auto& pattern : object.spec.hosts())
      rank.first = std::max(rank.first, host_match(resolve(pattern, object.ns), host));
    if (rank.first == 0 || rank <= best_rank) return;
    if (!scope) scope = sidecar(node.ns, node.labels);
    if (!follows(object, node, *scope)) return;
    best = &object;
    best_rank = rank;
  });
  return best;
}

}  // namespace mesh::discovery
