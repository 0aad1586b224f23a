// RouteStats: requests of routes that have a stat_prefix, of one worker, under Envoy's names
// ("vhost.V.route.P.upstream_rq_total"; docs, "Router / Statistics"). One thread, whose
// registry it is.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "route/request_policy.h"
#include "telemetry/registry.h"
#include "upstream/stats.h"

namespace mesh::forward {

class RouteStats {
 public:
  // Those beyond it are counted as one, "overflow".
  static constexpr size_t kRoutesMax = 1000;

  explicit RouteStats(telemetry::Registry& registry) : registry_(registry) {}  // outlives us

  // What came of tries; other counts than those of retries and timeouts are passed over.
  void count(const route::RouteStat& route, upstream::ClusterCount what);
  // A request is over: `tries` had a host, `status` went downstream (0: none did).
  void record(const route::RouteStat& route, uint32_t tries, uint16_t status);

  // "vhost.V.route.P.upstream_rq_503" of a number that is ours, else empty.
  static std::string stat_name(const telemetry::NumberKey& key);

 private:
  enum Count : uint8_t {
    Total,
    Completed,
    Timeout,
    Retry,
    RetrySuccess,
    RetryOverflow,
    RetryLimit
  };
  static constexpr size_t kCounts = RetryLimit + 1;

  struct One {
    std::string virtual_host, route;
    std::array<telemetry::Counter*, kCounts> counts{};
    std::array<telemetry::Counter*, 6> classes{};
    std::unordered_map<uint16_t, telemetry::Counter*> statuses;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  One& find(const route::RouteStat& route);
  void add(One& one, Count what, uint64_t n = 1);
  telemetry::Counter& number(const One& one, std::string_view name, const char* label,
                             const std::string& value);

  telemetry::Registry& registry_;
  std::unordered_map<std::string, One, Hash, std::equal_to<>> routes_;
};

}  // namespace mesh::forward
