#include "resilience/outlier.h"

#include <algorithm>

namespace mesh::resilience {
namespace {

int64_t ns(Instant t) { return std::chrono::nanoseconds(t.time_since_epoch()).count(); }

Duration ejection_time(const OutlierPolicy& policy, uint32_t n) {
  const Duration most = std::max(policy.max_ejection_time, policy.base_ejection_time);
  if (policy.base_ejection_time <= Duration::zero()) return Duration(1);
  if (n > most / policy.base_ejection_time) return most;
  return policy.base_ejection_time * n;
}

bool gateway_failure(uint16_t status) { return status == 0 || (status >= 502 && status <= 504); }

// Counts one more in a row, or starts again. Says whether the row reached its
// limit with this one: once, whichever worker it was.
bool in_a_row(std::atomic<uint32_t>& count, bool failed, uint32_t limit) {
  if (!failed) {
    // Read first: the usual success writes nothing that other workers share.
    if (count.load(std::memory_order_relaxed) != 0) count.store(0, std::memory_order_relaxed);
    return false;
  }
  if (limit == 0) return false;
  return count.fetch_add(1, std::memory_order_relaxed) + 1 >= limit;
}

// Never below zero: a place counted away by set_hosts() is not given back twice.
void give_back(std::atomic<uint32_t>& places) {
  uint32_t now = places.load(std::memory_order_relaxed);
  while (now != 0 && !places.compare_exchange_weak(now, now - 1, std::memory_order_relaxed)) {
  }
}

}  // namespace

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

bool Outlier::on_result(const OutlierPolicy& policy, HostHealth& host, uint16_t status,
                        Instant now) {
  const bool failed = status == 0 || (status >= 500 && status <= 599);
  const bool by_5xx = in_a_row(host.consecutive_5xx, failed, policy.consecutive_5xx);
  const bool by_gateway = in_a_row(host.consecutive_gateway, failed && gateway_failure(status),
                                   policy.consecutive_gateway_failure);
  if (!by_5xx && !by_gateway) return false;
  if (by_5xx) host.consecutive_5xx.store(0, std::memory_order_relaxed);
  if (by_gateway) host.consecutive_gateway.store(0, std::memory_order_relaxed);
  return try_eject(policy, host, now);
}

bool Outlier::try_eject(const OutlierPolicy& policy, HostHealth& host, Instant now) {
  if (host.ejected()) return false;
  const uint32_t most = std::min(policy.max_ejection_percent, 100U);
  // The place among the ejected is taken first, so that two workers that eject
  // two hosts at once cannot pass the maximum together.
  uint32_t others = ejected_.load(std::memory_order_relaxed);
  do {
    const uint64_t hosts = host_count_.load(std::memory_order_relaxed);
    if ((uint64_t(others) + 1) * 100 > hosts * most) return false;
  } while (!ejected_.compare_exchange_weak(others, others + 1, std::memory_order_relaxed));

  const uint32_t n = host.ejections.load(std::memory_order_relaxed) + 1;
  int64_t not_ejected = 0;
  const int64_t until = std::max<int64_t>(ns(now + ejection_time(policy, n)), 1);
  if (!host.ejected_until_ns.compare_exchange_strong(not_ejected, until,
                                                     std::memory_order_acq_rel)) {
    give_back(ejected_);  // another worker was first
    return false;
  }
  // Growth past the longest time would only have to decay again.
  const bool longest = ejection_time(policy, n) >= policy.max_ejection_time;
  if (!longest || host.ejections.load(std::memory_order_relaxed) == 0)
    host.ejections.store(n, std::memory_order_relaxed);
  host.ejections_total.fetch_add(1, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  return true;
}

void Outlier::uneject(HostHealth& host) {
  // Old failures must not count towards the next ejection.
  host.consecutive_5xx.store(0, std::memory_order_relaxed);
  host.consecutive_gateway.store(0, std::memory_order_relaxed);
  host.ejected_until_ns.store(0, std::memory_order_release);
  give_back(ejected_);
}

bool Outlier::sweep(Instant now, bool interval_passed) {
  bool returned = false;
  for (HostHealth* host : hosts_) {
    const int64_t until = host->ejected_until_ns.load(std::memory_order_acquire);
    if (until == 0) {
      const uint32_t n = host->ejections.load(std::memory_order_relaxed);
      if (interval_passed && n > 0) host->ejections.store(n - 1, std::memory_order_relaxed);
    } else if (until <= ns(now)) {
      uneject(*host);
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
