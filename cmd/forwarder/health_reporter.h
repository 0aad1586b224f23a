// HealthReporter: tells discoveryd what this forwarder's active checks find: of its own
// workload, which the clusters "inbound|..." are, and of the hosts it calls. After a
// change within a second, else every ten, since a report may be lost. Main thread.
#pragma once

#include "client/discovery_client.h"
#include "event/loop.h"
#include "event/timer.h"
#include "forward/forwarder.h"

namespace mesh::forwarder {

class HealthReporter {
 public:
  static constexpr Duration kLook = std::chrono::seconds(1);
  static constexpr Duration kRepeat = std::chrono::seconds(10);
  static constexpr size_t kEndpointsMax = 10'000;  // more than these go untold

  // All outlive us.
  HealthReporter(event::Loop& loop, client::DiscoveryClient& discoveryd,
                 const forward::Forwarder& forwarder);
  void start() { timer_.arm(kLook); }

 private:
  void look();
  client::DiscoveryClient::Health now() const;

  event::Loop& loop_;
  client::DiscoveryClient& discoveryd_;
  const forward::Forwarder& forwarder_;
  event::Timer timer_;
  client::DiscoveryClient::Health told_;
  Instant told_at_{};
};

}  // namespace mesh::forwarder
