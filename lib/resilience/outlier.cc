#include "resilience/outlier.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace mesh::resilience {
namespace {

int64_t ns(Instant t) { return std::chrono::nanoseconds(t.time_since_epoch()).count(); }

Duration ejection_time(const OutlierPolicy& policy, uint32_t n) {
  const Duration most = std::max(policy.max_ejection_time, policy.base_ejection_time);
  if (policy.base_ejection_time <= Duration::zero()) return Duration(1);
  if (n > most / policy.base_ejection_time) return most;
  return policy.base_ejection_time * n;
}

bool is_5xx(uint16_t status) { return status >= 500 && status <= 599; }
bool gateway_failure(uint16_t status) { return status >= 502 && status <= 504; }

// Counts one more in a row, or starts again. Says whether the row reached its
// limit with this one: once, whichever worker it was.
bool in_a_row(std::atomic<uint32_t>& count, bool failed, uint32_t limit) {
  if (!failed) {
    // Read first: the usual success writes nothing that other workers share.
    if (count.load(std::memory_order_relaxed) != 0) count.store(0, std::memory_order_relaxed);
    return false;
  }
  if (limit == 0) return false;
  if (count.fetch_add(1, std::memory_order_relaxed) + 1 < limit) return false;
  count.store(0, std::memory_order_relaxed);
  return true;
}

// Never below zero: a place counted away by set_hosts() is not given back twice.
void give_back(std::atomic<uint32_t>& places) {
  uint32_t now = places.load(std::memory_order_relaxed);
  while (now != 0 && !places.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) {
  }
}

}  // namespace

std::string_view to_string(EjectionCause cause) {
  switch (cause) {
    case EjectionCause::Consecutive5xx: return "CONSECUTIVE_5XX";
    case EjectionCause::ConsecutiveGatewayFailure: return "CONSECUTIVE_GATEWAY_FAILURE";
    case EjectionCause::ConsecutiveLocalOriginFailure: return "CONSECUTIVE_LOCAL_ORIGIN_FAILURE";
    case EjectionCause::SuccessRate: return "SUCCESS_RATE";
    case EjectionCause::SuccessRateLocalOrigin: return "SUCCESS_RATE_LOCAL_ORIGIN";
    case EjectionCause::FailurePercentage: return "FAILURE_PERCENTAGE";
    case EjectionCause::FailurePercentageLocalOrigin: return "FAILURE_PERCENTAGE_LOCAL_ORIGIN";
  }
  return "";
}

void Outlier::set_hosts(std::vector<HostHealth*> hosts) {
  hosts_ = std::move(hosts);
  host_count_.store(uint32_t(hosts_.size()), std::memory_order_relaxed);
  recount();
  epoch_.fetch_add(1, std::memory_order_release);
}

void Outlier::recount() {
  const auto ejected = std::count_if(hosts_.begin(), hosts_.end(),
                                     [](const HostHealth* host) { return host->ejected(); });
  ejected_.store(uint32_t(ejected), std::memory_order_relaxed);
}

bool Outlier::on_answer(const OutlierPolicy& policy, HostHealth& host, uint16_t status, Instant now,
                        Random& random) {
  const bool by_5xx = in_a_row(host.consecutive_5xx, is_5xx(status), policy.consecutive_5xx);
  const bool by_gateway = in_a_row(host.consecutive_gateway, gateway_failure(status),
                                   policy.consecutive_gateway_failure);
  bool ejected = false;
  if (by_5xx)
    ejected |= detect(policy, host, EjectionCause::Consecutive5xx, policy.enforcing_consecutive_5xx,
                      now, random);
  if (by_gateway)
    ejected |= detect(policy, host, EjectionCause::ConsecutiveGatewayFailure,
                      policy.enforcing_consecutive_gateway_failure, now, random);
  return ejected;
}

bool Outlier::on_no_answer(const OutlierPolicy& policy, HostHealth& host, Instant now,
                           Random& random) {
  // Not told apart, it counts as the 503 or 504 that a gateway would have said.
  if (!policy.split_external_local_origin_errors) return on_answer(policy, host, 503, now, random);
  return in_a_row(host.consecutive_local, true, policy.consecutive_local_origin_failure) &&
         detect(policy, host, EjectionCause::ConsecutiveLocalOriginFailure,
                policy.enforcing_consecutive_local_origin_failure, now, random);
}

void Outlier::on_connected(const OutlierPolicy& policy, HostHealth& host) {
  if (policy.split_external_local_origin_errors)
    in_a_row(host.consecutive_local, false, policy.consecutive_local_origin_failure);
}

bool Outlier::detect(const OutlierPolicy& policy, HostHealth& host, EjectionCause cause,
                     uint32_t enforcing, Instant now, Random& random) {
  if (host.ejected()) return false;  // answers of requests that were under way
  counts_.detected[size_t(cause)].fetch_add(1, std::memory_order_relaxed);
  if (enforcing < 100 && random.below(100) >= enforcing) return false;
  return try_eject(policy, host, cause, now, random);
}

bool Outlier::try_eject(const OutlierPolicy& policy, HostHealth& host, EjectionCause cause,
                        Instant now, Random& random) {
  const uint32_t most = std::min(policy.max_ejection_percent, 100U);
  // The place among the ejected is taken first, so that two workers that eject
  // two hosts at once cannot pass the maximum together.
  uint32_t others = ejected_.load(std::memory_order_relaxed);
  do {
    const uint64_t hosts = host_count_.load(std::memory_order_relaxed);
    const bool first = others == 0 && policy.always_eject_one_host;
    if (!first && (uint64_t(others) + 1) * 100 > hosts * most) {
      counts_.overflow.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
  } while (!ejected_.compare_exchange_weak(others, others + 1, std::memory_order_relaxed));

  const uint32_t n = host.ejections.load(std::memory_order_relaxed) + 1;
  Duration time = ejection_time(policy, n);
  if (policy.max_ejection_time_jitter > Duration::zero())
    time += Duration(int64_t(random.below(uint64_t(policy.max_ejection_time_jitter.count()))));
  int64_t not_ejected = 0;
  const int64_t until = std::max<int64_t>(ns(now + time), 1);
  if (!host.ejected_until_ns.compare_exchange_strong(not_ejected, until,
                                                     std::memory_order_acq_rel)) {
    give_back(ejected_);  // another worker was first
    return false;
  }
  // Growth past the longest time would only have to decay again.
  const bool longest = ejection_time(policy, n) >= policy.max_ejection_time;
  if (!longest || host.ejections.load(std::memory_order_relaxed) == 0)
    host.ejections.store(n, std::memory_order_relaxed);
  host.cause.store(cause, std::memory_order_relaxed);
  host.ejections_total.fetch_add(1, std::memory_order_release);
  counts_.enforced[size_t(cause)].fetch_add(1, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  return true;
}

bool Outlier::evaluate(const OutlierPolicy& policy, std::span<const HostTotals> totals, Instant now,
                       Random& random) {
  MESH_CHECK(totals.size() == hosts_.size());
  std::vector<Rate> external, local;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    HostHealth& host = *hosts_[i];
    const HostTotals& is = totals[i];
    const HostTotals was = std::exchange(host.seen, is);
    host.success_rate = host.local_success_rate = -1;
    if (host.ejected()) continue;
    const auto add = [&](std::vector<Rate>& to, uint64_t good, uint64_t all) {
      const uint64_t least =
          std::min(policy.success_rate_request_volume, policy.failure_percentage_request_volume);
      if (all != 0 && all >= least) to.push_back({i, 100.0 * double(good) / double(all), all});
    };
    const uint64_t answers = is.answers - was.answers;
    const uint64_t none = is.no_answers - was.no_answers;
    const uint64_t connected = is.connected - was.connected;
    const bool split = policy.split_external_local_origin_errors;
    add(external, is.good_answers - was.good_answers, split ? answers : answers + none);
    if (split) add(local, connected, connected + none);
  }
  for (const Rate& rate : external)
    if (rate.requests >= policy.success_rate_request_volume)
      hosts_[rate.host]->success_rate = rate.percent;
  for (const Rate& rate : local)
    if (rate.requests >= policy.success_rate_request_volume)
      hosts_[rate.host]->local_success_rate = rate.percent;
  bool ejected = compare_rates(policy, external, Origin::External, now, random);
  ejected |= compare_rates(policy, local, Origin::Local, now, random);
  return ejected;
}

bool Outlier::compare_rates(const OutlierPolicy& policy, const std::vector<Rate>& rates,
                            Origin origin, Instant now, Random& random) {
  const bool local = origin == Origin::Local;
  bool ejected = false;
  size_t hosts = 0;
  double sum = 0;
  double squares = 0;
  for (const Rate& rate : rates) {
    if (rate.requests < policy.success_rate_request_volume) continue;
    ++hosts;
    sum += rate.percent;
  }
  if (hosts != 0 && hosts >= policy.success_rate_minimum_hosts) {
    const double mean = sum / double(hosts);
    for (const Rate& rate : rates)
      if (rate.requests >= policy.success_rate_request_volume)
        squares += (rate.percent - mean) * (rate.percent - mean);
    const double deviation = std::sqrt(squares / double(hosts));
    const double least = mean - deviation * policy.success_rate_stdev_factor / 1000;
    for (const Rate& rate : rates)
      if (rate.requests >= policy.success_rate_request_volume && rate.percent < least)
        ejected |= detect(
            policy, *hosts_[rate.host],
            local ? EjectionCause::SuccessRateLocalOrigin : EjectionCause::SuccessRate,
            local ? policy.enforcing_local_origin_success_rate : policy.enforcing_success_rate, now,
            random);
  }
  const auto counts = [&](const Rate& rate) {
    return rate.requests >= policy.failure_percentage_request_volume;
  };
  const auto enough = size_t(std::count_if(rates.begin(), rates.end(), counts));
  if (enough == 0 || enough < policy.failure_percentage_minimum_hosts) return ejected;
  for (const Rate& rate : rates)
    if (counts(rate) && 100.0 - rate.percent >= policy.failure_percentage_threshold)
      ejected |= detect(
          policy, *hosts_[rate.host],
          local ? EjectionCause::FailurePercentageLocalOrigin : EjectionCause::FailurePercentage,
          local ? policy.enforcing_failure_percentage_local_origin
                : policy.enforcing_failure_percentage,
          now, random);
  return ejected;
}

void Outlier::put_back(HostHealth& host, Instant now) {
  // Old failures must not count towards the next ejection.
  host.consecutive_5xx.store(0, std::memory_order_relaxed);
  host.consecutive_gateway.store(0, std::memory_order_relaxed);
  host.consecutive_local.store(0, std::memory_order_relaxed);
  host.returned_ns.store(std::max<int64_t>(ns(now), 1), std::memory_order_relaxed);
  host.ejected_until_ns.store(0, std::memory_order_release);
  give_back(ejected_);
}

bool Outlier::uneject(HostHealth& host, Instant now) {
  if (!host.ejected()) return false;
  // The next sweep tells of it, and of the ejection where it has not yet.
  host.ejected_until_ns.store(std::max<int64_t>(ns(now), 1), std::memory_order_release);
  return true;
}

bool Outlier::sweep(Instant now, bool interval_passed, std::vector<OutlierEvent>* events) {
  bool returned = false;
  const auto tell = [&](size_t i, bool ejected) {
    if (events == nullptr) return;
    const HostHealth& host = *hosts_[i];
    events->push_back({i, ejected, host.cause.load(std::memory_order_relaxed),
                       host.ejections.load(std::memory_order_relaxed)});
  };
  for (size_t i = 0; i < hosts_.size(); ++i) {
    HostHealth& host = *hosts_[i];
    const uint64_t total = host.ejections_total.load(std::memory_order_acquire);
    if (std::exchange(host.told, total) != total) tell(i, true);
    const int64_t until = host.ejected_until_ns.load(std::memory_order_acquire);
    if (until == 0) {
      const uint32_t n = host.ejections.load(std::memory_order_relaxed);
      if (interval_passed && n > 0) host.ejections.store(n - 1, std::memory_order_relaxed);
    } else if (until <= ns(now)) {
      put_back(host, now);
      tell(i, false);
      returned = true;
    }
  }
  // A host that was ejected just when it left would be counted for good.
  if (interval_passed) recount();
  if (returned) epoch_.fetch_add(1, std::memory_order_release);
  return returned;
}

Instant Outlier::next_return() const {
  Instant next = Instant::max();
  for (const HostHealth* host : hosts_) {
    const int64_t until = host->ejected_until_ns.load(std::memory_order_acquire);
    if (until != 0) next = std::min(next, Instant(std::chrono::nanoseconds(until)));
  }
  return next;
}

}  // namespace mesh::resilience
