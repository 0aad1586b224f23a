#include "client/discovery_client.h"

#include "mesh/discoveryd.pb.h"

namespace mesh::client {
namespace {

constexpr Duration kAnswerWithin = std::chrono::milliseconds(500);

}  // namespace

void DiscoveryClient::leave(const std::string& ns, const std::string& workload, Duration wait,
                            std::function<void(Result<Left>)> done) {
  discoveryd::v1::LeaveRequest request;
  request.set_namespace_(ns);
  request.set_workload(workload);
  request.set_wait_ms(
      uint32_t(std::chrono::duration_cast<std::chrono::milliseconds>(wait).count()));
  call<discoveryd::v1::LeaveReply>(
      request, wait + kAnswerWithin,
      [done = std::move(done)](Result<discoveryd::v1::LeaveReply> reply) {
        if (!reply) return done(std::move(reply).error());
        done(Left{.told = reply->told(), .pending = reply->pending()});
      });
}

void DiscoveryClient::report(const Health& health) {
  using Message = discoveryd::v1::HealthReport;
  Message message;
  message.set_node(node_);
  switch (health.own) {
    case Health::Own::Unknown: message.set_own(Message::UNKNOWN); break;
    case Health::Own::Healthy: message.set_own(Message::HEALTHY); break;
    case Health::Own::Unhealthy: message.set_own(Message::UNHEALTHY); break;
  }
  message.set_own_reason(health.own_reason);
  for (const auto& [address, healthy] : health.endpoints) {
    auto& endpoint = *message.add_endpoints();
    endpoint.set_address(address);
    endpoint.set_healthy(healthy);
  }
  client().report(message);
}

}  // namespace mesh::client
