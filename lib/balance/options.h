// Options: how a cluster is balanced. Names and defaults are Envoy's
// (config.cluster.v3.Cluster: lb_policy, *_lb_config, common_lb_config).
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace mesh::balance {

enum class Algorithm : uint8_t {
  RoundRobin,
  Random,
  LeastRequest,
  RingHash,
  Maglev,
  ModuloHash,  // ours: the hash modulo the number of hosts
};
// Chosen by the request's hash.
constexpr bool hashes(Algorithm algorithm) {
  return algorithm == Algorithm::RingHash || algorithm == Algorithm::Maglev ||
         algorithm == Algorithm::ModuloHash;
}

inline constexpr uint64_t kRingSizeMax = 8 * 1024 * 1024;
inline constexpr uint32_t kTableSizeMax = 5'000'011;
inline constexpr uint32_t kChoicesMax = 100;

class HashTables;

struct LeastRequestOptions {
  uint32_t choices = 2;            // 2 to kChoicesMax: so many are drawn, the least busy wins
  bool full_scan = false;          // FULL_SCAN: all of them; O(n)
  double active_request_bias = 1;  // with unequal weights; 0: weights alone
  bool operator==(const LeastRequestOptions&) const = default;
};

struct HashOptions {
  uint64_t minimum_ring_size = 1024;
  uint64_t maximum_ring_size = kRingSizeMax;
  uint32_t table_size = 65537;  // Maglev's; a prime, at most kTableSizeMax
  // Bounded load: no host gets more than this percentage of the mean; 0: off.
  uint32_t hash_balance_factor = 0;
  bool by_hostname = false;  // hosts are known by their names (use_hostname_for_hashing)
  bool operator==(const HashOptions&) const = default;
};

// A host that is new or came back begins with a part of its weight.
struct SlowStartOptions {
  Duration window{0};  // 0: off
  double aggression = 1;
  double min_weight_percent = 10;
  bool operator==(const SlowStartOptions&) const = default;
};

enum class LocalityMode : uint8_t { None, Weighted, ZoneAware };

struct ZoneOptions {
  double routing_enabled_percent = 100;
  uint64_t min_cluster_size = 6;
  bool fail_traffic_on_panic = false;
  bool operator==(const ZoneOptions&) const = default;
};

struct Options {
  Algorithm algorithm = Algorithm::RoundRobin;
  LeastRequestOptions least_request = {};
  HashOptions hash = {};
  SlowStartOptions slow_start = {};
  LocalityMode locality = LocalityMode::None;
  ZoneOptions zone = {};
  // Below this share of available hosts in a priority all of it are used; 0:
  // never (what Istio's minHealthPercent defaults to).
  double healthy_panic_percent = 50;
  // A priority is whole while its available share times this reaches 100 %.
  uint32_t overprovisioning_percent = 140;
  // Shares of health are counted in weights instead of hosts.
  bool weighted_priority_health = false;
  // Where a round robin begins, so that workers do not march in step.
  uint64_t seed = 0;
  // Where workers find tables that another has built; may be null. Outlives.
  HashTables* tables = nullptr;
};

}  // namespace mesh::balance
