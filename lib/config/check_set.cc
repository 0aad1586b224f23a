// The sense of the set: what `istioctl analyze` finds across objects.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "config/object_set.h"
#include "config/validate/checker.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"
#include "istio/networking/v1alpha3/sidecar.pb.h"
#include "istio/networking/v1alpha3/virtual_service.pb.h"
#include "istio/security/v1beta1/peer_authentication.pb.h"
#include "mesh/v1/circuit_breaker.pb.h"
#include "mesh/v1/rate_limit.pb.h"
#include "mesh/v1/service_policy.pb.h"

namespace mesh::config {
namespace {

namespace networking = ::istio::networking::v1alpha3;

std::string line(const v1::Object& object, const std::string& path, const std::string& what) {
  std::string line = to_string(object.file(), find_position(object, path)) + ": " + object.kind() +
                     " " + object.namespace_() + "/" + object.name() + ": ";
  if (!path.empty()) line += path + ": ";
  return line + what;
}

std::string place(const v1::Object& object) {
  return object.kind() + " " + object.namespace_() + "/" + object.name() + " (" +
         to_string(object.file(), find_position(object, "")) + ")";
}

class SetChecker {
 public:
  explicit SetChecker(const ObjectSet& set) : set_(set) {}

  SetProblems run() {
    index();
    for (const auto& [name, object] : set_.objects()) {
      if (name.kind == "VirtualService") virtual_service(*object);
      if (name.kind == "DestinationRule")
        known_host(*object, "spec.host", rule_hosts_[object.get()]);
      if (name.kind == "PeerAuthentication") peer_authentication(*object);
      if (name.kind == "Sidecar") sidecar(*object);
      if (name.kind == "MeshConfig") only(*object, "", "the whole mesh", mesh_configs_, "");
      if (name.kind == "CircuitBreaker") circuit_breaker(*object);
      if (name.kind == "RateLimit")
        known_host(*object, "spec.host", spec_of<::mesh::v1::RateLimit>(*object).host());
      if (name.kind == "ServicePolicy") service_policy(*object);
    }
    return std::move(problems_);
  }

 private:
  void index() {
    for (const auto& [name, object] : set_.objects()) {
      if (name.kind == "ServiceEntry") {
        const auto service = spec_of<networking::ServiceEntry>(*object);
        hosts_.insert(service.hosts().begin(), service.hosts().end());
      } else if (name.kind == "DestinationRule") {
        const auto rule = spec_of<networking::DestinationRule>(*object);
        rule_hosts_[object.get()] = rule.host();
        for (const auto& subset : rule.subsets()) subsets_.emplace(rule.host(), subset.name());
        if (ejects(rule)) ejecting_.insert(rule.host());
      }
    }
  }

  void error(const v1::Object& object, const std::string& path, const std::string& what) {
    problems_.errors.push_back(line(object, path, what));
  }

  void known_host(const v1::Object& object, const std::string& path, const std::string& host) {
    if (hosts_.contains(host)) return;
    problems_.warnings.push_back(line(object, path, "no ServiceEntry has the host " + host));
  }

  void virtual_service(const v1::Object& object) {
    const auto service = spec_of<networking::VirtualService>(object);
    for (int i = 0; i < service.hosts_size(); ++i)
      only(object, at_index("spec.hosts", i), "host " + service.hosts(i), service_hosts_,
           object.namespace_() + "/" + service.hosts(i));
    for (int i = 0; i < service.http_size(); ++i) {
      delegate(object, service.http(i), at_index("spec.http", i) + ".delegate");
      destinations(object, service.http(i).route(), at_index("spec.http", i));
    }
    for (int i = 0; i < service.tcp_size(); ++i)
      destinations(object, service.tcp(i).route(), at_index("spec.tcp", i));
    for (int i = 0; i < service.tls_size(); ++i)
      destinations(object, service.tls(i).route(), at_index("spec.tls", i));
  }

  template <class Routes>
  void destinations(const v1::Object& object, const Routes& routes, const std::string& at) {
    for (int j = 0; j < routes.size(); ++j)
      destination(object, routes[j].destination(), at_index(at + ".route", j) + ".destination");
  }

  void destination(const v1::Object& object, const networking::Destination& to,
                   const std::string& path) {
    if (!to.subset().empty() && !subsets_.contains({to.host(), to.subset()}))
      error(object, path + ".subset",
            "no DestinationRule for " + to.host() + " has the subset " + to.subset());
    known_host(object, path + ".host", to.host());
  }

  void circuit_breaker(const v1::Object& object) {
    const auto breaker = spec_of<::mesh::v1::CircuitBreaker>(object);
    known_host(object, "spec.host", breaker.host());
    if (breaker.fallback().has_destination())
      destination(object, breaker.fallback().destination(), "spec.fallback.destination");
  }

  // Whether its hosts, or those of a port or subset, are ever ejected.
  static bool ejects(const networking::DestinationRule& rule) {
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

  bool ejected(const std::string& host) const {
    return std::any_of(ejecting_.begin(), ejecting_.end(), [&](const std::string& pattern) {
      return pattern == host ||
             (pattern.starts_with('*') && std::string_view(host).ends_with(pattern.substr(1)));
    });
  }

  void delegate(const v1::Object& object, const networking::HTTPRoute& route,
                const std::string& path) {
    if (!route.has_delegate()) return;
    const auto& ref = route.delegate();
    const std::string ns = ref.namespace_().empty() ? object.namespace_() : ref.namespace_();
    const auto* const found = set_.find({.kind = "VirtualService", .ns = ns, .name = ref.name()});
    if (found == nullptr)
      return error(object, path, "there is no VirtualService " + ns + "/" + ref.name());
    const auto service = spec_of<networking::VirtualService>(*found);
    if (!service.hosts().empty())
      error(object, path, "a delegate has no hosts, and this one has: " + place(*found));
    for (const auto& inner : service.http())
      if (inner.has_delegate())
        return error(object, path,
                     "delegates do not delegate, and this one does: " + place(*found));
  }

  void service_policy(const v1::Object& object) {
    const auto policy = spec_of<::mesh::v1::ServicePolicy>(object);
    known_host(object, "spec.host", policy.host());
    if (!policy.subset().empty() && !subsets_.contains({policy.host(), policy.subset()}))
      error(object, "spec.subset",
            "no DestinationRule for " + policy.host() + " has the subset " + policy.subset());
    only(object, "", "host " + policy.host() + " subset " + text::quoted(policy.subset()),
         service_policies_, object.namespace_() + "/" + policy.host() + "/" + policy.subset());
    if (policy.has_outlier_return() && !ejected(policy.host()))
      problems_.warnings.push_back(
          line(object, "spec.outlierReturn",
               "has no effect: no DestinationRule for " + policy.host() + " has outlierDetection"));
  }

  void peer_authentication(const v1::Object& object) {
    const auto policy = spec_of<::istio::security::v1beta1::PeerAuthentication>(object);
    if (policy.has_selector()) return;
    only(object, "", "the namespace without a selector", policies_, object.namespace_());
  }

  void sidecar(const v1::Object& object) {
    if (spec_of<networking::Sidecar>(object).has_workload_selector()) return;
    only(object, "", "the namespace without a workloadSelector", sidecars_, object.namespace_());
  }

  // One object only may speak of `key`.
  void only(const v1::Object& object, const std::string& path, const std::string& what,
            std::map<std::string, const v1::Object*>& taken, const std::string& key) {
    const auto [entry, fresh] = taken.emplace(key, &object);
    if (!fresh) error(object, path, "another one is for " + what + ": " + place(*entry->second));
  }

  const ObjectSet& set_;
  SetProblems problems_;
  std::set<std::string> hosts_;                             // of ServiceEntries
  std::set<std::pair<std::string, std::string>> subsets_;   // host, subset
  std::set<std::string> ejecting_;                          // of rules with outlierDetection
  std::map<const v1::Object*, std::string> rule_hosts_;     // of DestinationRules
  std::map<std::string, const v1::Object*> service_hosts_;  // namespace/host
  std::map<std::string, const v1::Object*> policies_;       // by namespace
  std::map<std::string, const v1::Object*> sidecars_;       // by namespace
  std::map<std::string, const v1::Object*> mesh_configs_;
  std::map<std::string, const v1::Object*> service_policies_;  // namespace/host/subset
};

}  // namespace

SetProblems check_set(const ObjectSet& set) { return SetChecker(set).run(); }

}  // namespace mesh::config
