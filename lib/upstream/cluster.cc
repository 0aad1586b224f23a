#include "upstream/cluster.h"

#include "base/check.h"
#include "upstream/variants.h"

namespace mesh::upstream {
namespace {

balance::Config config_of(const ClusterSpec& spec, uint64_t seed) {
  balance::Config config = spec.config->balancing;
  config.options.seed = seed;
  config.options.tables = &spec.shared->tables;
  if (spec.assignment) {
    config.options.overprovisioning_percent = spec.assignment->overprovisioning_percent;
    config.options.weighted_priority_health = spec.assignment->weighted_priority_health;
  }
  return config;
}

// Who calls, as the groups of the cluster see it.
balance::Callers callers_of(const ClusterSpec& spec) {
  balance::Callers callers;
  uint64_t healthy = 0;
  for (const auto& [locality, count] : spec.local->healthy) healthy += count;
  for (const xds::LocalityGroup& group : spec.assignment->groups) {
    const auto found = spec.local->healthy.find(group.locality);
    callers.by_group.push_back(found == spec.local->healthy.end() ? 0 : found->second);
  }
  callers.total = healthy;
  callers.localities = spec.local->healthy.size();
  callers.panic = double(healthy) * 100 <
                  double(spec.local->total) * spec.config->balancing.options.healthy_panic_percent;
  return callers;
}

}  // namespace

EndpointTable::EndpointTable(event::Loop& loop, http::BlockPool& blocks,
                             telemetry::Registry& telemetry, Random& random, uint32_t worker)
    : loop_(loop),
      blocks_(blocks),
      telemetry_(telemetry),
      random_(random),
      worker_(worker),
      waiting_gauge_(&telemetry.number("mesh_forwarder_warming_requests_waiting", {}, true)) {}

EndpointTable::~EndpointTable() = default;

void EndpointTable::count_waiting(bool begins) {
  waiting_ += begins ? size_t(1) : size_t(-1);
  waiting_gauge_->set(waiting_);
}

Endpoint& EndpointTable::find(const ClusterSpec& cluster, const EndpointSpec& spec) {
  std::string key = cluster.name() + " " + spec.text;
  if (cluster.variant && cluster.protocol == xds::UpstreamProtocol::Http2) key += " HTTP/2";
  auto& found = endpoints_[key];
  if (!found) found = std::make_unique<Endpoint>(loop_, blocks_, telemetry_, *this, key);
  return *found;
}

size_t EndpointTable::connection_count() const {
  size_t sum = 0;
  for (const auto& [key, endpoint] : endpoints_) sum += endpoint->connection_count();
  return sum;
}

void EndpointTable::on_unused(Endpoint& endpoint) {
  const auto found = endpoints_.find(endpoint.key());
  MESH_CHECK(found != endpoints_.end());
  loop_.retire(std::move(found->second));
  endpoints_.erase(found);
}

Cluster::Cluster(std::shared_ptr<const ClusterSpec> spec, EndpointTable& table, Random& random)
    : spec_(std::move(spec)),
      table_(table),
      cold_(spec_->cold),
      counts_(&spec_->shared->stats.of(table.worker())),
      telemetry_(table.telemetry()) {
  take_hosts(random);
  if (Variants::wanted(*spec_)) variants_ = std::make_unique<Variants>(spec_, table, random);
}

void Cluster::take_hosts(Random& random) {
  seen_epoch_ = spec_->shared->epoch();
  std::vector<balance::Host> hosts;
  for (size_t i = 0; i < spec_->endpoints.size(); ++i) {
    const EndpointSpec& e = spec_->endpoints[i];
    const xds::Endpoint& config = spec_->assignment->endpoints[i];
    Endpoint& endpoint = table_.find(*spec_, e);
    endpoint.retain();
    endpoint.configure(spec_, i);
    endpoints_.push_back(&endpoint);
    hosts.push_back(
        {.weight = e.weight,
         .health = e.health_now(),
         .group = config.group,
         .active = spec_->counts_shared ? &e.shared->active : &endpoint.active(),
         .address = e.text,
         .key = config.hash_key.empty() && spec_->config->balancing.options.hash.by_hostname
                    ? std::string_view(config.hostname)
                    : std::string_view(config.hash_key),
         .metadata = &config.lb_metadata,
         .up_since = endpoint.up_since()});
  }
  balancer_ = std::make_unique<balance::Balancer>(config_of(*spec_, random.next()),
                                                  std::move(hosts), spec_->groups);
  if (spec_->local && spec_->assignment) balancer_->set_callers(callers_of(*spec_));
}

Cluster::~Cluster() {
  MESH_CHECK(waiting_.empty());
  for (Endpoint* e : endpoints_) e->release();
}

bool Cluster::wait(ColdWaiter& waiter, bool high) {
  MESH_CHECK(cold_);
  const uint32_t most = spec_->limits(high).max_pending_requests;
  if (most != UINT32_MAX)
    waiter.pending_ = resilience::Permit::acquire(spec_->usage(high).pending, most);
  if ((most != UINT32_MAX && !waiter.pending_) || waiting_.size() >= kColdWaitersMax) {
    waiter.pending_.reset();
    counts_->add(ClusterCount::RqPendingOverflow);
    return false;
  }
  waiting_.push_back(&waiter);
  table_.count_waiting(true);
  return true;
}

void Cluster::forget(ColdWaiter& waiter) {
  if (std::erase(waiting_, &waiter) == 0) return;
  waiter.pending_.reset();
  table_.count_waiting(false);
}

// Nothing was picked of a cold one, so nobody knows its hosts by their places.
void Cluster::warm_up(std::shared_ptr<const ClusterSpec> now, Random& random) {
  MESH_CHECK(cold_);
  if (now == nullptr || Variants::wanted(*now) != (variants_ != nullptr)) {
    auto same = std::make_shared<ClusterSpec>(*spec_);
    same->cold = false;
    now = std::move(same);
  }
  cold_ = false;
  const auto former = std::exchange(spec_, std::move(now));
  auto left = std::exchange(endpoints_, {});
  take_hosts(random);
  for (Endpoint* e : left) e->release();
  if (variants_) variants_->warm_up(spec_);
  while (!waiting_.empty()) {
    ColdWaiter& next = *waiting_.front();
    forget(next);
    next.on_cluster_ready();
  }
}

balance::HostIndex Cluster::pick(Random& random, const balance::PickContext& context, Instant now) {
  if (spec_->watches_health && spec_->shared->epoch() != seen_epoch_) refresh(now);
  const balance::HostIndex host = balancer_->pick(random, context, now);
  if (balancer_->stats().total != seen_events_) export_stats();
  if (host == balance::kNoHost) {
    counts_->add(ClusterCount::CxNoneHealthy);
    return host;
  }
  if (!spec_->outlier.gradual_return.enabled) return host;
  return hold_back(host, random, context, now);
}

// A host that has just returned takes its share and no more: what is over goes to
// another, if chance finds one. The rest of the balancing does not change.
balance::HostIndex Cluster::hold_back(balance::HostIndex host, Random& random,
                                      const balance::PickContext& context, Instant now) {
  constexpr int kDraws = 4;
  for (int draw = 0; draw < kDraws; ++draw) {
    const resilience::HostHealth& health = spec_->endpoints[host].shared->health;
    const double factor =
        resilience::weight_factor(spec_->outlier.gradual_return, health.returned(), now);
    if (factor >= 1 || random.unit() < factor) break;
    const balance::HostIndex other = balancer_->pick(random, context, now);
    if (other == balance::kNoHost) break;
    host = other;
  }
  return host;
}

// A host that came back warms up again.
void Cluster::refresh(Instant now) {
  seen_epoch_ = spec_->shared->epoch();
  for (size_t i = 0; i < endpoints_.size(); ++i) {
    const auto host = balance::HostIndex(i);
    const balance::Health health = spec_->endpoints[i].health_now();
    if (balancer_->host(host).health == health) continue;
    if (health == balance::Health::Healthy) {
      endpoints_[i]->set_up_since(now);
      balancer_->set_up_since(host, now);
    }
    balancer_->set_health(host, health);
    if (health == balance::Health::Unhealthy &&
        spec_->config->close_connections_on_host_health_failure &&
        spec_->endpoints[i].shared->check_failed())
      endpoints_[i]->drain_all();
  }
}

void Cluster::count_drop() {
  telemetry_.number("envoy_cluster_upstream_rq_drop_overload", {{"cluster_name", spec_->name()}})
      .add();
}

void Cluster::count_invalid_destination() {
  telemetry_.number("envoy_cluster_original_dst_host_invalid", {{"cluster_name", spec_->name()}})
      .add();
}

void Cluster::export_stats() {
  const balance::Stats& stats = balancer_->stats();
  seen_events_ = stats.total;
  for (size_t i = 0; i < balance::Stats::kEvents; ++i) {
    const uint64_t news = stats.counts[i] - exported_.counts[i];
    if (news == 0) continue;
    if (counters_[i] == nullptr)
      counters_[i] = &telemetry_.number("envoy_cluster_" + std::string(balance::Stats::kNames[i]),
                                        {{"cluster_name", spec_->name()}});
    counters_[i]->add(news);
  }
  exported_ = stats;
}

}  // namespace mesh::upstream
