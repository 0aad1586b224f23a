#include "discovery/compile/telemetry.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "discovery/compile/policy_target.h"

namespace mesh::discovery {
namespace {

using istio_telemetry::Telemetry;
using istio_telemetry::WorkloadMode;

// How near it is to the workload; 0: it is not about it.
int nearness(const Model& model, const Object<Telemetry>& object, const PolicyTarget& target) {
  const auto referred = is_referred_to(model, object.spec, target);
  const auto& selector = object.spec.selector().match_labels();
  if (referred || !selector.empty()) {
    const bool chosen = referred ? *referred : selects(selector, target.labels);
    return chosen && object.ns == target.ns ? 3 : 0;
  }
  return object.ns == target.ns ? 2 : object.ns == model.options().root_namespace ? 1 : 0;
}

bool is_about(WorkloadMode mode, Direction direction) {
  switch (mode) {
    case istio_telemetry::CLIENT: return direction == Direction::Client;
    case istio_telemetry::SERVER: return direction == Direction::Server;
    default: return true;
  }
}

// `entries_of` gives the list of a Telemetry that the matter stands in.
template <class Entry, class EntriesOf>
const Entry* find(const Model& model, const Node& node, Direction direction,
                  const EntriesOf& entries_of) {
  const PolicyTarget target = target_of(model, node);
  const Entry* found = nullptr;
  int nearest = 0;
  for (const auto& object : model.objects().telemetries) {
    const int near = nearness(model, object, target);
    if (near <= nearest) continue;
    for (const Entry& entry : entries_of(object.spec)) {
      if (!is_about(entry.match().mode(), direction)) continue;
      found = &entry;
      nearest = near;
    }
  }
  return found;
}

// By the number in istio_telemetry::MetricSelector::IstioMetric.
constexpr const char* kMetrics[] = {nullptr,
                                    "istio_requests_total",
                                    "istio_request_duration_milliseconds",
                                    "istio_request_bytes",
                                    "istio_response_bytes",
                                    "istio_tcp_connections_opened_total",
                                    "istio_tcp_connections_closed_total",
                                    "istio_tcp_sent_bytes_total",
                                    "istio_tcp_received_bytes_total"};

using google::protobuf::Struct;

void apply(const istio_telemetry::MetricsOverrides& from, Struct& metric) {
  if (from.has_disabled())
    (*metric.mutable_fields())["disabled"].set_bool_value(from.disabled().value());
  if (from.tag_overrides().empty()) return;
  Struct& tags = *(*metric.mutable_fields())["tags"].mutable_struct_value();
  for (const auto& [name, tag] : from.tag_overrides()) {
    auto& value = (*tags.mutable_fields())[name];
    if (tag.operation() == istio_telemetry::MetricsOverrides::TagOverride::REMOVE)
      value.set_null_value({});
    else
      value.set_string_value(tag.value());
  }
}

void apply(const Telemetry& telemetry, Direction direction, Struct& metrics) {
  for (const auto& entry : telemetry.metrics()) {
    for (const auto& override : entry.overrides()) {
      if (!is_about(override.match().mode(), direction)) continue;
      const auto wanted = size_t(override.match().metric());
      for (size_t i = 1; i < std::size(kMetrics); ++i)
        if (wanted == 0 || wanted == i)
          apply(override, *(*metrics.mutable_fields())[kMetrics[i]].mutable_struct_value());
    }
  }
}

// The first of each scope that speaks of a matter, from the mesh's to the workload's own; null
// where none does.
template <class Speaks>
std::array<const Object<Telemetry>*, 3> scopes_of(const Model& model, const Node& node,
                                                  const Speaks& speaks) {
  const PolicyTarget target = target_of(model, node);
  std::array<const Object<Telemetry>*, 3> scopes{};
  for (const auto& object : model.objects().telemetries) {
    const int near = nearness(model, object, target);
    if (near > 0 && scopes[size_t(near - 1)] == nullptr && speaks(object.spec))
      scopes[size_t(near - 1)] = &object;
  }
  return scopes;
}

Struct metrics_of(const Model& model, const Node& node, Direction direction) {
  const auto scopes =
      scopes_of(model, node, [](const Telemetry& t) { return !t.metrics().empty(); });
  Struct metrics;
  for (const auto* const object : scopes)
    if (object != nullptr) apply(object->spec, direction, metrics);
  return metrics;
}

}  // namespace

Resource listener_resource(const Model& model, const Node& node,
                           envoy::config::listener::v3::Listener& listener) {
  const bool inbound = listener.traffic_direction() == envoy::config::core::v3::INBOUND;
  Struct metrics = metrics_of(model, node, inbound ? Direction::Server : Direction::Client);
  if (!metrics.fields().empty()) {
    auto& mesh = (*listener.mutable_metadata()->mutable_filter_metadata())["mesh"];
    *(*mesh.mutable_fields())["metrics"].mutable_struct_value() = std::move(metrics);
  }
  return resource(listener.name(), listener);
}

const istio_telemetry::AccessLogging* access_logging(const Model& model, const Node& node,
                                                     Direction direction) {
  return find<istio_telemetry::AccessLogging>(
      model, node, direction, [](const Telemetry& t) -> const auto& { return t.access_logging(); });
}

std::vector<const Object<Telemetry>*> tracing_objects(const Model& model, const Node& node) {
  const auto scopes =
      scopes_of(model, node, [](const Telemetry& t) { return !t.tracing().empty(); });
  std::vector<const Object<Telemetry>*> result;
  std::copy_if(scopes.begin(), scopes.end(), std::back_inserter(result),
               [](const auto* object) { return object != nullptr; });
  return result;
}

std::vector<const istio_telemetry::Tracing*> tracings(const Model& model, const Node& node,
                                                      Direction direction) {
  std::vector<const istio_telemetry::Tracing*> result;
  for (const auto* const object : tracing_objects(model, node))
    for (const auto& entry : object->spec.tracing())
      if (is_about(entry.match().mode(), direction)) result.push_back(&entry);
  return result;
}

}  // namespace mesh::discovery
