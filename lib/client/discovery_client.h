// DiscoveryClient: what a forwarder tells discoveryd beside its watches.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "client/stub.h"

namespace mesh::client {

class DiscoveryClient : private Stub {
 public:
  // `node`: NAME@HOST, as the watches call themselves.
  DiscoveryClient(bus::Client& client, std::string node) : Stub(client), node_(std::move(node)) {}

  // The instance ends: answered once no forwarder that watches has it as an endpoint any
  // more, or after `wait` with those that have not confirmed. Errors: Errc::Timeout where
  // discoveryd is away for half a second longer than that, and what it refuses.
  struct Left {
    uint32_t told = 0;
    uint32_t pending = 0;
  };
  void leave(const std::string& ns, const std::string& workload, Duration wait,
             std::function<void(Result<Left>)> done);

  // What active checks find, whole: of the own workload, and of others by the address
  // that is dialed. May be lost; the next one says it again.
  struct Health {
    enum class Own : uint8_t { Unknown, Healthy, Unhealthy } own = Own::Unknown;
    std::string own_reason;
    std::map<std::string, bool> endpoints;  // ADDRESS:PORT or a path: healthy
    bool operator==(const Health&) const = default;
  };
  void report(const Health& health);

  bool up() { return client().up(); }

 private:
  const std::string node_;
};

}  // namespace mesh::client
