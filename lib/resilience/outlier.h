// Outlier: a host that fails in a row is left alone for a while.
//
// Counts are over all workers: five failures are five, however many workers saw
// them. Semantics: Envoy, "Outlier detection": consecutive 5xx (an attempt that
// got no answer counts as one) and consecutive gateway failures (502, 503, 504
// and no answer); the n-th ejection lasts base * n, at most max; every interval
// in which a host is not ejected takes one off its n; at most max_ejection_percent
// of the hosts are ejected at once, this one included.
//
// on_result() any worker, without a lock; the rest belongs to one thread (main).
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace mesh::resilience {

struct OutlierPolicy {
  uint32_t consecutive_5xx = 5;              // 0: off
  uint32_t consecutive_gateway_failure = 0;  // 0: off
  Duration interval = std::chrono::seconds(10);
  Duration base_ejection_time = std::chrono::seconds(30);
  Duration max_ejection_time = std::chrono::seconds(300);
  uint32_t max_ejection_percent = 10;
};

// What an ejected or failing host is remembered by. Owned by whoever keeps
// endpoint state (by cluster and address, across configuration changes); must
// outlive the attempts that report on it.
struct alignas(64) HostHealth {
  std::atomic<uint32_t> consecutive_5xx{0};
  std::atomic<uint32_t> consecutive_gateway{0};
  std::atomic<uint32_t> ejections{0};        // n: how much the next ejection grows
  std::atomic<int64_t> ejected_until_ns{0};  // steady clock; 0: not ejected
  std::atomic<uint64_t> ejections_total{0};

  bool ejected() const { return ejected_until_ns.load(std::memory_order_acquire) != 0; }
};

class Outlier {
 public:
  // The hosts as they are now. Main thread. A host that is still reported on
  // after it left only keeps its own counts.
  void set_hosts(std::vector<HostHealth*> hosts);

  // An attempt ended: `status` of the answer, or 0 when there was none. True
  // when this one ejected the host. Any worker; `policy` is its snapshot's.
  bool on_result(const OutlierPolicy& policy, HostHealth& host, uint16_t status, Instant now);

  // Returns hosts whose time is over; with `interval_passed` lets the growth of
  // those that behaved decay. Main thread, every policy.interval, and at
  // next_return() for a return on time. True when a host returned.
  bool sweep(Instant now, bool interval_passed);

  // When the first ejected host's time is over; Instant::max() for none. Main thread.
  Instant next_return() const;

  // Goes up whenever a host is ejected or returns: a worker that remembers the
  // value knows when to tell its picker (Picker::set_available). Any thread.
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  uint32_t ejected() const { return ejected_.load(std::memory_order_relaxed); }

 private:
  bool try_eject(const OutlierPolicy& policy, HostHealth& host, Instant now);
  void uneject(HostHealth& host);
  void recount();

  std::vector<HostHealth*> hosts_;
  alignas(64) std::atomic<uint64_t> epoch_{0};
  std::atomic<uint32_t> ejected_{0};
  std::atomic<uint32_t> host_count_{0};
};

}  // namespace mesh::resilience
