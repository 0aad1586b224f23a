// Limits: the circuit breaker of a cluster: how much of each thing there may be.
//
// Shared by all workers, so that a limit of 10 is 10 however many workers there
// are (of connections for requests: see Endpoint::may_connect); each gauge has a cache
// line of its own. Semantics: Envoy, config.cluster.v3 CircuitBreakers.Thresholds;
// going over sets response flag UO. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "resilience/recent_requests.h"

namespace mesh::resilience {

// How many there are now.
class alignas(64) Gauge {
 public:
  // Takes one unless `most` are taken.
  bool try_acquire(uint64_t most) {
    uint64_t now = value_.load(std::memory_order_relaxed);
    do {
      if (now >= most) return false;
    } while (!value_.compare_exchange_weak(now, now + 1, std::memory_order_relaxed));
    return true;
  }
  void acquire() { value_.fetch_add(1, std::memory_order_relaxed); }
  void release() { value_.fetch_sub(1, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// One unit of a gauge, given back by the destructor.
class Permit {
 public:
  Permit() = default;
  // Empty when the gauge is full. The gauge outlives the permit.
  static Permit acquire(Gauge& gauge, uint64_t most) {
    return gauge.try_acquire(most) ? Permit(&gauge) : Permit();
  }
  // One whatever the maximum: where the rules want it so.
  static Permit beyond(Gauge& gauge) {
    gauge.acquire();
    return Permit(&gauge);
  }
  Permit(Permit&& other) noexcept : gauge_(std::exchange(other.gauge_, nullptr)) {}
  Permit& operator=(Permit&& other) noexcept {
    if (this != &other) {
      reset();
      gauge_ = std::exchange(other.gauge_, nullptr);
    }
    return *this;
  }
  ~Permit() { reset(); }

  explicit operator bool() const { return gauge_ != nullptr; }
  void reset() {
    if (auto* gauge = std::exchange(gauge_, nullptr)) gauge->release();
  }

 private:
  explicit Permit(Gauge* gauge) : gauge_(gauge) {}
  Gauge* gauge_ = nullptr;
};

// The live counts of one cluster; the maxima come with the configuration and
// may change under it. Kept by cluster name across configuration changes.
struct Usage {
  Gauge connections;
  Gauge pending;   // requests waiting for a connection
  Gauge requests;  // requests in flight, pending ones not among them
  Gauge retries;   // retries in flight or waiting out their back-off
  // Made before the first configuration that wants it is in force, and kept.
  std::unique_ptr<RecentRequests> recent;
};

}  // namespace mesh::resilience
