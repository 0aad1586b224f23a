// Proxy: a forwarder inside the test, on a bootstrap in Envoy's YAML.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "event/loop.h"
#include "forward/forwarder.h"
#include "support/temp_dir.h"

namespace mesh::scenario {

// How many workers scenarios run with: each runs with all of them.
inline constexpr uint32_t kWorkers[] = {1, 2};
// One of them after the other: the test case runs once with each.
uint32_t workers();

class Proxy {
 public:
  using Config = std::shared_ptr<const xds::Config>;
  struct Identity {
    identity::Svid svid;
    identity::TrustBundle bundle;
  };

  // Throws where the bootstrap is refused.
  Proxy(const std::string& bootstrap, uint32_t workers, forward::Forwarder::WarmUp warm_up = {});
  // On resources that are decoded already, as one of a mesh.
  Proxy(const Config& config, const std::optional<Identity>& identity, uint32_t workers);
  ~Proxy();

  uint16_t port(const std::string& listener = "front");
  // The error's text, or empty.
  std::string apply(const std::string& bootstrap);
  std::string apply(const Config& config);
  std::string identify(const Identity& identity);
  // Runs on the proxy's main thread, and waits for it.
  void run(const std::function<void(forward::Forwarder&)>& what);
  bool drain(Duration longest);  // true once drained
  size_t connections();
  uint64_t in_force() const { return in_force_; }

 private:
  explicit Proxy(uint32_t workers, forward::Forwarder::WarmUp warm_up = {});
  void begin(const Config& config, std::string error);
  Config numbered(const Config& config);

  support::TempDir folder_;
  event::Loop loop_;
  std::unique_ptr<forward::Forwarder> forwarder_;
  std::atomic<uint64_t> applied_{0};
  std::atomic<uint64_t> in_force_{0};
  std::atomic<uint64_t> generation_{0};  // in force
  std::atomic<bool> drained_{false};
  std::thread thread_;
};

// One listener "front" that routes all to cluster "svc"; parts can be replaced.
struct Front {
  std::string route{};      // of the route action and beside it; JSON-like YAML
  std::string endpoints{};  // "PORT PORT ..."
  std::string cluster{};    // more fields of the cluster
  std::string filters{};    // HTTP filters before the router
  std::string hcm{};        // more fields of the connection manager
  std::string groups{};     // instead of `endpoints`: the load_assignment's fields
  std::string yaml() const;
};
std::string ports(std::initializer_list<uint16_t> list);

}  // namespace mesh::scenario
