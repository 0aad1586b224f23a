#include "upstream/cluster_spec.h"

#include <algorithm>
#include <cmath>

#include "net/socket.h"

namespace mesh::upstream {
namespace {

balance::Health health_of(const xds::Endpoint& endpoint) {
  switch (endpoint.health) {
    case xds::HealthStatus::Unknown:
    case xds::HealthStatus::Healthy: return balance::Health::Healthy;
    case xds::HealthStatus::Degraded: return balance::Health::Degraded;
    case xds::HealthStatus::Draining: return balance::Health::Draining;
    case xds::HealthStatus::Unhealthy:
    case xds::HealthStatus::Timeout: return balance::Health::Unhealthy;
  }
  return balance::Health::Unhealthy;
}

template <class Map, class Key>
auto find_or_make(Map& map, const Key& key) {
  using Value = typename Map::mapped_type::element_type;
  auto& known = map[key];
  auto value = known.lock();
  if (!value) known = value = std::make_shared<Value>();
  return value;
}

resilience::RetryBudget retry_budget(const xds::CircuitLimits& limits) {
  return {.percent = limits.retry_budget_percent,
          .min_concurrency = limits.min_retry_concurrency,
          .max_retries = limits.max_retries,
          .interval = limits.budget_interval};
}

// Nobody asks before the specification with such a budget is in force.
void count_recent(const resilience::RetryBudget& budget, resilience::Usage& usage) {
  if (budget.interval > Duration::zero() && !usage.recent)
    usage.recent = std::make_unique<resilience::RecentRequests>();
}

// A new host of a cluster with health checks has failed until it is checked; one
// that was checked before keeps what was found.
void begin_checks(const xds::Cluster& config, const xds::Endpoint& endpoint, bool known,
                  SharedEndpoint& shared) {
  const bool checked = !config.health_checks.empty() && !endpoint.health_check_disabled;
  if (!checked)
    shared.check.store(0, std::memory_order_release);
  else if (!known)
    shared.check.store(SharedEndpoint::kFailedCheck | SharedEndpoint::kPendingCheck,
                       std::memory_order_release);
}

// Istio tells no app and version of an endpoint apart from its canonical names.
telemetry::Peer peer_of(const xds::WorkloadName& from) {
  telemetry::Peer peer;
  peer.workload = from.name;
  peer.workload_namespace = from.ns;
  peer.app = peer.canonical_service = from.canonical_name;
  peer.canonical_revision = from.canonical_revision;
  if (from.canonical_revision != "latest") peer.version = from.canonical_revision;
  peer.cluster = from.cluster;
  return peer;
}

}  // namespace

balance::Health EndpointSpec::health_now() const {
  using balance::Health;
  const uint8_t check = shared->check.load(std::memory_order_acquire);
  if (ignored_until_checked && (check & SharedEndpoint::kPendingCheck) != 0)
    return Health::Excluded;
  if (health == Health::Draining) return health;
  if (shared->health.ejected() || shared->check_failed()) return Health::Unhealthy;
  if (health == Health::Healthy && (check & SharedEndpoint::kDegradedCheck) != 0)
    return Health::Degraded;
  return health;
}

void set_keepalive(int fd, const xds::TcpKeepalive& keepalive) {
  net::set_keepalive(fd, int(keepalive.probes.value_or(0)), int(keepalive.time_s.value_or(0)),
                     int(keepalive.interval_s.value_or(0)));
}

std::shared_ptr<const ClusterSpec> with_hosts(const std::shared_ptr<const ClusterSpec>& cluster) {
  if (cluster->config->discovery != xds::Cluster::Discovery::OriginalDst) return cluster;
  auto seen = std::make_shared<ClusterSpec>(*cluster);
  auto assignment = std::make_shared<xds::ClusterLoadAssignment>();
  assignment->groups.emplace_back();
  for (auto& [text, shared] : cluster->shared->original_hosts.list()) {
    auto address = net::Address::parse(text);
    if (!address) continue;
    EndpointSpec& host = seen->endpoints.emplace_back();
    host.address = *address;
    host.text = text;
    host.shared = std::move(shared);
    assignment->endpoints.emplace_back();
  }
  seen->assignment = std::move(assignment);
  return seen;
}

Result<net::Address> to_address(const xds::SocketAddress& address) {
  if (!address.path.empty()) return net::Address::unix_path(address.path);
  return net::Address::ip(address.host, address.port);
}

Result<std::shared_ptr<const ClusterSpec>> SharedState::spec(
    std::shared_ptr<const xds::Cluster> config,
    std::shared_ptr<const xds::ClusterLoadAssignment> assignment,
    std::shared_ptr<const tls::Context> tls, std::shared_ptr<const LocalCluster> local) {
  std::erase_if(endpoints_, [](const auto& entry) { return entry.second.expired(); });
  std::erase_if(clusters_, [](const auto& entry) { return entry.second.expired(); });

  auto spec = std::make_shared<ClusterSpec>();
  if (!config->source_address.host.empty()) {
    MESH_TRY(const auto from, to_address(config->source_address));
    spec->source = net::Source{.address = from, .freebind = config->source_freebind};
  }
  spec->needs_tls = config->tls.has_value();
  spec->protocol = config->protocol == xds::UpstreamProtocol::Downstream
                       ? xds::UpstreamProtocol::Http1
                       : config->protocol;
  spec->tls = std::move(tls);
  spec->shared = find_or_make(clusters_, config->name);
  if (config->outlier) spec->outlier = *config->outlier;
  spec->watches_health = config->outlier || !config->health_checks.empty();
  spec->retry_budget = retry_budget(config->limits);
  spec->high_retry_budget = retry_budget(config->high_limits);
  count_recent(spec->retry_budget, spec->shared->usage);
  count_recent(spec->high_retry_budget, spec->shared->high_usage);
  if (assignment) {
    // Each takes its share of what the others have left.
    double kept = 1;
    for (const xds::DropOverload& drop : assignment->drop_overloads)
      kept *= 1 - drop.per_million / 1e6;
    spec->dropped_per_million = uint32_t(std::lround((1 - kept) * 1e6));
    for (const xds::LocalityGroup& g : assignment->groups)
      spec->groups.push_back({.priority = g.priority,
                              .weight = g.weight,
                              .own = local && g.locality == local->locality});
    for (const xds::Endpoint& e : assignment->endpoints) {
      auto address = to_address(e.address);
      if (!address) return std::move(address).error().during("cluster " + config->name);
      EndpointSpec& out = spec->endpoints.emplace_back();
      out.address = *address;
      out.text = address->to_string();
      out.weight = e.weight;
      out.health = health_of(e);
      out.ignored_until_checked = config->ignore_new_hosts_until_first_hc;
      out.tls = config->tls && (!config->tls_by_endpoint || e.tls);
      out.peer = peer_of(e.workload);
      const auto key = std::pair(config->name, out.text);
      const auto found = endpoints_.find(key);
      const bool known = found != endpoints_.end() && !found->second.expired();
      out.shared = find_or_make(endpoints_, key);
      begin_checks(*config, e, known, *out.shared);
    }
  }
  spec->counts_shared = config->balancing.options.hash.hash_balance_factor > 0;
  spec->local = std::move(local);
  spec->config = std::move(config);
  spec->assignment = std::move(assignment);
  return std::shared_ptr<const ClusterSpec>(std::move(spec));
}

}  // namespace mesh::upstream
