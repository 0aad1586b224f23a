#include "config/validate/load_balancer.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace mesh::config {
namespace {

using namespace ::istio::networking::v1alpha3;
using ConsistentHash = LoadBalancerSettings::ConsistentHashLB;

constexpr uint64_t kRingSizeMax = 8 * 1024 * 1024;
constexpr uint64_t kTableSizeMax = 5'000'011;
constexpr double kAggressionMax = 1000;

bool is_prime(uint64_t n) {
  if (n < 2) return false;
  for (uint64_t i = 2; i * i <= n; ++i)
    if (n % i == 0) return false;
  return true;
}

// Visible characters, at least one, but for `without`.
bool is_cookie_text(std::string_view text, std::string_view without) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return c >= 0x20 && c < 0x7f && without.find(c) == std::string_view::npos;
  });
}

// What stands between the semicolons of a cookie (RFC 6265, section 4.1.1).
void check_attributes(const ConsistentHash::HTTPCookie& cookie, const std::string& path,
                      Checker& checker) {
  std::set<std::string> names;
  for (int i = 0; i < cookie.attributes_size(); ++i) {
    const auto& attribute = cookie.attributes(i);
    const std::string at = at_index(path, i);
    if (checker.expect(is_field_name(attribute.name()), at + ".name",
                       "expected the name of an attribute"))
      checker.expect(names.insert(text::to_lower(attribute.name())).second, at + ".name",
                     "the attribute " + attribute.name() + " is there twice");
    checker.expect(std::all_of(attribute.value().begin(), attribute.value().end(),
                               [](char c) { return c >= 0x20 && c < 0x7f && c != ';'; }),
                   at + ".value", "expected visible characters without a semicolon");
  }
}

void check_hash(const ConsistentHash& hash, const std::string& path, Checker& checker) {
  switch (hash.hash_key_case()) {
    case ConsistentHash::kHttpHeaderName:
      checker.expect(!hash.http_header_name().empty(), path + ".httpHeaderName",
                     "expected the name of a header");
      break;
    case ConsistentHash::kHttpCookie:
      checker.expect(is_cookie_text(hash.http_cookie().name(), "=,; "), path + ".httpCookie.name",
                     "expected the name of a cookie");
      checker.expect(
          hash.http_cookie().path().empty() || is_cookie_text(hash.http_cookie().path(), ";"),
          path + ".httpCookie.path", "expected a path of visible characters without a semicolon");
      if (hash.http_cookie().has_ttl())
        checker.duration(path + ".httpCookie.ttl", hash.http_cookie().ttl(), true);
      check_attributes(hash.http_cookie(), path + ".httpCookie.attributes", checker);
      break;
    case ConsistentHash::kUseSourceIp:
      checker.expect(hash.use_source_ip(), path + ".useSourceIp", "expected true, or another key");
      break;
    case ConsistentHash::kHttpQueryParameterName:
      checker.expect(!hash.http_query_parameter_name().empty(), path + ".httpQueryParameterName",
                     "expected the name of a query parameter");
      break;
    default:
      checker.fail(path,
                   "expected httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName");
  }
  const bool ring = hash.minimum_ring_size() <= kRingSizeMax;
  checker.expect(ring, path + ".minimumRingSize", "expected at most 8388608");
  checker.expect(hash.ring_hash().minimum_ring_size() <= kRingSizeMax,
                 path + ".ringHash.minimumRingSize", "expected at most 8388608");
  const uint64_t table = hash.maglev().table_size();
  checker.expect(table == 0 || (table <= kTableSizeMax && is_prime(table)),
                 path + ".maglev.tableSize", "expected a prime of at most 5000011");
}

// "REGION", "REGION/ZONE", "REGION/ZONE/SUBZONE", the last part perhaps "*"; or "*".
void check_locality(const std::string& locality, const std::string& path, Checker& checker) {
  const auto parts = text::split(locality, '/');
  bool good = parts.size() <= 3;
  for (size_t i = 0; i < parts.size(); ++i) {
    good = good && !parts[i].empty();
    const bool star = parts[i].find('*') != std::string_view::npos;
    good = good && (!star || (parts[i] == "*" && i + 1 == parts.size()));
  }
  checker.expect(
      good, path,
      "expected REGION/ZONE/SUBZONE, or \"*\" as the last part, got " + text::quoted(locality));
}

// Of localities and of zones: where regions fail over to, by region and by labels.
template <class Setting>
void check_failover(const Setting& setting, const std::string& path, Checker& checker) {
  for (int i = 0; i < setting.failover_size(); ++i) {
    const auto& failover = setting.failover(i);
    const std::string at = at_index(path + ".failover", i);
    const auto region = [&](const std::string& name, const std::string& value) {
      checker.expect(!value.empty() && value.find_first_of("*/") == std::string::npos, name,
                     "expected a region");
    };
    region(at + ".from", failover.from());
    region(at + ".to", failover.to());
    checker.expect(failover.from() != failover.to(), at, "from and to are the same region");
  }
  std::set<std::string> keys;
  for (int i = 0; i < setting.failover_priority_size(); ++i) {
    const std::string& label = setting.failover_priority(i);
    const std::string key = label.substr(0, label.find('='));
    checker.expect(!key.empty() && keys.insert(key).second, at_index(path + ".failoverPriority", i),
                   "expected a label, each once");
  }
}

void check_zones(const LoadBalancerSettings& settings, const std::string& path, Checker& checker) {
  if (!settings.has_zone_aware_lb_setting()) return;
  const auto& zones = settings.zone_aware_lb_setting();
  checker.expect(!settings.has_locality_lb_setting(), path,
                 "does not go with localityLbSetting: give one of both");
  checker.expect(settings.simple() != LoadBalancerSettings::PASSTHROUGH, path,
                 "does nothing with PASSTHROUGH: callers choose");
  check_failover(zones, path, checker);
  constexpr const char* kTopology[] = {"topology.kubernetes.io/region",
                                       "topology.kubernetes.io/zone", "topology.istio.io/subzone"};
  for (int i = 0; i < zones.failover_priority_size(); ++i) {
    const std::string& label = zones.failover_priority(i);
    const auto same = [&](std::string_view key) { return label.substr(0, label.find('=')) == key; };
    checker.expect(std::none_of(std::begin(kTopology), std::end(kTopology), same),
                   at_index(path + ".failoverPriority", i),
                   "regions and zones are looked at in any case: expected another label");
  }
  checker.expect(!zones.has_min_cluster_size() || zones.min_cluster_size().value() > 0,
                 path + ".minClusterSize", "expected a number over 0");
}

void check_localities(const LocalityLoadBalancerSetting& setting, const std::string& path,
                      Checker& checker) {
  const bool distributes = setting.distribute_size() > 0;
  checker.expect(
      !distributes || (setting.failover_size() == 0 && setting.failover_priority_size() == 0),
      path + ".distribute", "does not go with failover or failoverPriority");
  for (int i = 0; i < setting.distribute_size(); ++i) {
    const auto& distribute = setting.distribute(i);
    const std::string at = at_index(path + ".distribute", i);
    check_locality(distribute.from(), at + ".from", checker);
    uint64_t sum = 0;
    for (const auto& [to, weight] : distribute.to()) {
      check_locality(to, at + ".to", checker);
      sum += weight;
      checker.expect(weight > 0, at + ".to", "expected weights over 0");
    }
    checker.expect(sum == 100, at + ".to",
                   "expected weights that sum to 100, got " + std::to_string(sum));
  }
  check_failover(setting, path, checker);
}

void check_warmup(const LoadBalancerSettings& settings, const std::string& path, Checker& checker) {
  const auto& warmup = settings.warmup();
  if (settings.has_warmup_duration_secs()) {
    checker.duration(path + ".warmupDurationSecs", settings.warmup_duration_secs(), false);
    checker.expect(!settings.has_warmup(), path + ".warmupDurationSecs",
                   "is the old name of warmup.duration; give one of both");
  }
  if (settings.has_warmup()) {
    checker.expect(warmup.has_duration(), path + ".warmup.duration", "expected a duration");
    if (warmup.has_duration())
      checker.duration(path + ".warmup.duration", warmup.duration(), false);
    if (warmup.has_minimum_percent()) {
      const double percent = warmup.minimum_percent().value();
      checker.expect(percent >= 0 && percent <= 100, path + ".warmup.minimumPercent",
                     "expected 0 to 100");
    }
    if (warmup.has_aggression()) {
      const double aggression = warmup.aggression().value();
      checker.expect(aggression >= 1 && aggression <= kAggressionMax, path + ".warmup.aggression",
                     "expected 1 to 1000");
    }
  }
  if (!settings.has_warmup() && !settings.has_warmup_duration_secs()) return;
  const bool warms = settings.lb_policy_case() != LoadBalancerSettings::kConsistentHash &&
                     settings.simple() != LoadBalancerSettings::RANDOM &&
                     settings.simple() != LoadBalancerSettings::PASSTHROUGH;
  checker.expect(warms, path, "only ROUND_ROBIN and LEAST_REQUEST warm endpoints up");
}

}  // namespace

void check_load_balancer(const LoadBalancerSettings& settings, const std::string& path,
                         Checker& checker) {
  if (settings.has_consistent_hash())
    check_hash(settings.consistent_hash(), path + ".consistentHash", checker);
  check_localities(settings.locality_lb_setting(), path + ".localityLbSetting", checker);
  check_zones(settings, path + ".zoneAwareLbSetting", checker);
  check_warmup(settings, path, checker);
  checker.expect(
      settings.simple() != LoadBalancerSettings::PASSTHROUGH || !settings.has_locality_lb_setting(),
      path + ".localityLbSetting", "does nothing with PASSTHROUGH: callers choose");
}

}  // namespace mesh::config
