#include "upstream/cluster.h"

#include "base/check.h"

namespace mesh::upstream {
namespace {

balance::Algorithm algorithm_of(xds::LbPolicy policy) {
  switch (policy) {
    case xds::LbPolicy::RoundRobin: return balance::Algorithm::RoundRobin;
    case xds::LbPolicy::Random: return balance::Algorithm::Random;
    case xds::LbPolicy::LeastRequest: return balance::Algorithm::LeastRequest;
  }
  return balance::Algorithm::RoundRobin;
}

}  // namespace

EndpointTable::~EndpointTable() = default;

Endpoint& EndpointTable::find(const ClusterSpec& cluster, const EndpointSpec& spec) {
  const std::string key = cluster.name() + " " + spec.text;
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
    : spec_(std::move(spec)), seen_epoch_(spec_->shared->epoch()) {
  std::vector<balance::Host> hosts;
  for (size_t i = 0; i < spec_->endpoints.size(); ++i) {
    const EndpointSpec& e = spec_->endpoints[i];
    Endpoint& endpoint = table.find(*spec_, e);
    endpoint.retain();
    endpoint.configure(spec_, i);
    endpoints_.push_back(&endpoint);
    hosts.push_back({.weight = e.weight, .available = e.available(), .active = &endpoint.active()});
  }
  const xds::Cluster& config = *spec_->config;
  picker_ = balance::make_picker({.algorithm = algorithm_of(config.lb_policy),
                                  .choices = config.least_request_choices,
                                  .panic_percent = uint32_t(config.healthy_panic_percent),
                                  .seed = random.next()},
                                 std::move(hosts));
}

Cluster::~Cluster() {
  for (Endpoint* e : endpoints_) e->release();
}

balance::HostIndex Cluster::pick(Random& random, const balance::PickContext& context, Instant) {
  if (spec_->watches_health && spec_->shared->epoch() != seen_epoch_) refresh();
  return picker_->pick(random, context.tried);
}

void Cluster::refresh() {
  seen_epoch_ = spec_->shared->epoch();
  for (size_t i = 0; i < endpoints_.size(); ++i)
    picker_->set_available(balance::HostIndex(i), spec_->endpoints[i].available());
}

}  // namespace mesh::upstream
