// Admission: how many connections a filter chain takes, at once and in time: Envoy's network
// filters connection_limit and local_ratelimit. They hold over all workers.
//
// What is counted outlives configurations, found by the listener, the chain and the filter's
// stat_prefix. Any thread, but for the registry.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "forward/proxy_counts.h"
#include "resilience/token_bucket.h"
#include "telemetry/registry.h"
#include "xds/values.h"

namespace mesh::forward {

struct ConnectionLimitState {
  alignas(64) std::atomic<uint64_t> active{0};
  std::atomic<uint64_t> limited{0};
};

struct ConnectionRateState {
  alignas(64) resilience::TokenBucket bucket;
  std::atomic<uint64_t> limited{0};
};

// A connection that was taken; its place is free when this goes.
class ConnectionPlace {
 public:
  ConnectionPlace() = default;
  explicit ConnectionPlace(std::shared_ptr<ConnectionLimitState> state)
      : state_(std::move(state)) {}
  ~ConnectionPlace() { leave(); }
  ConnectionPlace(ConnectionPlace&& other) noexcept = default;
  ConnectionPlace& operator=(ConnectionPlace&& other) noexcept {
    leave();
    state_ = std::move(other.state_);
    return *this;
  }
  void leave() {
    if (auto state = std::exchange(state_, nullptr)) state->active.fetch_sub(1);
  }

 private:
  std::shared_ptr<ConnectionLimitState> state_;
};

class Admission {
 public:
  enum class Verdict : uint8_t { Taken, OverLimit, OverRate };

  // In the order that the chain has its filters in.
  Verdict admit(Instant now, ConnectionPlace& place) const;
  // How long one over the limit is kept before it is closed.
  Duration delay() const { return delay_; }

 private:
  friend class Admissions;
  bool within_limit(ConnectionPlace& place) const;
  bool within_rate(Instant now) const;

  std::shared_ptr<ConnectionLimitState> limit_;  // null: none
  std::shared_ptr<ConnectionRateState> rate_;
  uint64_t most_ = 0;
  Duration delay_{0};
  resilience::TokenRate tokens_;
  bool rate_first_ = false;
};

// All there are. Its numbers by any thread, the rest by the main one.
class Admissions {
 public:
  // Null where the chain has no limits. `where` names the chain: listener and chain.
  std::shared_ptr<const Admission> of(const xds::FilterChain& chain, const std::string& where);

  // Of all listeners. Made when the first asks for it.
  std::shared_ptr<ProxyCounts> proxy_counts();

  // Envoy's names: envoy_connection_limit_*, envoy_local_rate_limit_rate_limited and
  // envoy_proxy_proto_*, by stat_prefix.
  void add_numbers(telemetry::Snapshot& into) const;

 private:
  template <class State>
  struct Known {
    std::string prefix;
    std::weak_ptr<State> state;
  };

  mutable std::mutex mutex_;
  std::map<std::string, Known<ConnectionLimitState>> limits_;
  std::map<std::string, Known<ConnectionRateState>> rates_;
  std::shared_ptr<ProxyCounts> proxy_counts_;
};

}  // namespace mesh::forward
