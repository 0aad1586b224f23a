// TcpConnection: a connection to a host of a cluster that one tunnel has for
// itself: TCP, or TLS over it.
//
// Picks the host, counts against the cluster's limits, reports to the outlier
// detection how connecting went, and keeps the endpoint alive. start() again
// after a failure tries another host. One thread.
#pragma once

#include <memory>
#include <string_view>

#include "base/random.h"
#include "event/loop.h"
#include "resilience/limits.h"
#include "transport/transport.h"
#include "upstream/attempt_failure.h"
#include "upstream/cluster.h"

namespace mesh::upstream {

using transport::Transport;

class TcpConnection final : private Transport::Owner, private event::Deadline::Owner {
 public:
  class Owner {
   public:
    // It stands: give transport() its codec now.
    virtual void on_upstream_connected() = 0;
    // It could not be had; perhaps inside start(). No call follows but by start().
    virtual void on_upstream_failed(const AttemptFailure& failure) = 0;
    // As Transport::Owner's.
    virtual void on_upstream_progress() = 0;
    // Over, after it stood. `why` is for the log.
    virtual void on_upstream_closed(std::string_view why) = 0;
    // The outcome ejected the host: whoever sweeps may want to know when.
    virtual void on_ejected() = 0;

   protected:
    ~Owner() = default;
  };

  TcpConnection(event::Loop& loop, http::BlockPool& blocks, Owner& owner)
      : loop_(loop), blocks_(blocks), owner_(owner), deadline_(loop.wheel(), *this) {}
  ~TcpConnection();

  // Whose connection it is, for a cluster that is told by the PROXY protocol.
  struct Client {
    net::Address source, destination;
  };
  // Whether start() for this cluster wants to know.
  static bool wants_client(const Cluster& cluster) {
    return cluster.spec().config->proxy_protocol_version != 0;
  }

  // `cluster`, `context`, `client` and `tunnel_to` outlive the call only. `tunnel_to`, where
  // not empty: the host is a proxy and is asked for it (connect_handshake.h) within the
  // cluster's connect_timeout.
  void start(Cluster& cluster, Random& random, const balance::PickContext& context,
             const Client* client = nullptr, std::string_view tunnel_to = {});
  // Closes it, whatever its state; nothing is called.
  void close();

  // From start() on, until failed or closed.
  Transport& transport() { return *transport_; }
  bool connected() const { return connected_; }
  // The host last picked; kNoHost when there was none.
  balance::HostIndex host() const { return host_; }
  // Of the present or last try; empty before.
  const std::string& host_text() const { return host_text_; }
  telemetry::PeerId peer() const { return peer_; }
  bool secure() const { return secure_; }

 private:
  Result<void> connect(const ClusterSpec& cluster, const EndpointSpec& spec, const Client* client,
                       std::string_view tunnel_to);
  void no_answer();
  void fail(const AttemptFailure& failure);
  void finish();

  void on_established() override;
  void on_progress() override { owner_.on_upstream_progress(); }
  void on_transport_closed(std::string_view why) override;
  void on_deadline(event::Deadline&) override;

  event::Loop& loop_;
  http::BlockPool& blocks_;
  Owner& owner_;
  std::unique_ptr<Transport> transport_;
  std::shared_ptr<const ClusterSpec> spec_;  // of the last start()
  Endpoint* endpoint_ = nullptr;             // retained from start() to the end
  resilience::Permit permit_;
  resilience::Permit host_permit_;
  event::Deadline deadline_;
  OwnConnection own_;
  std::string host_text_;
  balance::HostIndex host_ = balance::kNoHost;
  telemetry::PeerId peer_ = telemetry::kUnknownPeer;
  bool secure_ = false;
  bool connected_ = false;
};

}  // namespace mesh::upstream
