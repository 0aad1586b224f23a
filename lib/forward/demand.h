// Demand: hosts that requests name and the configuration does not have yet, between
// the workers, whose requests wait, and the main thread, which asks for them.
//
// Requests to hosts that are known never come here. Any thread, unless it says otherwise.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "event/loop.h"
#include "telemetry/registry.h"

namespace mesh::forward {

// What became of a host that was asked for.
enum class HostAnswer : uint8_t {
  Found,        // the configuration that has it is in use
  Nobody,       // the mesh does not have it
  Overflow,     // too many wait, or were asked for: it was not
  Unavailable,  // there is nobody to ask
  Timeout,      // nobody said in time
};
inline constexpr size_t kHostAnswers = 5;
std::string_view to_string(HostAnswer answer);

class Demand {
 public:
  static constexpr size_t kUsedMax = 10'000;

  struct Limits {
    Duration wait = std::chrono::seconds(1);  // of a request
    size_t waiting_max = 1000;                // requests, over all workers
  };
  // Main thread: somebody needs the host, in lower case, without a port. Each is answered by
  // Forwarder::answer_host(), or waited for in vain.
  using Ask = std::function<void(const std::string& host)>;

  // `main` outlives us.
  Demand(event::Loop& main, Limits limits, Ask ask)
      : main_(main), limits_(limits), ask_(std::make_shared<const Ask>(std::move(ask))) {}

  Duration wait() const { return limits_.wait; }

  // One request more waits; false: there are enough.
  bool enter();
  void leave() { waiting_.fetch_sub(1, std::memory_order_relaxed); }
  void ask(std::string host);
  // Of a request that needed an answer.
  void count(HostAnswer answer) {
    answers_[size_t(answer)].fetch_add(1, std::memory_order_relaxed);
  }

  // A request to this virtual host was answered without a cluster, which would have counted it.
  // Once a period is enough.
  void note_used(const std::string& virtual_host);
  uint64_t period() const { return period_.load(std::memory_order_relaxed); }
  // Those of the period that ends with this.
  std::set<std::string> take_used();

  // Of the hosts that were asked for and found, those that are kept.
  void set_hosts(size_t hosts) { hosts_.store(hosts, std::memory_order_relaxed); }
  void add_numbers(telemetry::Snapshot& into) const;

 private:
  event::Loop& main_;
  const Limits limits_;
  const std::shared_ptr<const Ask> ask_;  // tasks on the main loop look whether it is there
  std::atomic<size_t> waiting_{0};
  std::atomic<size_t> hosts_{0};
  std::atomic<uint64_t> waits_{0};
  std::array<std::atomic<uint64_t>, kHostAnswers> answers_{};
  std::atomic<uint64_t> period_{0};
  std::mutex used_mutex_;
  std::set<std::string> used_;  // at most kUsedMax
};

}  // namespace mesh::forward
