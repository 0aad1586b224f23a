// AdsSource: a forwarder's dynamic resources from a server of the discovery protocol, as a
// bootstrap's dynamic_resources name it, and secrets of other servers that contexts name.
//
// Clusters and endpoints are asked for first; listeners and routes when those have come or their
// time is over (Envoy's order at start). When all has come, or its time is over, the
// configuration is whole: from then on each change is handed out. What is held serves while a
// server is away. Main thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cmd/forwarder/discovery_client.h"
#include "cmd/forwarder/secret_client.h"
#include "event/timer.h"
#include "forward/admin/pages.h"
#include "forward/forwarder.h"
#include "xds/decode.h"
#include "xds/dynamic_set.h"

namespace mesh::forwarder {

class AdsSource final : private DiscoveryClient::Owner {
 public:
  // `config` is to be used from now on; the first time, and after each change.
  using Changed = std::function<void(std::shared_ptr<const xds::Config> config)>;

  // All outlive us. The servers and the static resources are those of `bootstrap`.
  AdsSource(event::Loop& loop, forward::Forwarder& forwarder, const xds::Bootstrap& bootstrap,
            Changed changed);
  ~AdsSource();

  void start();
  // The file was read again; its dynamic_resources are as before. Returns the static resources
  // before; config() is what is to be used.
  xds::Config set_static(xds::Config config);
  std::shared_ptr<const xds::Config> config() const { return set_.config(); }
  // A configuration came in force: the server may have other addresses.
  void on_in_force();
  // Everything came, or its time is over.
  bool whole() const { return stage_ == Stage::Whole; }

  std::vector<xds::DumpResource> resources() const { return set_.resources(); }
  // As Envoy names them.
  std::vector<forward::admin::Number> numbers() const;

 private:
  enum class Stage : uint8_t { Clusters, Listeners, Whole };
  // Envoy's counters of a subscription.
  struct Updates {
    uint64_t attempt = 0;
    uint64_t success = 0;
    uint64_t rejected = 0;
    uint64_t failure = 0;
    uint64_t init_fetch_timeout = 0;
    WallTime last{};
    bool answered = false;  // or its time is over
  };
  struct SecretUpdates : Updates {
    std::string name;
    std::string version;
    bool server = false;  // one of its own
  };

  void on_received(size_t type, const ads::AdsClient::Received& received,
                   std::vector<ads::AdsClient::Refusal>& refused) override;
  void on_outcome(const ads::AdsClient::Outcome& outcome) override;
  void on_lapsed() override;
  void on_lost() override;
  std::shared_ptr<const tls::Context> context(const xds::TlsContext& config) override;

  xds::DynamicSet::Checks checks();
  void want_named();
  void want_secrets(const xds::DynamicSet::Sources& sources);
  SecretClient* secret_client(const xds::DynamicSource& server);
  Result<void> set_secret(const xds::SecretSource& source, std::string_view version,
                          std::string_view body);
  void settle();
  void advance();
  void fetch_timeout(xds::DynamicSet::Type type);
  Updates& updates(xds::DynamicSet::Type type) { return updates_[size_t(type)]; }

  event::Loop& loop_;
  forward::Forwarder& forwarder_;
  const xds::DynamicSource source_;  // of the aggregated stream
  const std::string node_;           // serialized
  const Changed changed_;
  forward::Secrets secrets_;  // of the connections to servers, and to try what comes
  xds::DynamicSet set_;
  std::array<Updates, xds::DynamicSet::kTypes> updates_;
  std::map<std::string, SecretUpdates, std::less<>> secrets_updates_;  // by SecretSource::secret
  Stage stage_ = Stage::Clusters;
  event::Timer settle_timer_;   // at the end of a turn, or when a time is over
  event::Timer cluster_timer_;  // initial_fetch_timeout
  event::Timer listener_timer_;
  std::unique_ptr<DiscoveryClient> client_;  // null: no aggregated stream
  std::vector<std::unique_ptr<SecretClient>> secret_clients_;
};

}  // namespace mesh::forwarder
