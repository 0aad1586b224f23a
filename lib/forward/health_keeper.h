// HealthKeeper: what the main thread does about hosts, beside requests: evaluates
// outlier detection and returns hosts from their ejection, runs the active health
// checks, and tells of both in the log.
//
// All state that outlives a configuration is in upstream::SharedEndpoint. Main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "event/loop.h"
#include "event/timer.h"
#include "forward/snapshot.h"
#include "upstream/event_log.h"
#include "upstream/health_checker.h"

namespace mesh::forward {

class HealthKeeper final : private upstream::HealthChecker::Owner {
 public:
  // `loop` outlives us. `checked`: a host was checked for the first time; outside of any
  // call of ours.
  HealthKeeper(event::Loop& loop, std::function<void()> checked);
  ~HealthKeeper();

  // The configuration from now on, and what is coming of it. Before workers hear of it.
  // `event_log`: a file for ejections and returns, or empty.
  void use(const Snapshot& snapshot, const std::string& event_log);
  // Only checks the hosts of a configuration that is not used yet, until the next use().
  void warm(const Snapshot& next) { checker_.use(&next.clusters); }
  // A worker ejected a host, or an answer failed one at once: that is to be told, and its return to
  // be waited for.
  void on_ejection();
  const upstream::HealthChecker& checker() const { return checker_; }

 private:
  struct Kept {
    Instant interval_began;
    std::shared_ptr<const upstream::ClusterSpec> spec;
  };

  void on_unejected() override { sweep(); }
  void on_first_check() override { checked_timer_.arm(Duration::zero()); }
  void sweep();
  void sweep(const upstream::ClusterSpec& cluster, bool interval_passed);
  void tell(const upstream::ClusterSpec& cluster, const resilience::OutlierEvent& event);
  void arm();

  event::Loop& loop_;
  Random random_;
  event::Timer timer_;
  upstream::EventLog log_;
  std::string event_log_;
  event::Timer checked_timer_;
  upstream::HealthChecker checker_;
  std::map<std::string, Kept, std::less<>> outliers_;  // clusters that have a policy
};

}  // namespace mesh::forward
