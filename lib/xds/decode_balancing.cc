#include "xds/decode_balancing.h"

#include <algorithm>

#include "balance/maglev.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb.h"
#include "mesh/xds/v1/modulo_hash.pb.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::cluster::v3;
namespace core = envoy::config::core::v3;
namespace policies = envoy::extensions::load_balancing_policies;
using balance::Algorithm;
using balance::LocalityMode;
using balance::Options;
using balance::SubsetOptions;

// Written by hand: a NaN is in no range.
bool within(double value, double least, double most) { return value >= least && value <= most; }

// Cluster.SlowStartConfig and its twin of the extensions.
template <class SlowStart>
Result<void> decode_slow_start(const SlowStart& from, const std::string& path, Options& into) {
  balance::SlowStartOptions& to = into.slow_start;
  MESH_TRY(to.window,
           decode_duration(from.slow_start_window(), path_of(path, "slow_start_window")));
  if (from.has_aggression()) to.aggression = from.aggression().default_value();
  if (!(to.aggression > 0 && to.aggression <= 1000))
    return refuse(path_of(path, "aggression"), "is over 0, at most 1000");
  if (from.has_min_weight_percent()) to.min_weight_percent = from.min_weight_percent().value();
  if (!within(to.min_weight_percent, 0, 100))
    return refuse(path_of(path, "min_weight_percent"), "is 0 to 100");
  return {};
}

template <class Least>
Result<void> decode_least(const Least& from, const std::string& path, Options& into) {
  balance::LeastRequestOptions& to = into.least_request;
  if (from.has_choice_count()) to.choices = from.choice_count().value();
  if (to.choices < 2 || to.choices > balance::kChoicesMax)
    return refuse(path_of(path, "choice_count"), "is 2 to 100");
  if (from.has_active_request_bias())
    to.active_request_bias = from.active_request_bias().default_value();
  if (!within(to.active_request_bias, 0, 100))
    return refuse(path_of(path, "active_request_bias"), "is 0 to 100");
  if (!from.has_slow_start_config()) return {};
  return decode_slow_start(from.slow_start_config(), path_of(path, "slow_start_config"), into);
}

template <class Ring>
Result<void> decode_ring_sizes(const Ring& from, const std::string& path, Options& into) {
  balance::HashOptions& to = into.hash;
  if (from.has_minimum_ring_size()) to.minimum_ring_size = from.minimum_ring_size().value();
  if (from.has_maximum_ring_size()) to.maximum_ring_size = from.maximum_ring_size().value();
  if (to.maximum_ring_size < 1 || to.maximum_ring_size > balance::kRingSizeMax)
    return refuse(path_of(path, "maximum_ring_size"), "is 1 to 8388608");
  if (to.minimum_ring_size < 1 || to.minimum_ring_size > to.maximum_ring_size)
    return refuse(path_of(path, "minimum_ring_size"), "is 1 to maximum_ring_size");
  return {};
}

template <class Table>
Result<void> decode_table_size(const Table& from, const std::string& path, Options& into) {
  if (!from.has_table_size()) return {};
  const uint64_t size = from.table_size().value();
  if (!balance::is_table_size(size))
    return refuse(path_of(path, "table_size"), "is a prime of at most 5000011");
  into.hash.table_size = uint32_t(size);
  return {};
}

template <class Consistent>
Result<void> decode_consistent(const Consistent& from, const std::string& path, Options& into) {
  into.hash.by_hostname = from.use_hostname_for_hashing();
  if (!from.has_hash_balance_factor()) return {};
  const uint32_t factor = from.hash_balance_factor().value();
  if (factor < 100) return refuse(path_of(path, "hash_balance_factor"), "is at least 100");
  into.hash.hash_balance_factor = factor;
  return {};
}

template <class Zone>
Result<void> decode_zone(const Zone& from, const std::string& path, Options& into) {
  balance::ZoneOptions& to = into.zone;
  into.locality = LocalityMode::ZoneAware;
  if (from.has_routing_enabled()) to.routing_enabled_percent = from.routing_enabled().value();
  if (!within(to.routing_enabled_percent, 0, 100))
    return refuse(path_of(path, "routing_enabled"), "is 0 to 100");
  if (from.has_min_cluster_size()) to.min_cluster_size = from.min_cluster_size().value();
  to.fail_traffic_on_panic = from.fail_traffic_on_panic();
  return {};
}

Result<void> decode_locality(const policies::common::v3::LocalityLbConfig& from,
                             const std::string& path, Options& into) {
  if (from.has_zone_aware_lb_config())
    return decode_zone(from.zone_aware_lb_config(), path_of(path, "zone_aware_lb_config"), into);
  if (from.has_locality_weighted_lb_config()) into.locality = LocalityMode::Weighted;
  return {};
}

Result<void> decode_classic(const pb::Cluster& cluster, std::string_view path, Options& into) {
  switch (cluster.lb_policy()) {
    case pb::Cluster::ROUND_ROBIN: {
      into.algorithm = Algorithm::RoundRobin;
      if (!cluster.round_robin_lb_config().has_slow_start_config()) return {};
      return decode_slow_start(cluster.round_robin_lb_config().slow_start_config(),
                               path_of(path, "round_robin_lb_config.slow_start_config"), into);
    }
    case pb::Cluster::RANDOM: into.algorithm = Algorithm::Random; return {};
    case pb::Cluster::LEAST_REQUEST:
      into.algorithm = Algorithm::LeastRequest;
      return decode_least(cluster.least_request_lb_config(),
                          path_of(path, "least_request_lb_config"), into);
    case pb::Cluster::RING_HASH:
      into.algorithm = Algorithm::RingHash;
      if (cluster.ring_hash_lb_config().hash_function() != pb::Cluster::RingHashLbConfig::XX_HASH)
        return refuse(path_of(path, "ring_hash_lb_config.hash_function"),
                      "only XX_HASH is supported");
      return decode_ring_sizes(cluster.ring_hash_lb_config(), path_of(path, "ring_hash_lb_config"),
                               into);
    case pb::Cluster::MAGLEV:
      into.algorithm = Algorithm::Maglev;
      return decode_table_size(cluster.maglev_lb_config(), path_of(path, "maglev_lb_config"), into);
    case pb::Cluster::CLUSTER_PROVIDED:
      // Its hosts are not picked: each request says which it is for.
      if (cluster.type() == pb::Cluster::ORIGINAL_DST) return {};
      return refuse(path_of(path, "lb_policy"), "CLUSTER_PROVIDED is for type ORIGINAL_DST");
    default:
      return refuse(path_of(path, "lb_policy"),
                    "supported are ROUND_ROBIN, RANDOM, LEAST_REQUEST, RING_HASH, MAGLEV and"
                    " LOAD_BALANCING_POLICY_CONFIG");
  }
}

Result<void> decode_ring(const policies::ring_hash::v3::RingHash& from, const std::string& path,
                         Options& into) {
  into.algorithm = Algorithm::RingHash;
  if (from.hash_function() == policies::ring_hash::v3::RingHash::MURMUR_HASH_2)
    return refuse(path_of(path, "hash_function"), "only XX_HASH is supported");
  if (from.has_locality_weighted_lb_config()) into.locality = LocalityMode::Weighted;
  MESH_TRY_VOID(decode_ring_sizes(from, path, into));
  if (from.has_consistent_hashing_lb_config())
    return decode_consistent(from.consistent_hashing_lb_config(),
                             path_of(path, "consistent_hashing_lb_config"), into);
  return decode_consistent(from, path, into);
}

Result<void> decode_maglev(const policies::maglev::v3::Maglev& from, const std::string& path,
                           Options& into) {
  into.algorithm = Algorithm::Maglev;
  if (from.has_locality_weighted_lb_config()) into.locality = LocalityMode::Weighted;
  MESH_TRY_VOID(decode_table_size(from, path, into));
  return decode_consistent(from.consistent_hashing_lb_config(),
                           path_of(path, "consistent_hashing_lb_config"), into);
}

Result<void> decode_least_policy(const policies::least_request::v3::LeastRequest& from,
                                 const std::string& path, Options& into) {
  into.algorithm = Algorithm::LeastRequest;
  into.least_request.full_scan =
      from.enable_full_scan().value() ||
      from.selection_method() == policies::least_request::v3::LeastRequest::FULL_SCAN;
  MESH_TRY_VOID(
      decode_locality(from.locality_lb_config(), path_of(path, "locality_lb_config"), into));
  return decode_least(from, path, into);
}

Result<void> decode_round_robin(const policies::round_robin::v3::RoundRobin& from,
                                const std::string& path, Options& into) {
  into.algorithm = Algorithm::RoundRobin;
  MESH_TRY_VOID(
      decode_locality(from.locality_lb_config(), path_of(path, "locality_lb_config"), into));
  if (!from.has_slow_start_config()) return {};
  return decode_slow_start(from.slow_start_config(), path_of(path, "slow_start_config"), into);
}

// The first policy, as Envoy takes the first that it knows.
Result<void> decode_policy(const pb::LoadBalancingPolicy& policy, const std::string& path,
                           Options& into) {
  if (policy.policies_size() == 0) return refuse(path_of(path, "policies"), "is empty");
  const std::string at = path_of(path, "policies", 0) + ".typed_extension_config.typed_config";
  const auto& any = policy.policies(0).typed_extension_config().typed_config();
  if (any.Is<policies::random::v3::Random>()) {
    MESH_TRY(const auto random, unpack<policies::random::v3::Random>(any, at));
    into.algorithm = Algorithm::Random;
    return decode_locality(random.locality_lb_config(), path_of(at, "locality_lb_config"), into);
  }
  if (any.Is<policies::least_request::v3::LeastRequest>()) {
    MESH_TRY(const auto least, unpack<policies::least_request::v3::LeastRequest>(any, at));
    return decode_least_policy(least, at, into);
  }
  if (any.Is<policies::ring_hash::v3::RingHash>()) {
    MESH_TRY(const auto ring, unpack<policies::ring_hash::v3::RingHash>(any, at));
    return decode_ring(ring, at, into);
  }
  if (any.Is<policies::maglev::v3::Maglev>()) {
    MESH_TRY(const auto maglev, unpack<policies::maglev::v3::Maglev>(any, at));
    return decode_maglev(maglev, at, into);
  }
  if (any.Is<v1::ModuloHash>()) {
    MESH_TRY(const auto modulo, unpack<v1::ModuloHash>(any, at));
    into.algorithm = Algorithm::ModuloHash;
    return decode_consistent(modulo.consistent_hashing_lb_config(),
                             path_of(at, "consistent_hashing_lb_config"), into);
  }
  MESH_TRY(const auto round_robin, unpack<policies::round_robin::v3::RoundRobin>(any, at));
  return decode_round_robin(round_robin, at, into);
}

Result<uint8_t> decode_override(const core::HealthStatusSet& set, const std::string& path) {
  using balance::Health;
  uint8_t mask = 0;
  for (int i = 0; i < set.statuses_size(); ++i) {
    Health health{};
    switch (set.statuses(i)) {
      case core::UNKNOWN:
      case core::HEALTHY: health = Health::Healthy; break;
      case core::DEGRADED: health = Health::Degraded; break;
      case core::DRAINING: health = Health::Draining; break;
      default:
        return refuse(path_of(path, "statuses", i),
                      "supported are UNKNOWN, HEALTHY, DEGRADED and DRAINING");
    }
    mask |= uint8_t(1U << uint8_t(health));
  }
  return mask;
}

Result<SubsetOptions> decode_subsets(const pb::Cluster::LbSubsetConfig& from,
                                     const std::string& path) {
  using Selector = pb::Cluster::LbSubsetConfig::LbSubsetSelector;
  using Fallback = SubsetOptions::Fallback;
  SubsetOptions result;
  result.fallback = Fallback(from.fallback_policy());
  result.locality_weight_aware = from.locality_weight_aware();
  result.default_subset = decode_lb_metadata(from.default_subset());
  for (int i = 0; i < from.subset_selectors_size(); ++i) {
    const Selector& selector = from.subset_selectors(i);
    const std::string at = path_of(path, "subset_selectors", i);
    auto& to = result.selectors.emplace_back();
    to.keys.assign(selector.keys().begin(), selector.keys().end());
    std::sort(to.keys.begin(), to.keys.end());
    if (to.keys.empty() || std::adjacent_find(to.keys.begin(), to.keys.end()) != to.keys.end())
      return refuse(path_of(at, "keys"), "at least one key, each once");
    switch (selector.fallback_policy()) {
      case Selector::NOT_DEFINED: break;
      case Selector::NO_FALLBACK: to.fallback = Fallback::NoFallback; break;
      case Selector::ANY_ENDPOINT: to.fallback = Fallback::AnyEndpoint; break;
      case Selector::DEFAULT_SUBSET: to.fallback = Fallback::DefaultSubset; break;
      default: return refuse(path_of(at, "fallback_policy"), "KEYS_SUBSET is not supported");
    }
  }
  return result;
}

Result<void> decode_common(const pb::Cluster::CommonLbConfig& from, const std::string& path,
                           balance::Config& into) {
  Options& options = into.options;
  auto& panic = options.healthy_panic_percent;
  if (from.has_healthy_panic_threshold()) panic = from.healthy_panic_threshold().value();
  if (!within(panic, 0, 100))
    return refuse(path_of(path, "healthy_panic_threshold"), "is 0 to 100");
  if (from.has_zone_aware_lb_config()) {
    MESH_TRY_VOID(
        decode_zone(from.zone_aware_lb_config(), path_of(path, "zone_aware_lb_config"), options));
  }
  if (from.has_locality_weighted_lb_config()) options.locality = LocalityMode::Weighted;
  if (from.has_consistent_hashing_lb_config()) {
    MESH_TRY_VOID(decode_consistent(from.consistent_hashing_lb_config(),
                                    path_of(path, "consistent_hashing_lb_config"), options));
  }
  if (from.has_override_host_status()) {
    MESH_TRY(into.override_health,
             decode_override(from.override_host_status(), path_of(path, "override_host_status")));
  }
  return {};
}

}  // namespace

// Values as a route's metadata_match has them (decode_action_parts.cc).
balance::Metadata decode_lb_metadata(const google::protobuf::Struct& from) {
  using google::protobuf::Value;
  balance::Metadata result;
  for (const auto& [key, value] : from.fields()) {
    switch (value.kind_case()) {
      case Value::kStringValue: result.emplace_back(key, value.string_value()); break;
      case Value::kBoolValue:
        result.emplace_back(key, value.bool_value() ? "true" : "false");
        break;
      case Value::kNumberValue:
        result.emplace_back(key, std::to_string(value.number_value()));
        break;
      default: break;  // names no subset
    }
  }
  std::sort(result.begin(), result.end());
  return result;
}

Result<void> decode_balancing(const pb::Cluster& cluster, std::string_view path,
                              balance::Config& into) {
  MESH_TRY_VOID(decode_common(cluster.common_lb_config(), path_of(path, "common_lb_config"), into));
  if (cluster.has_load_balancing_policy()) {
    MESH_TRY_VOID(decode_policy(cluster.load_balancing_policy(),
                                path_of(path, "load_balancing_policy"), into.options));
  } else {
    MESH_TRY_VOID(decode_classic(cluster, path, into.options));
  }
  if (cluster.lb_subset_config().subset_selectors_size() > 0) {
    MESH_TRY(into.subsets,
             decode_subsets(cluster.lb_subset_config(), path_of(path, "lb_subset_config")));
  }
  return {};
}

}  // namespace mesh::xds
