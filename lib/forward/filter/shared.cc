#include "forward/filter/shared.h"

#include <algorithm>

#include "forward/filter/ext_authz.h"
#include "forward/filter/jwt_authn.h"
#include "forward/filter/local_ratelimit.h"
#include "forward/filter/rbac.h"

namespace mesh::forward::filter {

using resilience::Breaker;

std::shared_ptr<NamedBreaker> Shared::breaker(const std::string& name,
                                              const resilience::BreakerPolicy& policy) {
  const std::lock_guard lock(mutex_);
  std::erase_if(breakers_, [](const auto& entry) { return entry.second.breaker.expired(); });
  Known& known = breakers_[name];
  known.policy = policy;
  auto breaker = known.breaker.lock();
  if (breaker == nullptr) known.breaker = breaker = std::make_shared<NamedBreaker>();
  return breaker;
}

std::vector<BreakerReport> Shared::breakers(Instant now) const {
  const std::lock_guard lock(mutex_);
  std::vector<BreakerReport> reports;
  for (const auto& [name, known] : breakers_) {
    const auto named = known.breaker.lock();
    if (named == nullptr) continue;
    const Breaker& breaker = named->breaker;
    BreakerReport& report = reports.emplace_back();
    report.name = name;
    report.state = breaker.state();
    report.in_state = std::max(Duration(0), now - breaker.since());
    if (report.state == Breaker::State::Open)
      report.open_left = std::max(Duration(0), breaker.open_until(known.policy) - now);
    report.window = breaker.sums(known.policy, now);
    report.refused = breaker.refused();
    report.fallbacks = named->fallbacks.load(std::memory_order_relaxed);
    for (size_t i = 0; i < report.changes_to.size(); ++i)
      report.changes_to[i] = breaker.changes_to(Breaker::State(i));
  }
  return reports;
}

std::shared_ptr<RateLimitState> Shared::rate_limit(const std::string& key,
                                                   const route::LocalRateLimit& config) {
  const std::lock_guard lock(mutex_);
  std::erase_if(rate_limits_, [](const auto& entry) { return entry.second.second.expired(); });
  auto& [name, known] = rate_limits_[{key, config.fingerprint}];
  auto state = known.lock();
  if (state == nullptr) known = state = make_state(config, random_);
  name = config.stat_prefix;
  return state;
}

std::vector<RateLimitReport> Shared::rate_limits() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, RateLimitReport> sums;
  for (const auto& [key, known] : rate_limits_) {
    const auto state = known.second.lock();
    if (state == nullptr) continue;
    RateLimitReport& sum = sums[known.first];
    sum.name = known.first;
    sum.ok += state->ok.load(std::memory_order_relaxed);
    sum.limited += state->limited.load(std::memory_order_relaxed);
    sum.enforced += state->enforced.load(std::memory_order_relaxed);
  }
  std::vector<RateLimitReport> reports;
  for (auto& [name, sum] : sums) reports.push_back(std::move(sum));
  return reports;
}

std::shared_ptr<RbacCounts> Shared::rbac(const std::string& key, const authz::Rbac& config) {
  const std::lock_guard lock(mutex_);
  std::erase_if(rbacs_, [](const auto& entry) { return entry.second.counts.expired(); });
  KnownRbac& known = rbacs_[key];
  known.prefix = config.rules_stat_prefix;
  known.shadow_prefix = config.shadow_stat_prefix;
  auto counts = known.counts.lock();
  if (counts == nullptr) known.counts = counts = std::make_shared<RbacCounts>();
  return counts;
}

std::vector<RbacReport> Shared::rbacs() const {
  const std::lock_guard lock(mutex_);
  std::vector<RbacReport> reports;
  for (const auto& [name, known] : rbacs_) {
    const auto shared = known.counts.lock();
    if (shared == nullptr) continue;
    const auto& counts = shared->counts;
    reports.push_back({.name = name,
                       .prefix = known.prefix,
                       .shadow_prefix = known.shadow_prefix,
                       .allowed = counts.sum(RbacCounts::Allowed),
                       .denied = counts.sum(RbacCounts::Denied),
                       .logged = counts.sum(RbacCounts::Logged),
                       .shadow_allowed = counts.sum(RbacCounts::ShadowAllowed),
                       .shadow_denied = counts.sum(RbacCounts::ShadowDenied)});
  }
  return reports;
}

std::shared_ptr<JwtCounts> Shared::jwt(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::erase_if(jwts_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = jwts_[key];
  auto counts = known.lock();
  if (counts == nullptr) known = counts = std::make_shared<JwtCounts>();
  return counts;
}

std::vector<JwtReport> Shared::jwts() const {
  const std::lock_guard lock(mutex_);
  std::vector<JwtReport> reports;
  for (const auto& [name, known] : jwts_) {
    const auto shared = known.lock();
    if (shared == nullptr) continue;
    const auto& counts = shared->counts;
    reports.push_back({.name = name,
                       .allowed = counts.sum(JwtCounts::Allowed),
                       .denied = counts.sum(JwtCounts::Denied),
                       .preflight_bypassed = counts.sum(JwtCounts::PreflightBypassed),
                       .cache_hits = counts.sum(JwtCounts::CacheHit),
                       .cache_misses = counts.sum(JwtCounts::CacheMiss)});
  }
  return reports;
}

std::shared_ptr<ExtAuthzCounts> Shared::ext_authz(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::erase_if(ext_authzs_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = ext_authzs_[key];
  auto counts = known.lock();
  if (counts == nullptr) known = counts = std::make_shared<ExtAuthzCounts>();
  return counts;
}

std::vector<ExtAuthzReport> Shared::ext_authzs() const {
  const std::lock_guard lock(mutex_);
  std::vector<ExtAuthzReport> reports;
  for (const auto& [name, known] : ext_authzs_) {
    const auto shared = known.lock();
    if (shared == nullptr) continue;
    const auto& counts = shared->counts;
    reports.push_back({.name = name,
                       .ok = counts.sum(ExtAuthzCounts::Ok),
                       .denied = counts.sum(ExtAuthzCounts::Denied),
                       .error = counts.sum(ExtAuthzCounts::Error),
                       .disabled = counts.sum(ExtAuthzCounts::Disabled),
                       .failure_mode_allowed = counts.sum(ExtAuthzCounts::FailureModeAllowed),
                       .invalid = counts.sum(ExtAuthzCounts::Invalid)});
  }
  return reports;
}

std::shared_ptr<resilience::AdaptiveLimit> Shared::adaptive(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::erase_if(adaptive_, [](const auto& entry) { return entry.second.expired(); });
  auto& known = adaptive_[key];
  auto limit = known.lock();
  if (limit == nullptr) known = limit = std::make_shared<resilience::AdaptiveLimit>();
  return limit;
}

std::vector<AdaptiveReport> Shared::adaptive_limits() const {
  const std::lock_guard lock(mutex_);
  std::vector<AdaptiveReport> reports;
  for (const auto& [name, known] : adaptive_)
    if (const auto limit = known.lock())
      reports.push_back({.name = name,
                         .under_way = limit->under_way(),
                         .limit = limit->limit(),
                         .min_rtt = limit->min_rtt(),
                         .sample_rtt = limit->sample_rtt(),
                         .measuring = limit->measuring(),
                         .blocked = limit->blocked()});
  return reports;
}

}  // namespace mesh::forward::filter
