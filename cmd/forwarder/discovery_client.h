// DiscoveryClient: a client of one server of the discovery protocol, the cluster of a
// DynamicSource: one stream at a time, over a channel to the cluster's endpoints. A stream that
// ends is begun anew after a pause by resilience/backoff.h, from 500 ms to 30 s as Envoy's.
// Main thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ads/client.h"
#include "base/random.h"
#include "event/timer.h"
#include "forward/snapshot.h"
#include "grpc/channel.h"
#include "xds/dynamic_source.h"
#include "xds/values.h"

namespace mesh::forwarder {

class DiscoveryClient final : private grpc::CallEvents {
 public:
  static constexpr Duration kPauseBase = std::chrono::milliseconds(500);
  static constexpr Duration kPauseMax = std::chrono::seconds(30);
  // A PING after so long, and the end of the connection where no answer comes in as long.
  static constexpr Duration kKeepalive = std::chrono::seconds(30);
  // Not read on before the server has read so much of what it was told.
  static constexpr size_t kUnsentMax = 1U << 20;
  // A server that sends again what was refused is read this much slower each time.
  static constexpr Duration kRefusedPause = std::chrono::milliseconds(20);
  static constexpr Duration kRefusedPauseMax = std::chrono::seconds(1);

  class Owner : public ads::AdsClient::Receiver {
   public:
    // After on_received(); what there is to say is said after it.
    virtual void on_outcome(const ads::AdsClient::Outcome& outcome) = 0;
    // After on_received() of what outlived its time.
    virtual void on_lapsed() = 0;
    // A stream ended, or none could be had.
    virtual void on_lost() = 0;
    // For the next connection, where the cluster has TLS; null: none yet.
    virtual std::shared_ptr<const tls::Context> context(const xds::TlsContext& config) = 0;

   protected:
    ~Owner() = default;
  };

  struct Options {
    xds::DynamicSource source;
    std::string service;    // the full name
    std::string resources;  // what its methods stream: "Secrets"
    std::vector<ads::Type> types;
    std::string node;                             // serialized envoy.config.core.v3.Node
    std::shared_ptr<const xds::Cluster> cluster;  // of source.cluster
  };

  // Both outlive us.
  DiscoveryClient(event::Loop& loop, Options options, Owner& owner);
  ~DiscoveryClient();

  // What is wanted of it; flush() says so to the server.
  ads::AdsClient& wanted() { return client_; }
  const ads::AdsClient& wanted() const { return client_; }
  void flush();

  // Of the server's cluster: its settings, and where it is. A stream begins when that is known.
  void set_cluster(std::shared_ptr<const xds::Cluster> cluster) { cluster_ = std::move(cluster); }
  void use_endpoints(const forward::Snapshot& snapshot);

  bool connected() const { return connected_; }  // the server has answered on this stream
  const std::string& control_plane() const { return control_plane_; }

 private:
  void on_message(std::string_view message) override;
  void on_send_room() override { flush(); }
  void on_end(const grpc::Status& status, const grpc::Metadata&) override;

  grpc::Channel::Options channel_options();
  std::shared_ptr<const tls::Context> context();
  void begin();
  void ended(const std::string& why);
  void pace(const ads::AdsClient::Outcome& outcome);
  void watch_lapses();
  void lapse();

  const xds::DynamicSource source_;
  const std::string method_;
  std::shared_ptr<const xds::Cluster> cluster_;
  Owner& owner_;
  ads::AdsClient client_;
  Random random_ = Random::from_system();
  std::vector<net::Address> addresses_;
  std::string control_plane_;
  bool connected_ = false;
  std::string down_because_;  // said once
  uint32_t failures_ = 0;     // in a row
  uint32_t refused_ = 0;      // responses in a row
  event::Loop& loop_;
  event::Timer retry_timer_;
  event::Timer lapse_timer_;
  event::Timer resume_timer_;
  grpc::Channel channel_;
  std::unique_ptr<grpc::Call> call_;
};

}  // namespace mesh::forwarder
