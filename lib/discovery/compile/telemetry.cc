#include "discovery/compile/telemetry.h"

namespace mesh::discovery {
namespace {

using istio_telemetry::Telemetry;
using istio_telemetry::WorkloadMode;

// How near it is to the workload; 0: it is not about it.
int nearness(const Model& model, const Object<Telemetry>& object, const std::string& ns,
             const Labels& labels) {
  const bool chosen = !object.spec.selector().match_labels().empty();
  if (object.ns == ns && chosen)
    return selects(object.spec.selector().match_labels(), labels) ? 3 : 0;
  if (chosen) return 0;
  return object.ns == ns ? 2 : object.ns == model.options().root_namespace ? 1 : 0;
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
  const Workload* const workload = model.workload_of(node);
  const Labels& labels = workload == nullptr ? node.labels : workload->labels;
  const Entry* found = nullptr;
  int nearest = 0;
  for (const auto& object : model.objects().telemetries) {
    const int near = nearness(model, object, node.ns, labels);
    if (near <= nearest) continue;
    for (const Entry& entry : entries_of(object.spec)) {
      if (!is_about(entry.match().mode(), direction)) continue;
      found = &entry;
      nearest = near;
    }
  }
  return found;
}

}  // namespace

const istio_telemetry::AccessLogging* access_logging(const Model& model, const Node& node,
                                                     Direction direction) {
  return find<istio_telemetry::AccessLogging>(
      model, node, direction, [](const Telemetry& t) -> const auto& { return t.access_logging(); });
}

const istio_telemetry::Tracing* tracing(const Model& model, const Node& node, Direction direction) {
  return find<istio_telemetry::Tracing>(
      model, node, direction, [](const Telemetry& t) -> const auto& { return t.tracing(); });
}

}  // namespace mesh::discovery
