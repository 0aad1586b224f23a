// Shared: what filters of all workers and configurations have in common.
//
// State that survives a change of configuration is found here by its name when a
// filter is made, and lives as long as a filter refers to it. Any thread, but not
// on a request's path: it has a lock.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "authz/rules.h"
#include "base/random.h"
#include "resilience/adaptive_limit.h"
#include "resilience/breaker.h"
#include "route/rate_limit.h"

namespace mesh::forward::filter {

struct ExtAuthzCounts;
struct RateLimitState;
struct JwtCounts;
struct RbacCounts;

// A breaker as all workers share it.
struct NamedBreaker {
  resilience::Breaker breaker;
  std::atomic<uint64_t> fallbacks{0};  // refused calls that a fallback cluster was given
};

// One of them, for people and metrics.
struct BreakerReport {
  std::string name;
  resilience::Breaker::State state{};
  Duration in_state{0};
  Duration open_left{0};  // while it is open
  resilience::Breaker::Sums window;
  uint64_t refused = 0;
  uint64_t fallbacks = 0;
  std::array<uint64_t, 4> changes_to{};  // by state
};

// A rate limit, of all that are called so.
struct RateLimitReport {
  std::string name;  // its stat_prefix
  uint64_t ok = 0;
  uint64_t limited = 0;   // no token, refused or not
  uint64_t enforced = 0;  // refused
};

// What a filter of access control has decided.
struct RbacReport {
  std::string name;           // the listener and the filter
  std::string prefix;         // of the counts of what is in force, as configured
  std::string shadow_prefix;  // of the others
  uint64_t allowed = 0;
  uint64_t denied = 0;
  uint64_t logged = 0;  // that a policy of action LOG matched
  uint64_t shadow_allowed = 0;
  uint64_t shadow_denied = 0;
};

// What a filter has found of the tokens of requests.
struct JwtReport {
  std::string name;  // the listener and the filter
  uint64_t allowed = 0;
  uint64_t denied = 0;
  uint64_t preflight_bypassed = 0;
  uint64_t cache_hits = 0;
  uint64_t cache_misses = 0;
};

// What authorizers have said of requests.
struct ExtAuthzReport {
  std::string name;  // the listener and the filter
  uint64_t ok = 0;
  uint64_t denied = 0;
  uint64_t error = 0;
  uint64_t disabled = 0;              // not asked: no rule let them be
  uint64_t failure_mode_allowed = 0;  // of the errors
  uint64_t invalid = 0;
};

// An adaptive limit of requests under way.
struct AdaptiveReport {
  std::string name;  // the listener and the filter
  uint32_t under_way = 0;
  uint32_t limit = 0;
  Duration min_rtt{0};
  Duration sample_rtt{0};
  bool measuring = false;
  uint64_t blocked = 0;
};

class Shared {
 public:
  // The policy is for reports: the newest is told.
  std::shared_ptr<NamedBreaker> breaker(const std::string& name,
                                        const resilience::BreakerPolicy& policy);
  // By name.
  std::vector<BreakerReport> breakers(Instant now) const;

  // The same where `key` and all that is configured are the same.
  std::shared_ptr<RateLimitState> rate_limit(const std::string& key,
                                             const route::LocalRateLimit& config);
  std::vector<RateLimitReport> rate_limits() const;

  // The same for the same key; the prefixes are for reports, and the newest are told.
  std::shared_ptr<RbacCounts> rbac(const std::string& key, const authz::Rbac& config);
  std::vector<RbacReport> rbacs() const;

  // The same for the same key.
  std::shared_ptr<JwtCounts> jwt(const std::string& key);
  std::vector<JwtReport> jwts() const;

  // The same for the same key.
  std::shared_ptr<ExtAuthzCounts> ext_authz(const std::string& key);
  std::vector<ExtAuthzReport> ext_authzs() const;

  // The same for the same key.
  std::shared_ptr<resilience::AdaptiveLimit> adaptive(const std::string& key);
  std::vector<AdaptiveReport> adaptive_limits() const;

 private:
  struct Known {
    std::weak_ptr<NamedBreaker> breaker;
    resilience::BreakerPolicy policy;
  };

  struct KnownRbac {
    std::weak_ptr<RbacCounts> counts;
    std::string prefix;
    std::string shadow_prefix;
  };

  mutable std::mutex mutex_;
  Random random_ = Random::from_system();
  std::map<std::string, Known> breakers_;
  // By key and configuration; with the limit's name.
  std::map<std::pair<std::string, std::string>,
           std::pair<std::string, std::weak_ptr<RateLimitState>>>
      rate_limits_;
  std::map<std::string, std::weak_ptr<resilience::AdaptiveLimit>> adaptive_;
  std::map<std::string, KnownRbac> rbacs_;
  std::map<std::string, std::weak_ptr<JwtCounts>> jwts_;
  std::map<std::string, std::weak_ptr<ExtAuthzCounts>> ext_authzs_;
};

}  // namespace mesh::forward::filter
