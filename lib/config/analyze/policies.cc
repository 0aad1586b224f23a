// Policies: what they are for, and whether there is any of it.
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "config/analyze/analyzer.h"
#include "config/validate/checker.h"
#include "istio/networking/v1alpha3/destination_rule.pb.h"
#include "istio/networking/v1alpha3/sidecar.pb.h"
#include "istio/type/v1beta1/selector.pb.h"
#include "mesh/v1/circuit_breaker.pb.h"
#include "mesh/v1/rate_limit.pb.h"
#include "mesh/v1/service_policy.pb.h"

namespace mesh::config {
namespace {

namespace networking = ::istio::networking::v1alpha3;
namespace selection = ::istio::type::v1beta1;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The field where it is of the type and there; null otherwise.
template <class Type>
const Type* part(const Message& spec, const char* name) {
  const FieldDescriptor* const field = spec.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr || field->is_repeated() || field->message_type() != Type::descriptor() ||
      !spec.GetReflection()->HasField(spec, field))
    return nullptr;
  return dynamic_cast<const Type*>(&spec.GetReflection()->GetMessage(spec, field));
}

std::string text_of(const Index::Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) text += (text.empty() ? "" : ",") + key + "=" + value;
  return text;
}

template <class Map>
Index::Labels labels_of(const Map& map) {
  return {map.begin(), map.end()};
}

}  // namespace

void Analyzer::policy(const v1::Object& object) {
  const auto kind = find_kind(object.kind());
  if (!kind) return;
  const std::unique_ptr<Message> spec((*kind)->prototype->New());
  object.spec().UnpackTo(spec.get());
  selected(object, *spec);
  targets(object, *spec);
  scope(object, *spec);
  egress_proxy(object, *spec);
  if (object.kind() == "DestinationRule") destination_rule(object);
  if (object.kind() == "ServiceEntry") service_entry(object);
  if (object.kind() == "CircuitBreaker") circuit_breaker(object);
  if (object.kind() == "ServicePolicy") service_policy(object);
  if (object.kind() == "MeshConfig") {
    only("M109", object, "", "the whole mesh", "MeshConfig");
    providers(object);
  }
  if (object.kind() == "AuthorizationPolicy") authorization(object);
  if (object.kind() == "Telemetry") spans(object);
  if (object.kind() == "RateLimit")
    known_host(object, "spec.host", spec_of<::mesh::v1::RateLimit>(object).host());
}

void Analyzer::selected(const v1::Object& object, const Message& spec) {
  Index::Labels labels;
  std::string path = "spec.selector";
  if (const auto* by = part<selection::WorkloadSelector>(spec, "selector"))
    labels = labels_of(by->match_labels());
  if (const auto* by = part<networking::WorkloadSelector>(spec, "workload_selector")) {
    labels = labels_of(by->labels());
    path = "spec.workloadSelector";
  }
  if (const auto* by = part<selection::WorkloadSelector>(spec, "workload_selector")) {
    labels = labels_of(by->match_labels());
    path = "spec.workloadSelector";
  }
  const std::string& ns = object.namespace_();
  const bool everywhere = ns == options_.root_namespace && object.kind() != "ServiceEntry" &&
                          object.kind() != "DestinationRule";
  if (labels.empty() || index_.selects(everywhere ? "" : ns, labels)) return;
  find("M202", object, path,
       "no workload " + (everywhere ? std::string() : "of namespace " + ns + " ") +
           "has the labels " + text_of(labels) + ", unless it registers itself");
}

void Analyzer::targets(const v1::Object& object, const Message& spec) {
  const auto check = [&](const selection::PolicyTargetReference& target, const std::string& path) {
    const Name name{target.kind(), object.namespace_(), target.name()};
    depend(kObject, to_string(name));
    if (set_.find(name) == nullptr)
      find("M202", object, path, "there is no " + name.kind + " " + name.ns + "/" + name.name);
  };
  if (const auto* one = part<selection::PolicyTargetReference>(spec, "target_ref"))
    check(*one, "spec.targetRef");
  const FieldDescriptor* const field = spec.GetDescriptor()->FindFieldByName("target_refs");
  if (field == nullptr || field->message_type() != selection::PolicyTargetReference::descriptor())
    return;
  for (int i = 0; i < spec.GetReflection()->FieldSize(spec, field); ++i)
    if (const auto* one = dynamic_cast<const selection::PolicyTargetReference*>(
            &spec.GetReflection()->GetRepeatedMessage(spec, field, i)))
      check(*one, at_index("spec.targetRefs", i));
}

// Of these there is one for a namespace as a whole.
void Analyzer::scope(const v1::Object& object, const Message& spec) {
  if (object.kind() == "PeerAuthentication" &&
      part<selection::WorkloadSelector>(spec, "selector") == nullptr)
    only("M109", object, "", "the namespace without a selector",
         object.kind() + object.namespace_());
  if (object.kind() == "Sidecar" &&
      part<networking::WorkloadSelector>(spec, "workload_selector") == nullptr)
    only("M109", object, "", "the namespace without a workloadSelector",
         object.kind() + object.namespace_());
}

void Analyzer::egress_proxy(const v1::Object& object, const Message& spec) {
  const auto* const policy =
      part<networking::OutboundTrafficPolicy>(spec, "outbound_traffic_policy");
  if (policy != nullptr && policy->has_egress_proxy())
    destination(object, policy->egress_proxy(), "spec.outboundTrafficPolicy.egressProxy");
}

template <class Policy>
void Analyzer::credential(const v1::Object& object, const Policy& policy, const std::string& path) {
  const auto& tls = policy.tls();
  const bool own = tls.mode() == networking::ClientTLSSettings::MUTUAL;
  const bool verifies = !tls.insecure_skip_verify().value();
  credential(object, tls.credential_name(), (own ? kPair : 0) | (verifies ? kAuthorities : 0),
             path + ".tls.credentialName");
  if constexpr (std::is_same_v<Policy, networking::TrafficPolicy>)
    for (int i = 0; i < policy.port_level_settings_size(); ++i)
      credential(object, policy.port_level_settings(i), at_index(path + ".portLevelSettings", i));
}

void Analyzer::destination_rule(const v1::Object& object) {
  const auto rule = spec_of<networking::DestinationRule>(object);
  credential(object, rule.traffic_policy(), "spec.trafficPolicy");
  for (int i = 0; i < rule.subsets_size(); ++i)
    credential(object, rule.subsets(i).traffic_policy(),
               at_index("spec.subsets", i) + ".trafficPolicy");
  known_host(object, "spec.host", rule.host());
  merged(object, rule);
  if (index_.find_service(rule.host(), object.namespace_()) == nullptr) return;
  for (int i = 0; i < rule.subsets_size(); ++i) {
    const auto labels = labels_of(rule.subsets(i).labels());
    if (!index_.selects("", labels))
      find("M202", object, at_index("spec.subsets", i) + ".labels",
           "no workload has the labels " + text_of(labels) + ", unless it registers itself");
  }
}

// Rules that are one for discoveryd (discovery/merged_rules.h), but for these parts.
void Analyzer::merged(const v1::Object& object, const networking::DestinationRule& rule) {
  std::set<std::string> export_to;
  for (const auto& to : rule.export_to()) export_to.insert(to == "." ? object.namespace_() : to);
  if (export_to.empty() || export_to.contains("*")) export_to = {"*"};
  if (rule.has_workload_selector())
    export_to = {"=" + text_of(labels_of(rule.workload_selector().match_labels()))};
  std::string key = object.namespace_() + "\n" + text::to_lower(rule.host()) + "\n";
  for (const auto& to : export_to) key += to + ",";
  if (rule.has_traffic_policy())
    only("M207", object, "spec.trafficPolicy",
         "host " + rule.host() + ", and its trafficPolicy is used", key);
  std::set<std::string> names;
  for (int i = 0; i < rule.subsets_size(); ++i) {
    const std::string& name = rule.subsets(i).name();
    if (names.insert(name).second)
      only("M207", object, at_index("spec.subsets", i),
           "subset " + name + " of " + rule.host() + ", and is used", key + "\n" + name);
  }
}

void Analyzer::service_entry(const v1::Object& object) {
  const auto entry = spec_of<networking::ServiceEntry>(object);
  for (int i = 0; i < entry.hosts_size(); ++i)
    only("M207", object, at_index("spec.hosts", i), "host " + entry.hosts(i),
         object.namespace_() + "/" + text::to_lower(entry.hosts(i)));
}

void Analyzer::circuit_breaker(const v1::Object& object) {
  const auto breaker = spec_of<::mesh::v1::CircuitBreaker>(object);
  known_host(object, "spec.host", breaker.host());
  if (breaker.fallback().has_destination())
    destination(object, breaker.fallback().destination(), "spec.fallback.destination");
}

void Analyzer::service_policy(const v1::Object& object) {
  const auto policy = spec_of<::mesh::v1::ServicePolicy>(object);
  known_host(object, "spec.host", policy.host());
  if (!policy.subset().empty() &&
      !index_.has_subset(policy.host(), object.namespace_(), policy.subset()))
    find("M102", object, "spec.subset",
         "no DestinationRule for " + policy.host() + " has the subset " + policy.subset());
  only("M108", object, "", "host " + policy.host() + " subset " + text::quoted(policy.subset()),
       "ServicePolicy " + object.namespace_() + "/" + policy.host() + "/" + policy.subset());
  if (policy.has_outlier_return() && !index_.ejects(policy.host()))
    find("M203", object, "spec.outlierReturn",
         "has no effect: no DestinationRule for " + policy.host() + " has outlierDetection");
}

void Analyzer::authorization(const v1::Object& object) {
  const auto spec = spec_of<AuthorizationPolicy>(object);
  if (spec.action() == AuthorizationPolicy::CUSTOM)
    custom_policy(object, spec);  // asks for no tokens
  else
    tokens(object, spec);
}

}  // namespace mesh::config
