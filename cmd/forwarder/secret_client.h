// SecretClient: the secrets of one server of the secret discovery service (SDS), as contexts
// name them with a server of their own: certd, or an agent such as SPIRE's. Main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cmd/forwarder/discovery_client.h"

namespace mesh::forwarder {

class SecretClient final : private DiscoveryClient::Owner {
 public:
  using Sources = std::map<std::string, xds::SecretSource, std::less<>>;  // by the server's name

  struct Hooks {
    // A secret came. An error refuses it.
    std::function<Result<void>(const xds::SecretSource&, std::string_view version,
                               std::string_view body)>
        set;
    std::function<void(const xds::SecretSource&)> lost;  // its server is away
    std::function<void()> changed;                       // something came
    std::function<std::shared_ptr<const tls::Context>(const xds::TlsContext&)> context;
  };

  // `cluster` is that of the server.
  SecretClient(event::Loop& loop, const xds::DynamicSource& server, std::string node,
               std::shared_ptr<const xds::Cluster> cluster, Hooks hooks);

  const xds::DynamicSource& server() const { return server_; }
  void want(Sources sources);
  void set_cluster(std::shared_ptr<const xds::Cluster> cluster) {
    client_.set_cluster(std::move(cluster));
  }
  void use_endpoints(const forward::Snapshot& snapshot) { client_.use_endpoints(snapshot); }

 private:
  void on_received(size_t type, const ads::AdsClient::Received& received,
                   std::vector<ads::AdsClient::Refusal>& refused) override;
  void on_outcome(const ads::AdsClient::Outcome&) override { hooks_.changed(); }
  void on_lapsed() override {}
  void on_lost() override;
  std::shared_ptr<const tls::Context> context(const xds::TlsContext& config) override {
    return hooks_.context(config);
  }

  const xds::DynamicSource server_;
  const Hooks hooks_;
  Sources sources_;
  DiscoveryClient client_;
};

}  // namespace mesh::forwarder
