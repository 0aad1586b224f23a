// OverloadManager: watches the process's memory, connections and descriptors, and
// tells the workers what to shed.
//
// Sampled on the main thread; what a worker pays is one relaxed load an accepted
// connection and one a request. Main thread, but for State.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "event/loop.h"
#include "event/timer.h"
#include "resilience/overload.h"
#include "telemetry/registry.h"

namespace mesh::forward {

// What workers look at. Any thread.
struct alignas(64) OverloadState {
  std::atomic<uint32_t> active{0};           // bits of resilience::OverloadAction
  std::atomic<uint64_t> connections_max{0};  // 0: none

  bool is(resilience::OverloadAction action) const {
    return (active.load(std::memory_order_relaxed) & uint32_t(action)) != 0;
  }
};

class OverloadManager {
 public:
  // `connections` tells how many there are from downstream. `loop` outlives us.
  OverloadManager(event::Loop& loop, std::function<size_t()> connections);

  // Takes effect with the next sample, which is taken at once. A descriptors_max of
  // UINT64_MAX is the process's own limit.
  void set(resilience::OverloadPolicy policy);
  const OverloadState& state() const { return state_; }
  // mesh_overload_*.
  void add_numbers(telemetry::Snapshot& into) const;

 private:
  void sample();

  event::Loop& loop_;
  const std::function<size_t()> connections_;
  resilience::OverloadPolicy policy_;
  resilience::Overload overload_;
  resilience::Overload::Pressures pressures_{};
  OverloadState state_;
  event::Timer timer_;
};

// Of this process. 0 where the kernel does not tell.
uint64_t open_descriptors();
// The smaller of RAM and the limit of our cgroup.
uint64_t memory_limit();
uint64_t descriptor_limit();

}  // namespace mesh::forward
