#include "cmd/forwarder/health_reporter.h"

namespace mesh::forwarder {

using Health = client::DiscoveryClient::Health;

HealthReporter::HealthReporter(event::Loop& loop, client::DiscoveryClient& discoveryd,
                               const forward::Forwarder& forwarder)
    : loop_(loop),
      discoveryd_(discoveryd),
      forwarder_(forwarder),
      timer_(loop, [this] { look(); }) {}

void HealthReporter::look() {
  timer_.arm(kLook);
  Health health = now();
  // Who checks nothing has nothing to repeat.
  const bool repeats = !(health == Health()) && loop_.now() - told_at_ >= kRepeat;
  if (health == told_ && !repeats) return;
  discoveryd_.report(health);
  told_ = std::move(health);
  told_at_ = loop_.now();
}

Health HealthReporter::now() const {
  Health health;
  forwarder_.checks().each([&](const upstream::HealthChecker::Finding& found) {
    if (found.cluster.starts_with("inbound|")) {
      if (!found.healthy) {
        health.own = Health::Own::Unhealthy;
        health.own_reason = found.why.empty() ? "its probe fails" : found.why;
      } else if (health.own == Health::Own::Unknown) {
        health.own = Health::Own::Healthy;
      }
      return;
    }
    // A host of several clusters is as well as in the worst.
    const auto known = health.endpoints.find(std::string(found.host));
    if (known != health.endpoints.end())
      known->second &= found.healthy;
    else if (health.endpoints.size() < kEndpointsMax)
      health.endpoints.emplace(found.host, found.healthy);
  });
  return health;
}

}  // namespace mesh::forwarder
