#include "discovery/compile/load_balancer.h"

#include "discovery/compile/build.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "mesh/xds/v1/modulo_hash.pb.h"

namespace mesh::discovery {
namespace {

namespace pb = envoy::config::cluster::v3;
using envoy::extensions::load_balancing_policies::least_request::v3::LeastRequest;
using Extra = v1::ServicePolicy::LoadBalancer;
using Hash = istio::LoadBalancerSettings::ConsistentHashLB;
using Simple = istio::LoadBalancerSettings;

// Cluster.SlowStartConfig and its twin of the extensions.
template <class SlowStart>
void set_slow_start(const istio::LoadBalancerSettings& from, SlowStart& into) {
  const auto& warmup = from.warmup();
  *into.mutable_slow_start_window() =
      from.has_warmup() ? warmup.duration() : from.warmup_duration_secs();
  if (warmup.has_aggression())
    into.mutable_aggression()->set_default_value(warmup.aggression().value());
  if (warmup.has_minimum_percent())
    into.mutable_min_weight_percent()->set_value(warmup.minimum_percent().value());
}

bool warms(const istio::LoadBalancerSettings& from) {
  return from.has_warmup() || from.has_warmup_duration_secs();
}

void set_simple(const istio::LoadBalancerSettings& from, pb::Cluster& cluster) {
  switch (from.simple()) {
    case Simple::RANDOM: return cluster.set_lb_policy(pb::Cluster::RANDOM);
    case Simple::ROUND_ROBIN:
      cluster.set_lb_policy(pb::Cluster::ROUND_ROBIN);
      if (warms(from))
        set_slow_start(from, *cluster.mutable_round_robin_lb_config()->mutable_slow_start_config());
      return;
    default:
      cluster.set_lb_policy(pb::Cluster::LEAST_REQUEST);
      if (warms(from))
        set_slow_start(from,
                       *cluster.mutable_least_request_lb_config()->mutable_slow_start_config());
  }
}

void set_hash(const Hash& hash, const Extra* extra, pb::Cluster& cluster) {
  if (hash.has_maglev()) {
    cluster.set_lb_policy(pb::Cluster::MAGLEV);
    if (hash.maglev().table_size() > 0)
      cluster.mutable_maglev_lb_config()->mutable_table_size()->set_value(
          hash.maglev().table_size());
  } else {
    cluster.set_lb_policy(pb::Cluster::RING_HASH);
    uint64_t size = hash.ring_hash().minimum_ring_size();
    if (size == 0) size = hash.minimum_ring_size();
    if (size == 0) size = 1024;  // Istio's
    cluster.mutable_ring_hash_lb_config()->mutable_minimum_ring_size()->set_value(size);
  }
  if (extra != nullptr && extra->hash_balance_factor() > 0)
    cluster.mutable_common_lb_config()
        ->mutable_consistent_hashing_lb_config()
        ->mutable_hash_balance_factor()
        ->set_value(extra->hash_balance_factor());
}

void add_policy(const char* name, const google::protobuf::Message& config, pb::Cluster& cluster) {
  cluster.set_lb_policy(pb::Cluster::LOAD_BALANCING_POLICY_CONFIG);
  auto& extension =
      *cluster.mutable_load_balancing_policy()->add_policies()->mutable_typed_extension_config();
  extension.set_name(name);
  pack(config, *extension.mutable_typed_config());
}

// What only an extension can say.
bool set_extension(const istio::LoadBalancerSettings& from, const Extra& extra,
                   pb::Cluster& cluster) {
  if (extra.algorithm() == Extra::MODULO_HASH) {
    ::mesh::xds::v1::ModuloHash modulo;
    if (extra.hash_balance_factor() > 0)
      modulo.mutable_consistent_hashing_lb_config()->mutable_hash_balance_factor()->set_value(
          extra.hash_balance_factor());
    add_policy("mesh.load_balancing_policies.modulo_hash", modulo, cluster);
    return true;
  }
  if (extra.algorithm() == Extra::LEAST_REQUEST_OF_ALL) {
    LeastRequest least;
    least.set_selection_method(LeastRequest::FULL_SCAN);
    if (warms(from)) set_slow_start(from, *least.mutable_slow_start_config());
    add_policy("envoy.load_balancing_policies.least_request", least, cluster);
    return true;
  }
  return false;
}

}  // namespace

void set_load_balancer(const istio::LoadBalancerSettings& from, const Extra* extra,
                       pb::Cluster& cluster) {
  // Istio: no panic; where nobody is well the caller hears so.
  cluster.mutable_common_lb_config()->mutable_healthy_panic_threshold()->set_value(0);
  if (from.has_zone_aware_lb_setting()) {
    const auto& zone = from.zone_aware_lb_setting();
    auto& into = *cluster.mutable_common_lb_config()->mutable_zone_aware_lb_config();
    // Off has to be said: Envoy routes by zones where nothing is.
    if (zone.has_enabled() && !zone.enabled().value()) into.mutable_routing_enabled()->set_value(0);
    if (zone.has_min_cluster_size()) *into.mutable_min_cluster_size() = zone.min_cluster_size();
  }
  if (extra != nullptr && extra->has_zone_aware()) {
    const auto& zone = extra->zone_aware();
    auto& into = *cluster.mutable_common_lb_config()->mutable_zone_aware_lb_config();
    into.Clear();
    if (zone.has_routing_enabled())
      into.mutable_routing_enabled()->set_value(zone.routing_enabled().value());
    if (zone.min_cluster_size() > 0)
      into.mutable_min_cluster_size()->set_value(zone.min_cluster_size());
    into.set_fail_traffic_on_panic(zone.fail_traffic_on_panic());
  }
  if (extra != nullptr && set_extension(from, *extra, cluster)) return;
  if (from.has_consistent_hash())
    set_hash(from.consistent_hash(), extra, cluster);
  else
    set_simple(from, cluster);
}

void add_hash_policy(const istio::LoadBalancerSettings& from,
                     envoy::config::route::v3::RouteAction& action) {
  if (!from.has_consistent_hash()) return;
  const Hash& hash = from.consistent_hash();
  auto& policy = *action.add_hash_policy();
  switch (hash.hash_key_case()) {
    case Hash::kHttpHeaderName:
      policy.mutable_header()->set_header_name(hash.http_header_name());
      break;
    case Hash::kHttpCookie: {
      auto& cookie = *policy.mutable_cookie();
      cookie.set_name(hash.http_cookie().name());
      cookie.set_path(hash.http_cookie().path());
      // Istio: a cookie is made also where no ttl is given: for a session.
      *cookie.mutable_ttl() = hash.http_cookie().ttl();
      for (const auto& attribute : hash.http_cookie().attributes()) {
        auto& to = *cookie.add_attributes();
        to.set_name(attribute.name());
        to.set_value(attribute.value());
      }
      break;
    }
    case Hash::kHttpQueryParameterName:
      policy.mutable_query_parameter()->set_name(hash.http_query_parameter_name());
      break;
    default: policy.mutable_connection_properties()->set_source_ip(true);
  }
}

}  // namespace mesh::discovery
