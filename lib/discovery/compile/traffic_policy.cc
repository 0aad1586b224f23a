#include "discovery/compile/traffic_policy.h"

namespace mesh::discovery {
namespace {

template <class Policy>
void overlay(const Policy& from, istio::TrafficPolicy& to) {
  if (from.has_load_balancer()) *to.mutable_load_balancer() = from.load_balancer();
  if (from.has_connection_pool()) *to.mutable_connection_pool() = from.connection_pool();
  if (from.has_outlier_detection()) *to.mutable_outlier_detection() = from.outlier_detection();
  if (from.has_tls()) *to.mutable_tls() = from.tls();
}

void overlay(const istio::TrafficPolicy& from, uint32_t port, istio::TrafficPolicy& to) {
  for (const auto& settings : from.port_level_settings()) {
    if (settings.port().number() != port) continue;
    to.clear_load_balancer();
    to.clear_connection_pool();
    to.clear_outlier_detection();
    to.clear_tls();
    return overlay(settings, to);
  }
  overlay(from, to);
  if (from.has_retry_budget()) *to.mutable_retry_budget() = from.retry_budget();
  if (from.has_proxy_protocol()) *to.mutable_proxy_protocol() = from.proxy_protocol();
}

}  // namespace

istio::TrafficPolicy policy_for(const Object<istio::DestinationRule>* rule,
                                const istio::Subset* subset, uint32_t port) {
  istio::TrafficPolicy policy;
  if (rule == nullptr) return policy;
  overlay(rule->spec.traffic_policy(), port, policy);
  if (subset != nullptr) overlay(subset->traffic_policy(), port, policy);
  return policy;
}

}  // namespace mesh::discovery
