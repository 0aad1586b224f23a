#include "forward/view.h"

#include "base/check.h"
#include "base/text.h"

namespace mesh::forward {

View::View(const Snapshot& snapshot, upstream::EndpointTable& endpoints,
           telemetry::Registry& registry, const Local& local, Random& random, Owner& owner)
    : snapshot_(snapshot), registry_(registry), local_(local), owner_(owner) {
  clusters_.reserve(snapshot.clusters.size());
  for (const auto& [name, spec] : snapshot.clusters)
    clusters_[name].cluster = std::make_unique<upstream::Cluster>(spec, endpoints, random);
}

View::~View() {
  clusters_.clear();
  owner_.on_view_destroyed(snapshot_);
}

View::Entry* View::find(std::string_view cluster) {
  const auto found = clusters_.find(cluster);
  return found == clusters_.end() ? nullptr : &found->second;
}

telemetry::Scope& View::scope(Entry& entry, bool inbound) {
  auto& scope = entry.scopes[inbound ? 1 : 0];
  if (scope == nullptr) scope = &registry_.scope(labels(&entry.cluster->spec(), inbound));
  return *scope;
}

telemetry::Scope& View::no_cluster(bool inbound) {
  auto& scope = no_cluster_[inbound ? 1 : 0];
  if (scope == nullptr) scope = &registry_.scope(labels(nullptr, inbound));
  return *scope;
}

// Istio's names: "outbound|PORT|SUBSET|HOST" is the service HOST, whose first
// label is its name and second its namespace.
telemetry::Labels View::labels(const upstream::ClusterSpec* cluster, bool inbound) const {
  using telemetry::Label;
  telemetry::Labels labels;
  labels[Label::Reporter] = inbound ? "destination" : "source";
  telemetry::Peer self = local_.self;
  self.principal = snapshot_.principal;
  (inbound ? telemetry::set_destination : telemetry::set_source)(labels, self);
  if (cluster == nullptr) return labels;
  const std::string& alt = cluster->config->alt_stat_name;
  const auto parts = text::split(alt.empty() ? cluster->name() : alt, '|');
  std::string_view host = parts.size() == 4 ? parts[3] : std::string_view(cluster->name());
  if (inbound && host.empty())
    host = local_.self.app.empty() ? local_.self.workload : local_.self.app;
  if (inbound && parts.size() != 4) host = local_.self.app;
  labels[Label::DestinationService] = host;
  labels[Label::DestinationServiceName] = host.substr(0, host.find('.'));
  const auto pieces = text::split(host, '.');
  if (pieces.size() > 1) labels[Label::DestinationServiceNamespace] = pieces[1];
  if (!inbound && parts.size() == 4) labels[Label::DestinationVersion] = parts[2];
  return labels;
}

void View::release() {
  MESH_CHECK(references_ > 0);
  if (--references_ == 0) owner_.on_view_unused(*this);
}

}  // namespace mesh::forward
