#include "telemetry/labels.h"

namespace mesh::telemetry {
namespace {

constexpr std::array<std::string_view, kLabels> kNames = {
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "source_canonical_service",
    "source_canonical_revision",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_cluster",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
};
static_assert(!kNames.back().empty(), "a name for each Label");

void fill(std::string& label, const std::string& value) {
  if (!value.empty()) label = value;
}

}  // namespace

std::string_view name(Label label) { return kNames[size_t(label)]; }

bool find_label(std::string_view text, Label& out) {
  for (size_t i = 0; i < kLabels; ++i) {
    if (kNames[i] != text) continue;
    out = Label(i);
    return true;
  }
  return false;
}

void set_source(Labels& labels, const Peer& peer) {
  fill(labels[Label::SourceWorkload], peer.workload);
  fill(labels[Label::SourceWorkloadNamespace], peer.workload_namespace);
  fill(labels[Label::SourcePrincipal], peer.principal);
  fill(labels[Label::SourceApp], peer.app);
  fill(labels[Label::SourceVersion], peer.version);
  fill(labels[Label::SourceCluster], peer.cluster);
  fill(labels[Label::SourceCanonicalService], peer.canonical_service);
  fill(labels[Label::SourceCanonicalRevision], peer.canonical_revision);
}

void set_destination(Labels& labels, const Peer& peer) {
  fill(labels[Label::DestinationWorkload], peer.workload);
  fill(labels[Label::DestinationWorkloadNamespace], peer.workload_namespace);
  fill(labels[Label::DestinationPrincipal], peer.principal);
  fill(labels[Label::DestinationApp], peer.app);
  fill(labels[Label::DestinationVersion], peer.version);
  fill(labels[Label::DestinationCluster], peer.cluster);
  fill(labels[Label::DestinationCanonicalService], peer.canonical_service);
  fill(labels[Label::DestinationCanonicalRevision], peer.canonical_revision);
}

}  // namespace mesh::telemetry
