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

  // The configuration from now on. Before workers hear of it. `event_log`: a file for
  // ejections and returns, or empty.
  void use(const Snapshot& snapshot, const std::string& event_log);
  // Checks the hosts of a configuration that is not used yet too, until the next use().
  // `now` may be null: none is in use.
  void warm(const Snapshot& next, const Snapshot* now);
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

// The clusters of `next` that are cold: new, or configured otherwise than in `now` (null:
// all are), with a host that no health check has looked at yet. Envoy warms a cluster so
// before it takes it in use; hosts that come to one in use are not waited for.
std::vector<std::string> cold_clusters(const Snapshot& next, const Snapshot* now);

}  // namespace mesh::forward
