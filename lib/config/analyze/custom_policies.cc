// Policies of action CUSTOM: whether who decides of them is there, and can be asked.
#include <algorithm>

#include "base/text.h"
#include "config/analyze/analyzer.h"
#include "config/validate/checker.h"
#include "istio/networking/v1alpha3/service_entry.pb.h"
#include "istio/networking/v1alpha3/workload_entry.pb.h"
#include "istio/networking/v1alpha3/workload_group.pb.h"
#include "istio/security/v1beta1/authorization_policy.pb.h"

namespace mesh::config {
namespace {

namespace networking = ::istio::networking::v1alpha3;
namespace security = ::istio::security::v1beta1;
using security::AuthorizationPolicy;
using Strings = Checker::Strings;

bool has(const Strings& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool takes(const Strings& values, const Strings& not_values, const std::string& value) {
  return (values.empty() || has(values, value)) && !has(not_values, value);
}

bool asks_of_requests(const security::Operation& o) {
  return o.hosts_size() + o.not_hosts_size() + o.methods_size() + o.not_methods_size() +
             o.paths_size() + o.not_paths_size() >
         0;
}

// Whether the rule is about connections to the port. One that asks of requests is meant to be
// about these alone.
bool takes_connections(const security::Rule& rule, uint32_t port) {
  const std::string number = std::to_string(port);
  for (const security::Condition& when : rule.when()) {
    if (when.key().starts_with("request.")) return false;
    if (when.key() == "destination.port" && !takes(when.values(), when.not_values(), number))
      return false;
  }
  return rule.to().empty() ||
         std::any_of(rule.to().begin(), rule.to().end(), [&](const security::Rule::To& to) {
           const security::Operation& o = to.operation();
           return !asks_of_requests(o) && takes(o.ports(), o.not_ports(), number);
         });
}

template <class Map>
uint32_t number_of(const Map& ports, const networking::ServicePort& port) {
  const auto own = ports.find(port.name());
  if (own != ports.end()) return own->second;
  return port.target_port() != 0 ? port.target_port() : port.number();
}

// Where the workload of the object listens for the service's port.
uint32_t number_at(const v1::Object* workload, const networking::ServicePort& port) {
  if (workload != nullptr && workload->kind() == "WorkloadEntry")
    return number_of(spec_of<networking::WorkloadEntry>(*workload).ports(), port);
  if (workload != nullptr && workload->kind() == "WorkloadGroup")
    return number_of(spec_of<networking::WorkloadGroup>(*workload).template_().ports(), port);
  return number_of(networking::WorkloadEntry().ports(), port);
}

bool within(const Index::Labels& inner, const Index::Labels& outer) {
  return std::includes(outer.begin(), outer.end(), inner.begin(), inner.end());
}

template <class Map>
Index::Labels labels_of(const Map& map) {
  return {map.begin(), map.end()};
}

}  // namespace

// Ports of the workloads, among those of the service, that the policy is about.
std::set<uint32_t> Analyzer::tcp_ports(const v1::Object& policy, const Index::Labels& selector,
                                       const Index::Service& service) {
  std::set<uint32_t> numbers;
  const v1::Object& object = *service.object;
  const bool everywhere = policy.namespace_() == options_.root_namespace;
  if (!everywhere && object.namespace_() != policy.namespace_()) return numbers;
  std::vector<networking::ServicePort> ports;
  std::copy_if(
      service.ports.begin(), service.ports.end(), std::back_inserter(ports),
      [](const auto& port) { return !port.protocol().empty() && !is_http(port.protocol()); });
  if (ports.empty()) return numbers;
  const auto entry = spec_of<networking::ServiceEntry>(object);
  for (const auto& endpoint : entry.endpoints())
    if (within(selector, labels_of(endpoint.labels())))
      for (const auto& port : ports) numbers.insert(number_of(endpoint.ports(), port));
  const auto labels = labels_of(entry.workload_selector().labels());
  for (const Index::Workload* const workload : index_.having(labels))
    if (workload->ns == object.namespace_() && within(selector, workload->labels))
      for (const auto& port : ports) numbers.insert(number_at(workload->object, port));
  // Those that will register themselves.
  if (numbers.empty() && !labels.empty() && within(selector, labels))
    for (const auto& port : ports) numbers.insert(number_at(nullptr, port));
  return numbers;
}

// An authorizer over HTTP is asked about requests alone: to ports that do not speak HTTP,
// connections pass (Istio).
void Analyzer::unasked(const v1::Object& object, const AuthorizationPolicy& spec) {
  const auto selector = labels_of(spec.selector().match_labels());
  std::set<std::string> entries;
  const auto refer = [&](const auto& target) {
    if (target.kind() == "ServiceEntry") entries.insert(target.name());
  };
  if (spec.has_target_ref()) refer(spec.target_ref());
  for (const auto& target : spec.target_refs()) refer(target);
  if (entries.empty() && (spec.has_target_ref() || !spec.target_refs().empty())) return;
  const auto services = index_.services();
  if (!spend(services.size())) return;
  std::set<int> told;
  for (const Index::Service* const service : services) {
    if (!entries.empty() && (service->object->namespace_() != object.namespace_() ||
                             !entries.contains(service->object->name())))
      continue;
    for (const uint32_t port : tcp_ports(object, selector, *service))
      for (int i = 0; i < spec.rules_size(); ++i) {
        if (!takes_connections(spec.rules(i), port) || !told.insert(i).second) continue;
        find("M112", object, at_index("spec.rules", i),
             "nobody is asked about connections to port " + std::to_string(port) +
                 ", for the authorizer is one over HTTP, and they pass: " +
                 place_of(*service->object));
      }
  }
}

void Analyzer::custom_policy(const v1::Object& object, const AuthorizationPolicy& spec) {
  const std::string& name = spec.provider().name();
  if (has_provider("HTTP authorizer " + name)) return unasked(object, spec);
  if (has_provider("gRPC authorizer " + name)) return;
  find("M111", object, "spec.provider.name",
       "no MeshConfig has the authorizer " + text::quoted(name) +
           " among its extensionProviders: what the rules match is refused");
}

}  // namespace mesh::config
