#include "forward/view.h"

#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace mesh::forward {

View::View(const Snapshot& snapshot, upstream::EndpointTable& endpoints,
           telemetry::Registry& registry, const Local& local, Random& random, Owner& owner)
    : snapshot_(snapshot), registry_(registry), local_(local), random_(random), owner_(owner) {
  for (size_t side = 0; side < 2; ++side)
    if (const auto& metrics = snapshot.metrics[side]; metrics && !metrics->of_request.empty())
      tag_values_[side] = &metrics->of_request;
  clusters_.reserve(snapshot.clusters.size());
  for (const auto& [name, spec] : snapshot.clusters) {
    auto& cluster = clusters_[name].cluster;
    cluster = std::make_unique<upstream::Cluster>(spec, endpoints, random);
    if (cluster->cold()) cold_.push_back(cluster.get());
  }
}

View::~View() {
  clusters_.clear();
  owner_.on_view_destroyed(snapshot_);
}

void View::warm_up(const Snapshot* now) {
  for (upstream::Cluster* const cluster : std::exchange(cold_, {})) {
    std::shared_ptr<const upstream::ClusterSpec> spec;
    if (now != nullptr)
      if (const auto found = now->clusters.find(cluster->spec().name());
          found != now->clusters.end())
        spec = found->second;
    if (spec != nullptr && spec->cold)
      cold_.push_back(cluster);
    else
      cluster->warm_up(std::move(spec), random_);
  }
}

View::Entry* View::find(std::string_view cluster) {
  const auto found = clusters_.find(cluster);
  return found == clusters_.end() ? nullptr : &found->second;
}

View::Entry* View::find(const route::WeightedCluster& destination) {
  const auto address = reinterpret_cast<uintptr_t>(&destination);
  Known& known = known_[(address / sizeof destination) % known_.size()];
  if (known.destination != &destination) known = {&destination, find(destination.cluster)};
  return known.entry;
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

// The service is what the cluster's metadata says; without it, the host of Istio's
// name for clusters, "outbound|PORT|SUBSET|HOST", or the cluster's name.
telemetry::Labels View::labels(const upstream::ClusterSpec* cluster, bool inbound) const {
  using telemetry::Label;
  telemetry::Labels labels;
  telemetry::Peer self = local_.self;
  self.principal = snapshot_.principal;
  labels[Label::Reporter] = inbound ? "destination" : "source";
  (inbound ? telemetry::set_destination : telemetry::set_source)(labels, self);
  if (cluster == nullptr) return labels;
  if (const auto& service = cluster->config->service; !service.host.empty()) {
    labels[Label::DestinationService] = service.host;
    labels[Label::DestinationServiceName] = service.name;
    labels[Label::DestinationServiceNamespace] = service.ns;
    return labels;
  }
  const std::string& alt = cluster->config->alt_stat_name;
  const std::string& name = alt.empty() ? cluster->name() : alt;
  const auto parts = text::split(name, '|');
  std::string_view host = parts.size() == 4 ? parts[3] : std::string_view(name);
  if (inbound && (host.empty() || parts.size() != 4)) host = self.canonical_service;
  labels[Label::DestinationService] = host;
  labels[Label::DestinationServiceName] = host.substr(0, host.find('.'));
  // NAME.NAMESPACE.svc.DOMAIN
  if (const auto pieces = text::split(host, '.'); pieces.size() > 2 && pieces[2] == "svc")
    labels[Label::DestinationServiceNamespace] = pieces[1];
  return labels;
}

void View::release() {
  MESH_CHECK(references_ > 0);
  if (--references_ == 0) owner_.on_view_unused(*this);
}

}  // namespace mesh::forward
