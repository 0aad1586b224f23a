#include "upstream/variants.h"

#include <utility>

#include "base/check.h"

namespace mesh::upstream {

struct Variants::Variant {
  Variant(std::shared_ptr<const ClusterSpec> spec, EndpointTable& endpoints, Random& random)
      : table(endpoints), cluster(std::move(spec), endpoints, random) {}

  EndpointTable& table;
  Cluster cluster;
  uint32_t uses = 0;
  Instant last_used{};
};

Variants::Use::Use(Variant& variant) : variant_(&variant) { ++variant.uses; }

Variants::Use& Variants::Use::operator=(Use&& other) noexcept {
  if (this != &other) {
    reset();
    variant_ = std::exchange(other.variant_, nullptr);
  }
  return *this;
}

Cluster& Variants::Use::cluster() const { return variant_->cluster; }

void Variants::Use::reset() {
  if (variant_ == nullptr) return;
  --variant_->uses;
  variant_->last_used = variant_->table.loop().now();
  variant_ = nullptr;
}

Variants::Variants(std::shared_ptr<const ClusterSpec> spec, EndpointTable& table, Random& random)
    : spec_(std::move(spec)),
      table_(table),
      random_(random),
      cleanup_(table.loop().wheel(), *this) {}

Variants::~Variants() {
  for (const auto& [key, variant] : variants_) MESH_CHECK(variant->uses == 0);
}

bool Variants::wanted(const ClusterSpec& spec) {
  if (spec.variant) return false;
  return spec.config->discovery == xds::Cluster::Discovery::OriginalDst ||
         spec.config->protocol == xds::UpstreamProtocol::Downstream;
}

Variants::Use Variants::find(const net::Address& destination, bool http2) {
  http2 = http2 && spec_->config->protocol == xds::UpstreamProtocol::Downstream;
  const bool by_destination = destination.family() != AF_UNSPEC;
  const std::string key =
      (http2 ? "2 " : "1 ") + (by_destination ? destination.to_string() : std::string());
  const auto found = variants_.find(key);
  if (found != variants_.end()) return Use(*found->second);
  auto spec = make(destination, http2);
  if (spec == nullptr) {
    clean(Duration::zero());
    spec = make(destination, http2);
    if (spec == nullptr) return {};
  }
  auto& variant = variants_[key];
  variant = std::make_unique<Variant>(std::move(spec), table_, random_);
  if (by_destination && !cleanup_.armed())
    cleanup_.arm(spec_->config->original_dst.cleanup_interval);
  return Use(*variant);
}

std::shared_ptr<const ClusterSpec> Variants::make(const net::Address& destination,
                                                  bool http2) const {
  auto spec = std::make_shared<ClusterSpec>(*spec_);
  spec->variant = true;
  if (http2) spec->protocol = xds::UpstreamProtocol::Http2;
  if (destination.family() == AF_UNSPEC) return spec;
  const std::string text = destination.to_string();
  auto shared = spec_->shared->original_hosts.find(text);
  if (shared == nullptr) return nullptr;
  auto assignment = std::make_shared<xds::ClusterLoadAssignment>();
  assignment->groups.emplace_back();
  assignment->endpoints.emplace_back().address = {
      .host = destination.host(), .port = destination.port(), .path = {}};
  spec->assignment = std::move(assignment);
  spec->groups.assign(1, {});
  EndpointSpec& host = spec->endpoints.emplace_back();
  host.address = destination;
  host.text = text;
  host.tls = spec_->config->tls.has_value() && !spec_->config->tls_by_endpoint;
  host.shared = std::move(shared);
  return spec;
}

// A cluster of type ORIGINAL_DST is never cold: those there are differ by protocol alone.
void Variants::warm_up(std::shared_ptr<const ClusterSpec> spec) {
  spec_ = std::move(spec);
  for (auto& [key, variant] : variants_) {
    Cluster& cluster = variant->cluster;
    if (!cluster.cold()) continue;  // it was made just now, by one that went on
    cluster.warm_up(make({}, cluster.spec().protocol == xds::UpstreamProtocol::Http2), random_);
  }
}

void Variants::clean(Duration unused) {
  const Instant now = table_.loop().now();
  std::erase_if(variants_, [&](const auto& entry) {
    return entry.second->uses == 0 && now - entry.second->last_used >= unused;
  });
}

void Variants::on_deadline(event::Deadline&) {
  const Duration interval = spec_->config->original_dst.cleanup_interval;
  if (spec_->config->discovery != xds::Cluster::Discovery::OriginalDst) return;
  clean(interval);
  if (!variants_.empty()) cleanup_.arm(interval);
}

}  // namespace mesh::upstream
