// HealthKeeper: what the main thread does about hosts, beside requests: evaluates
// outlier detection and returns hosts from their ejection, runs the active health
// checks, and tells of both in the log.
//
// All state that outlives a configuration is in upstream::SharedEndpoint. Main thread.
#pragma once

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
  // `loop` outlives us.
  explicit HealthKeeper(event::Loop& loop);
  ~HealthKeeper();

  // The configuration from now on. Before workers hear of it. `event_log`: a file for
  // ejections and returns, or empty.
  void use(const Snapshot& snapshot, const std::string& event_log);
  // A worker ejected a host, or an answer failed one at once: that is to be told, and its return to
  // be waited for.
  void on_ejection();

 private:
  struct Kept {
    Instant interval_began;
    std::shared_ptr<const upstream::ClusterSpec> spec;
  };

  void on_unejected() override { sweep(); }
  void sweep();
  void sweep(const upstream::ClusterSpec& cluster, bool interval_passed);
  void tell(const upstream::ClusterSpec& cluster, const resilience::OutlierEvent& event);
  void arm();

  event::Loop& loop_;
  Random random_;
  event::Timer timer_;
  upstream::EventLog log_;
  std::string event_log_;
  upstream::HealthChecker checker_;
  std::map<std::string, Kept, std::less<>> outliers_;  // clusters that have a policy
};

}  // namespace mesh::forward
