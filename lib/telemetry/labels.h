// Labels: who talked to whom, in Istio's standard labels.
//
// istio.io, "Istio Standard Metrics". An empty value is "unknown" on the page.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mesh::telemetry {

enum class Label : uint8_t {
  Reporter,  // "source" or "destination"
  SourceWorkload,
  SourceWorkloadNamespace,
  SourcePrincipal,
  SourceApp,
  SourceVersion,
  SourceCluster,
  SourceCanonicalService,
  SourceCanonicalRevision,
  DestinationWorkload,
  DestinationWorkloadNamespace,
  DestinationPrincipal,
  DestinationApp,
  DestinationVersion,
  DestinationCluster,
  DestinationCanonicalService,
  DestinationCanonicalRevision,
  DestinationService,
  DestinationServiceName,
  DestinationServiceNamespace,
  RequestProtocol,           // "http", "grpc", "tcp"
  ResponseCode,              // requests only
  GrpcResponseStatus,        // gRPC only
  ResponseFlags,             // "-" for none
  ConnectionSecurityPolicy,  // "mutual_tls", "none"; "unknown" at the source
  kCount,
};
inline constexpr size_t kLabels = size_t(Label::kCount);
static_assert(kLabels <= 32, "Labels.left_out has a bit for each");

// "source_workload", ...
std::string_view name(Label label);
// False when there is no such label.
bool find_label(std::string_view name, Label& out);

struct Labels {
  std::array<std::string, kLabels> values;
  uint32_t left_out = 0;  // bits by Label: not shown at all
  // Further ones, by name. Before choices are applied: by TagValue::key(), what it was of
  // these requests.
  std::vector<std::pair<std::string, std::string>> tags = {};

  std::string& operator[](Label label) { return values[size_t(label)]; }
  const std::string& operator[](Label label) const { return values[size_t(label)]; }
  auto operator<=>(const Labels&) const = default;
};

// The other end of a connection, as far as it is known: from its certificate,
// and from what discovery says of the endpoint. Empty means unknown.
struct Peer {
  std::string principal = {};  // "spiffe://..."
  std::string workload = {};
  std::string workload_namespace = {};
  std::string app = {};
  std::string version = {};
  std::string cluster = {};
  std::string canonical_service = {};
  std::string canonical_revision = {};
  auto operator<=>(const Peer&) const = default;
};

// Fills the source (or destination) labels from `peer`, where it knows them.
void set_source(Labels& labels, const Peer& peer);
void set_destination(Labels& labels, const Peer& peer);

}  // namespace mesh::telemetry
