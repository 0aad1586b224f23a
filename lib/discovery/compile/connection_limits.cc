#include "discovery/compile/connection_limits.h"

#include <algorithm>

#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb.h"
#include "envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit.pb.h"

namespace mesh::discovery {
namespace {

namespace network = envoy::extensions::filters::network;
using Limits = v1::ServicePolicy::InboundConnections;

const Limits* limits_of(const Model& model, const Node& node, uint32_t port) {
  const Workload* const workload = model.workload_of(node);
  if (workload == nullptr || model.objects().service_policies.empty()) return nullptr;
  for (const Service& service : model.services()) {
    const auto& mine = service.workloads;
    if (std::find(mine.begin(), mine.end(), workload) == mine.end()) continue;
    const bool here = std::any_of(service.ports.begin(), service.ports.end(), [&](const Port& p) {
      return instance_of(*workload, p).port == port;
    });
    const auto* const policy = here ? model.service_policy(service, "", service.ns) : nullptr;
    if (policy != nullptr && policy->spec.has_inbound_connections())
      return &policy->spec.inbound_connections();
  }
  return nullptr;
}

template <class Config>
void add(const char* name, const Config& config, envoy::config::listener::v3::FilterChain& chain) {
  auto& filter = *chain.add_filters();
  filter.set_name(name);
  pack(config, *filter.mutable_typed_config());
}

}  // namespace

void add_connection_limits(const Model& model, const Node& node, const InboundPort& port,
                           envoy::config::listener::v3::FilterChain& chain) {
  const Limits* const limits = limits_of(model, node, port.port);
  if (limits == nullptr) return;
  if (limits->max() > 0) {
    network::connection_limit::v3::ConnectionLimit limit;
    limit.set_stat_prefix(inbound_name(port));
    limit.mutable_max_connections()->set_value(limits->max());
    if (limits->has_close_delay()) *limit.mutable_delay() = limits->close_delay();
    add("envoy.filters.network.connection_limit", limit, chain);
  }
  if (!limits->has_rate()) return;
  const auto& rate = limits->rate();
  network::local_ratelimit::v3::LocalRateLimit limit;
  limit.set_stat_prefix(inbound_name(port));
  limit.set_share_key(inbound_name(port));  // the port's chains have one bucket
  auto& bucket = *limit.mutable_token_bucket();
  bucket.set_max_tokens(rate.burst() > 0 ? rate.burst() : rate.connections());
  bucket.mutable_tokens_per_fill()->set_value(rate.connections());
  set(std::chrono::seconds(1), *bucket.mutable_fill_interval());
  if (rate.has_per()) *bucket.mutable_fill_interval() = rate.per();
  add("envoy.filters.network.local_ratelimit", limit, chain);
}

}  // namespace mesh::discovery
