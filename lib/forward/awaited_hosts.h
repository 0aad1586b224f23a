// AwaitedHosts: one worker's requests that wait for a host to become known, and the
// hosts that nobody has, as far as it heard. The worker's thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "forward/demand.h"

namespace mesh::forward {

// Who waits.
class HostWaiter {
 public:
  // Once, unless it was cancelled. May cancel others, and wait anew.
  virtual void on_host(HostAnswer answer) = 0;

 protected:
  ~HostWaiter() = default;
};

class AwaitedHosts {
 public:
  // How long the word that nobody has a host stands, and of how many hosts.
  static constexpr Duration kNobodyKept = std::chrono::minutes(1);
  static constexpr size_t kNobodyMax = 1000;

  // `demand` outlives us; null: nothing is ever waited for.
  explicit AwaitedHosts(Demand* demand) : demand_(demand) {}

  bool enabled() const { return demand_ != nullptr; }
  Duration wait_max() const { return demand_->wait(); }

  // Nothing: it waits from now on. Else the answer, at once: nobody has it, or too many wait.
  std::optional<HostAnswer> wait(HostWaiter& waiter, std::string host, Instant now);
  // It waits no longer, and is not called.
  void cancel(HostWaiter& waiter);
  void count(HostAnswer answer) { demand_->count(answer); }

  void on_answer(const std::string& host, HostAnswer answer, Instant now);
  // There are other hosts now: what nobody had is forgotten.
  void forget() { nobody_.clear(); }

  // As Demand::note_used(), which hears of each once a period.
  void note_used(const std::string& virtual_host);

  size_t waiting() const { return waiting_.size(); }
  size_t known_nobody() const { return nobody_.size(); }

 private:
  struct Waiting {
    HostWaiter* waiter;
    std::string host;
  };

  Demand* const demand_;
  std::vector<Waiting> waiting_;
  std::unordered_map<std::string, Instant> nobody_;  // until when
  std::unordered_set<std::string> used_;             // in the period
  uint64_t period_ = 0;
};

}  // namespace mesh::forward
