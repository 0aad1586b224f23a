// Tunnel: a client's TCP connection, relayed to a host of a cluster.
//
// The codec of the client's connection, which owns it; the other end is a
// connection of its own. The client is read once the upstream's connection
// stands. Limits, flags and what is counted are those of Envoy's tcp_proxy and
// Istio's TCP metrics. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.h"
#include "forward/connection_authorization.h"
#include "forward/snapshot.h"
#include "forward/view.h"
#include "telemetry/access_log.h"
#include "upstream/pipe_end.h"
#include "upstream/tcp_connection.h"

namespace mesh::forward {

class Connection;
class Worker;

class Tunnel final : public upstream::PipeEnd,
                     private upstream::PipeEnd::Owner,
                     private upstream::TcpConnection::Owner,
                     private ConnectionAuthorization::Owner,
                     private upstream::ColdWaiter,
                     private event::Deadline::Owner,
                     private event::Loop::TurnEnd {
 public:
  // How often the bytes of a long connection are counted (Istio's 15 s).
  static constexpr Duration kReportEvery = std::chrono::seconds(15);
  static constexpr size_t kTriedMax = 8;

  // `connection`'s chain is a TCP proxy; it outlives us, `transport` is its own.
  Tunnel(Worker& worker, Connection& connection, transport::Transport& transport);
  ~Tunnel() override;

  // Chooses the cluster, asks who is to be asked, and connects. The connection may be closed
  // when it returns.
  void start();
  // Policies refuse the connection now: both sides are closed. `details` as in logs.
  void refuse(std::string_view details) { give_up({}, details); }

 private:
  void connect();
  void await(upstream::Cluster& cluster);
  void stop_awaiting();
  telemetry::Scope& with_values(telemetry::Scope& scope,
                                const std::vector<telemetry::TagValue>& wanted);
  void give_up(telemetry::Flags flags, std::string_view details);
  void end(std::string_view why);
  void conclude();
  void count_bytes();
  void arm();

  void stop_asking();
  void on_connection_judged(std::string_view refused) override;
  void on_pipe_active() override;
  void on_pipe_lost(upstream::PipeEnd& end) override;
  void on_upstream_connected() override;
  void on_upstream_failed(const upstream::AttemptFailure& failure) override;
  void on_upstream_progress() override;
  void on_upstream_closed(std::string_view why) override;
  void on_ejected() override;
  void on_cluster_ready() override;
  void on_deadline(event::Deadline&) override;
  void on_turn_end() override { connect(); }

  Worker& worker_;
  Connection& connection_;
  const std::shared_ptr<const xds::TcpProxy> config_;
  upstream::PipeEnd up_;
  upstream::TcpConnection upstream_;
  event::Deadline deadline_;
  std::unique_ptr<ConnectionAuthorization> authorization_;  // while somebody is asked
  const xds::TcpProxy::Target* target_ = nullptr;
  View* awaiting_ = nullptr;  // retained: the cluster that is waited for is its
  upstream::Cluster* awaited_ = nullptr;
  telemetry::Scope* scope_ = nullptr;
  Instant start_;
  WallTime start_wall_;
  Instant last_active_;
  uint64_t counted_received_ = 0;
  uint64_t counted_sent_ = 0;
  std::vector<balance::HostIndex> tried_;  // only where connecting failed
  std::string transport_failure_;
  std::string_view details_;
  uint32_t attempts_ = 0;
  telemetry::Flags flags_;
  telemetry::PeerId peer_ = telemetry::kUnknownPeer;
  telemetry::Security security_ = telemetry::Security::None;
  bool active_ = false;  // bytes moved since the deadline was looked at
  bool opened_ = false;
  bool ending_ = false;
  bool concluded_ = false;
};

}  // namespace mesh::forward
