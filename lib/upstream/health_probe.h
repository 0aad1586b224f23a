// HealthProbe: asks one host whether it is well: HTTP, gRPC, or bytes over TCP,
// under the cluster's TLS where the host is spoken to under TLS.
//
// One check at a time. A connection is kept for the next check where the policy
// says so (of HTTP and gRPC; a TCP check always connects anew). Semantics: Envoy,
// arch overview, "Health checking". Main thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "event/loop.h"
#include "http/codec.h"
#include "resilience/health_check.h"
#include "transport/transport.h"
#include "upstream/cluster_spec.h"

namespace mesh::upstream {

using transport::Transport;

class HealthProbe final : private Transport::Owner,
                          private http::StreamHandler,
                          private event::Deadline::Owner {
 public:
  class Owner {
   public:
    // The check is over. Never inside check(). `why` in few words, for the log;
    // valid for the call.
    virtual void on_checked(resilience::CheckResult result, std::string_view why) = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive us.
  HealthProbe(event::Loop& loop, http::BlockPool& blocks, Owner& owner);
  ~HealthProbe();

  // Begins a check of that host; on_checked() follows. Not while one is under way.
  void check(std::shared_ptr<const ClusterSpec> cluster, size_t host);
  bool busy() const { return busy_; }

 private:
  const xds::HealthCheck& policy() const { return cluster_->config->health_checks.front(); }
  // Where ALPN does not say it.
  bool http2() const { return policy().http2 || policy().kind == xds::HealthCheck::Kind::Grpc; }
  const xds::Endpoint& endpoint() const { return cluster_->assignment->endpoints[host_]; }
  Result<void> connect();
  Result<net::Address> address() const;
  void ask();
  void send_http(http::Stream& stream);
  void send_grpc(http::Stream& stream);
  std::string_view authority(const std::string& own) const;
  void answered();
  void fail_later(std::string why);
  void done(resilience::CheckResult result, std::string_view why);
  void close();

  void on_established() override;
  void on_first_bytes(std::string_view bytes) override;
  void on_progress() override;
  void on_transport_closed(std::string_view why) override;

  void on_response_head(http::ResponseHead& head, bool end) override;
  void on_data(std::string_view bytes, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_reset(http::ResetReason reason) override;
  void on_send_room() override {}
  void on_closed() override;

  void on_deadline(event::Deadline&) override;

  event::Loop& loop_;
  http::BlockPool& blocks_;
  Owner& owner_;
  event::Deadline timeout_;
  std::shared_ptr<const ClusterSpec> cluster_;
  size_t host_ = 0;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<http::ClientCodec> codec_;
  // What the connection was made for: with another configuration it is not used again.
  std::shared_ptr<const ClusterSpec> connected_as_;
  http::Stream* stream_ = nullptr;
  bool busy_ = false;
  bool ended_ = false;  // the answer is whole
  uint16_t status_ = 0;
  bool degraded_ = false;
  bool grpc_content_ = false;
  std::string grpc_status_;
  std::string body_;    // gRPC only
  std::string failed_;  // why, of a check that could not begin
};

}  // namespace mesh::upstream
