// Connection: one connection to an endpoint, from connect to close.
//
// Owned by its Endpoint, which is told what became of it. Speaks HTTP/2 or
// HTTP/1.1 as the cluster says, or as ALPN agreed. One thread.
#pragma once

#include <memory>
#include <string_view>

#include "event/loop.h"
#include "http/codec.h"
#include "resilience/limits.h"
#include "transport/transport.h"
#include "upstream/keepalive.h"
#include "upstream/own_connections.h"

namespace mesh::upstream {

using transport::Transport;

class Endpoint;
// on_closed()'s `why` of a connection that was not there in time.
inline constexpr std::string_view kConnectTimeout = "connect timeout";

// What a connection holds of its limits; empty where there are none.
struct ConnectionPermits {
  resilience::Permit cluster;
  resilience::Permit host;
};
struct ClusterSpec;
struct EndpointSpec;

class Connection final : private Transport::Owner,
                         private event::Deadline::Owner,
                         private Keepalive::Owner {
 public:
  Connection(Endpoint& endpoint, event::Loop& loop, http::BlockPool& blocks,
             ConnectionPermits permits);
  ~Connection();

  // Begins to connect; the endpoint hears of the outcome in a later turn. An
  // error is final: nothing follows.
  Result<void> start(const ClusterSpec& cluster, const EndpointSpec& spec);

  // A stream, or null: busy, draining, or at the peer's limit.
  http::Stream* open(http::StreamHandler& handler);

  // Streams that open() would give now.
  size_t capacity() const {
    if (!codec_ || draining_) return 0;
    if (streams_max_ != 0 && codec_->open_streams() >= streams_max_) return 0;
    return codec_->capacity();
  }
  size_t open_streams() const { return codec_ ? codec_->open_streams() : 0; }
  size_t pending_bytes() const { return transport_.pending(); }
  bool established() const { return codec_ != nullptr; }
  bool is_http2() const { return http2_; }
  bool draining() const { return draining_; }
  bool secure() const { return secure_; }
  // The peer's SPIFFE id, once established; empty in clear text.
  std::string_view peer_identity() { return transport_.stream().peer_identity(); }
  bool fresh() const { return streams_opened_ <= 1; }  // its first request

  // No new streams; closes when those open have ended.
  void drain();
  // A stream was reset from outside a codec event: see whether this ends us.
  void check();
  // It is closed: what it held of the limits is free at once, not when it is destroyed.
  void release_permits() { permits_ = {}; }
  // A paused stream was resumed.
  void kick() { transport_.kick(); }

  // Kept by the endpoint: the idle list.
  Connection* idle_next = nullptr;
  Connection* idle_previous = nullptr;
  bool idle = false;
  Instant idle_since{};
  size_t slot = 0;  // in the endpoint's list of connections

 private:
  void on_established() override;
  void on_progress() override;
  void on_transport_closed(std::string_view why) override;
  void on_deadline(event::Deadline&) override;
  void on_keepalive_timeout() override { transport_.abort("keepalive timeout"); }

  Endpoint& endpoint_;
  event::Loop& loop_;
  Transport transport_;
  std::unique_ptr<http::ClientCodec> codec_;
  std::unique_ptr<Keepalive> keepalive_;  // null: not configured
  event::Deadline connect_deadline_;
  ConnectionPermits permits_;
  OwnConnection own_;
  uint64_t streams_opened_ = 0;
  uint32_t requests_max_ = 0;  // max_requests_per_connection; 0: none, as the next
  uint32_t streams_max_ = 0;   // at once
  bool prefer_http2_ = false;
  bool http2_ = false;
  bool secure_ = false;
  bool draining_ = false;
  bool exhausted_ = false;  // requests_max_ is reached
  bool closed_ = false;
};

}  // namespace mesh::upstream
