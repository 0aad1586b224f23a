// Stats: what clusters and hosts count, by worker.
//
// Each worker writes a block of its own, so that counting shares nothing; the
// main thread sums the blocks when somebody asks. A block lives as long as the
// shared state of its cluster or host, across changes of configuration. Names and
// meaning are Envoy's (docs, "Cluster manager / Statistics" and /clusters).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "telemetry/histogram.h"

namespace mesh::upstream {

// One T for each worker that ever asked.
template <class T>
class PerWorker {
 public:
  // The worker's own; made at first. Any thread; keep the reference.
  T& of(uint32_t worker) {
    const std::lock_guard lock(mutex_);
    if (all_.size() <= worker) all_.resize(worker + 1);
    if (!all_[worker]) all_[worker] = std::make_unique<T>();
    return *all_[worker];
  }
  template <class Function>
  void each(Function function) const {
    const std::lock_guard lock(mutex_);
    for (const auto& one : all_)
      if (one) function(*one);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<T>> all_;
};

enum class HostCount : uint8_t {
  CxActive,  // a gauge, as RqActive
  CxConnectFail,
  CxTotal,
  RqActive,
  RqError,  // 5xx, or no answer
  RqSuccess,
  RqTimeout,
  RqTotal,
  Answers5xx,  // for outlier detection, as the next two: answers of 5xx
  NoAnswers,   // no connection, reset, timeout
  Connected,   // requests that got a connection
};
inline constexpr size_t kHostCounts = 11;

enum class ClusterCount : uint8_t {
  CxTotal,
  CxActive,  // a gauge
  CxHttp1Total,
  CxHttp2Total,
  CxConnectFail,
  CxConnectTimeout,
  CxConnectAttemptsExceeded,
  CxIdleTimeout,
  CxOverflow,
  CxDestroy,
  CxDestroyWithActiveRq,
  CxMaxRequests,
  CxMaxDurationReached,
  CxNoneHealthy,
  CxProtocolError,
  RqTotal,
  RqActive,  // a gauge
  RqCompleted,
  Rq1xx,
  Rq2xx,
  Rq3xx,
  Rq4xx,
  Rq5xx,
  RqPendingTotal,
  RqPendingActive,  // a gauge
  RqPendingOverflow,
  RqPendingFailureEject,
  RqCancelled,
  RqTimeout,
  RqPerTryTimeout,
  RqPerTryIdleTimeout,
  RqMaxDurationReached,
  RqRxReset,
  RqTxReset,
  RqRetry,
  RqRetrySuccess,
  RqRetryOverflow,
  RqRetryLimitExceeded,
  RqRetryBackoffExponential,
  RqRetryBackoffRatelimited,
  RetryOrShadowAbandoned,
};
inline constexpr size_t kClusterCounts = size_t(ClusterCount::RetryOrShadowAbandoned) + 1;
// "upstream_cx_total", ...
std::string_view name(ClusterCount count);
bool is_gauge(ClusterCount count);

// A worker's counts; only it writes them, any thread reads.
template <class What, size_t N>
class alignas(64) Counts {
 public:
  void add(What what, uint64_t n = 1) { all_[size_t(what)].add(n); }
  void subtract(What what) {
    telemetry::Counter& c = all_[size_t(what)];
    c.set(c.value() - 1);
  }
  uint64_t value(What what) const { return all_[size_t(what)].value(); }

 private:
  std::array<telemetry::Counter, N> all_;
};
using HostCounts = Counts<HostCount, kHostCounts>;
using ClusterCounts = Counts<ClusterCount, kClusterCounts>;

class HostStats : public PerWorker<HostCounts> {
 public:
  uint64_t sum(HostCount what) const {
    uint64_t all = 0;
    each([&](const HostCounts& one) { all += one.value(what); });
    return all;
  }
};

class ClusterStats : public PerWorker<ClusterCounts> {
 public:
  uint64_t sum(ClusterCount what) const {
    uint64_t all = 0;
    each([&](const ClusterCounts& one) { all += one.value(what); });
    return all;
  }
};

}  // namespace mesh::upstream
