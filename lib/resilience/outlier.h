// Outlier: a host that fails more than others is left alone for a while.
//
// Semantics: Envoy, "Outlier detection". A row of failures ejects at once, on
// whichever worker the last one was seen: consecutive 5xx, gateway failures (502,
// 503, 504 and no answer), and, where they are counted apart, failures of local
// origin. Over each interval success rates are compared: with the mean of all
// hosts less some deviations, and with a threshold. The n-th ejection lasts base *
// n, at most max, and jitter; every interval in which a host is not ejected takes
// one off its n; at most max_ejection_percent of the hosts are ejected at once.
// Counts are over all workers: five failures are five, however many workers saw
// them.
//
// on_answer(), on_no_answer() and on_connected() may be called by any worker, without
// a lock; the rest belongs to one thread (main).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "resilience/outlier_policy.h"

namespace mesh::resilience {

enum class EjectionCause : uint8_t {
  Consecutive5xx,
  ConsecutiveGatewayFailure,
  ConsecutiveLocalOriginFailure,
  SuccessRate,
  SuccessRateLocalOrigin,
  FailurePercentage,
  FailurePercentageLocalOrigin,
};
inline constexpr size_t kEjectionCauses = 7;
// As Envoy's event log has it: "CONSECUTIVE_5XX", ...
std::string_view to_string(EjectionCause cause);

// What happened with one host since it is known; sums over workers.
struct HostTotals {
  uint64_t answers = 0;
  uint64_t good_answers = 0;  // not 5xx
  uint64_t no_answers = 0;    // no connection, reset, timeout
  uint64_t connected = 0;     // requests that got a connection
};

// What an ejected or failing host is remembered by. Owned by whoever keeps
// endpoint state (by cluster and address, across configuration changes); must
// outlive the attempts that report on it.
struct alignas(64) HostHealth {
  std::atomic<uint32_t> consecutive_5xx{0};
  std::atomic<uint32_t> consecutive_gateway{0};
  std::atomic<uint32_t> consecutive_local{0};
  std::atomic<uint32_t> ejections{0};        // n: how much the next ejection grows
  std::atomic<int64_t> ejected_until_ns{0};  // steady clock; 0: not ejected
  std::atomic<uint64_t> ejections_total{0};
  std::atomic<EjectionCause> cause{};  // of the last ejection
  // Steady clock: when the host came back, from an ejection or a failed health check
  // after which it had been well; 0: never away. For weight_factor().
  std::atomic<int64_t> returned_ns{0};

  // Main thread only.
  HostTotals seen;           // at the last evaluation
  uint64_t told = 0;         // ejections reported as events
  double success_rate = -1;  // of the last interval, percent; -1: too few requests
  double local_success_rate = -1;

  bool ejected() const { return ejected_until_ns.load(std::memory_order_acquire) != 0; }
  Instant returned() const {
    return Instant(std::chrono::nanoseconds(returned_ns.load(std::memory_order_relaxed)));
  }
};

// What a sweep found, for log lines: each ejection and each return once.
struct OutlierEvent {
  size_t host = 0;  // in set_hosts()
  bool ejected = false;
  EjectionCause cause{};
  uint32_t ejections = 0;  // n
};

class Outlier {
 public:
  // By cause: seen, and ejected for.
  struct Counts {
    std::array<std::atomic<uint64_t>, kEjectionCauses> detected{};
    std::array<std::atomic<uint64_t>, kEjectionCauses> enforced{};
    std::atomic<uint64_t> overflow{0};  // not ejected: max_ejection_percent
  };

  // The hosts as they are now. Main thread. A host that is still reported on
  // after it left only keeps its own counts.
  void set_hosts(std::vector<HostHealth*> hosts);

  // A request was answered with `status`, got no answer, or got a connection. True
  // when this ejected the host. Any worker; `policy` is its snapshot's, `random` its own.
  bool on_answer(const OutlierPolicy& policy, HostHealth& host, uint16_t status, Instant now,
                 Random& random);
  bool on_no_answer(const OutlierPolicy& policy, HostHealth& host, Instant now, Random& random);
  static void on_connected(const OutlierPolicy& policy, HostHealth& host);

  // Looks at the interval that ends now: `totals` of each host, in the order of
  // set_hosts(). Call it every policy.interval. True when a host was ejected.
  bool evaluate(const OutlierPolicy& policy, std::span<const HostTotals> totals, Instant now,
                Random& random);

  // Returns hosts whose time is over; with `interval_passed` lets the growth of
  // those that behaved decay. Every policy.interval, and at next_return() for a
  // return on time. Appends what happened since the last sweep to `events`. True
  // when a host returned.
  bool sweep(Instant now, bool interval_passed, std::vector<OutlierEvent>* events = nullptr);

  // Back before its time (a health check that succeeded). False: it was not ejected.
  bool uneject(HostHealth& host, Instant now);

  // When the first ejected host's time is over; Instant::max() for none.
  Instant next_return() const;

  // Goes up whenever a host is ejected or returns: a worker that remembers the
  // value knows when to tell its picker (Picker::set_available). Any thread.
  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  uint32_t ejected() const { return ejected_.load(std::memory_order_relaxed); }
  const Counts& counts() const { return counts_; }  // any thread

 private:
  enum class Origin : uint8_t { External, Local };
  struct Rate {
    size_t host;
    double percent;  // successes of requests
    uint64_t requests;
  };

  bool detect(const OutlierPolicy& policy, HostHealth& host, EjectionCause cause,
              uint32_t enforcing, Instant now, Random& random);
  bool try_eject(const OutlierPolicy& policy, HostHealth& host, EjectionCause cause, Instant now,
                 Random& random);
  bool compare_rates(const OutlierPolicy& policy, const std::vector<Rate>& rates, Origin origin,
                     Instant now, Random& random);
  void put_back(HostHealth& host, Instant now);
  void recount();

  std::vector<HostHealth*> hosts_;
  Counts counts_;
  alignas(64) std::atomic<uint64_t> epoch_{0};
  std::atomic<uint32_t> ejected_{0};
  std::atomic<uint32_t> host_count_{0};
};

}  // namespace mesh::resilience
