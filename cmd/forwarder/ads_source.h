// AdsSource: a forwarder's dynamic resources from a server of the discovery protocol, as a
// bootstrap's dynamic_resources name it.
//
// One stream at a time over a channel to the cluster's endpoints. Clusters and endpoints are
// asked for first; listeners and routes when those have come or their time is over (Envoy's
// order at start). When all has come, or its time is over, the configuration is whole: from
// then on each change is handed out. A stream that ends is begun anew after a pause that grows,
// with jitter; what is held serves meanwhile. Main thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ads/client.h"
#include "base/random.h"
#include "event/timer.h"
#include "forward/admin/pages.h"
#include "forward/forwarder.h"
#include "grpc/channel.h"
#include "xds/decode.h"
#include "xds/dynamic_set.h"

namespace mesh::forwarder {

class AdsSource final : private ads::AdsClient::Receiver, private grpc::CallEvents {
 public:
  static constexpr Duration kPauseMin = std::chrono::milliseconds(500);
  static constexpr Duration kPauseMax = std::chrono::seconds(30);
  // A PING after so long, and the end of the connection where no answer comes in as long.
  static constexpr Duration kKeepalive = std::chrono::seconds(30);
  // Not read on before the server has read so much of what it was told.
  static constexpr size_t kUnsentMax = 1U << 20;
  // A server that sends again what was refused is read this much slower each time.
  static constexpr Duration kRefusedPause = std::chrono::milliseconds(20);
  static constexpr Duration kRefusedPauseMax = std::chrono::seconds(1);

  // `config` is to be used from now on; the first time, and after each change.
  using Changed = std::function<void(std::shared_ptr<const xds::Config> config)>;

  // All outlive us. `source` and the static resources are those of `bootstrap`.
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

  void on_received(size_t type, const ads::AdsClient::Received& received,
                   std::vector<ads::AdsClient::Refusal>& refused) override;
  void on_message(std::string_view message) override;
  void on_send_room() override { flush(); }
  void on_end(const grpc::Status& status, const grpc::Metadata&) override;

  xds::DynamicSet::Checks checks();
  std::shared_ptr<const tls::Context> context();
  void begin();
  void ended(const std::string& why);
  void want_named();
  void flush();
  void count(const ads::AdsClient::Outcome& outcome);
  void settle();
  void advance();
  void fetch_timeout(xds::DynamicSet::Type type);
  Updates& updates(xds::DynamicSet::Type type) { return updates_[size_t(type)]; }

  event::Loop& loop_;
  forward::Forwarder& forwarder_;
  const xds::DynamicSource source_;
  const Changed changed_;
  std::shared_ptr<const xds::Cluster> cluster_;  // of the server
  forward::Secrets::Static secrets_of_file_;
  forward::Secrets secrets_;  // of the connection to the server
  xds::DynamicSet set_;
  ads::AdsClient client_;
  Random random_ = Random::from_system();
  std::vector<net::Address> addresses_;
  std::array<Updates, xds::DynamicSet::kTypes> updates_;
  std::string control_plane_;
  Stage stage_ = Stage::Clusters;
  bool connected_ = false;    // the server has answered on this stream
  std::string down_because_;  // said once
  uint32_t failures_ = 0;     // in a row
  uint32_t refused_ = 0;      // responses in a row
  event::Timer retry_timer_;
  event::Timer settle_timer_;   // at the end of a turn, or when a time is over
  event::Timer cluster_timer_;  // initial_fetch_timeout
  event::Timer listener_timer_;
  event::Timer resume_timer_;
  grpc::Channel channel_;
  std::unique_ptr<grpc::Call> call_;
};

}  // namespace mesh::forwarder
