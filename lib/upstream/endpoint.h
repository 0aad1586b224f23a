// Endpoint: one address of one cluster, as one worker sees it: its connections
// and the requests that wait for one.
//
// HTTP/1 connections are idle or busy with one request; the idle ones are used
// last in, first out, so that what is not needed falls asleep and is closed.
// HTTP/2 connections are shared; another opens when streams or bytes on the last
// one pass a mark. Found again by cluster and address after a change of
// configuration; kept by references that are not atomic. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "event/loop.h"
#include "http/codec.h"
#include "telemetry/registry.h"
#include "upstream/cluster_spec.h"
#include "upstream/connection.h"
#include "upstream/own_connections.h"

namespace mesh::upstream {

// A request that waits for a connection. Intrusive; forget() it before it dies.
class Waiter {
 public:
  // Now: open a stream on it.
  virtual void on_connection(Connection& connection) = 0;
  // Never: the connection that was to serve it failed.
  enum class Why : uint8_t { Failed, Timeout };
  virtual void on_no_connection(std::string_view text, Why why) = 0;

 protected:
  ~Waiter() = default;

 private:
  friend class Endpoint;
  Waiter* next_ = nullptr;
  Waiter* previous_ = nullptr;
  bool queued_ = false;
  bool high_ = false;  // priority HIGH: limits of its own
  resilience::Permit pending_;
};

class Endpoint final : private event::Deadline::Owner {
 public:
  // An HTTP/2 connection that carries more than this gets company, up to
  // kHttp2ConnectionsMax.
  static constexpr size_t kStreamsMark = 100;
  static constexpr size_t kBacklogMark = 256 * 1024;
  static constexpr size_t kHttp2ConnectionsMax = 4;

  // What the endpoint needs to tell its table: nobody refers to it any more.
  class Owner {
   public:
    virtual void on_unused(Endpoint& endpoint) = 0;
    // The worker that we belong to, and its chance.
    virtual uint32_t worker() const = 0;
    virtual Random& random() = 0;
    // May be null.
    virtual OwnConnections* own_connections() = 0;

   protected:
    ~Owner() = default;
  };

  Endpoint(event::Loop& loop, http::BlockPool& blocks, telemetry::Registry& telemetry, Owner& owner,
           std::string key);
  ~Endpoint();

  // The configuration from now on. Connections under a former TLS context are
  // drained, so that a renewed certificate takes over without an interruption.
  void configure(std::shared_ptr<const ClusterSpec> cluster, size_t index);
  const EndpointSpec& spec() const { return cluster_->endpoints[index_]; }
  const ClusterSpec& cluster() const { return *cluster_; }
  const std::string& key() const { return key_; }
  // Who answers there, for metrics: what discovery says, and the principal that
  // the last handshake has proved.
  telemetry::PeerId peer() const { return peer_; }

  // A handshake has proved it; empty: none was made.
  void know_peer(std::string_view principal);

  // A connection with room at once, or null: then `waiter` is queued and will
  // hear, unless `overflow` is set (a limit of the cluster is reached).
  Connection* acquire(Waiter& waiter, bool high, bool& overflow);
  // The waiter does not wait any more; nothing is called.
  void forget(Waiter& waiter);

  // References: clusters of a view, and attempts under way.
  void retain() { ++references_; }
  void release();

  // Requests in flight of this worker, for least request.
  std::atomic<uint32_t>& active() { return active_; }

  // What becomes of requests, for statistics and outlier detection: each begins,
  // gets a connection or not, is answered or not, and ends.
  void request_begins();
  void request_ends();
  void report_connected();
  void report_tcp_connected();
  // True when that ejected the host.
  bool report_answer(uint16_t status);
  bool report_no_answer(bool timeout);
  // An answer said so (x-envoy-immediate-health-check-fail): it has failed until
  // health checks bring it back. True when that is new.
  bool fail_at_once();
  // Connections are of no more use: those idle close, the others when they can.
  void drain_all();
  // The worker's own counts of the cluster; valid as long as we are.
  ClusterCounts& counts() { return *counts_; }
  // Since when it is up, for slow start: it is new, or came back.
  Instant up_since() const { return up_since_; }
  void set_up_since(Instant now) { up_since_ = now; }
  Random& random() { return owner_.random(); }
  OwnConnections* own_connections() { return owner_.own_connections(); }
  size_t connection_count() const { return connections_.size(); }

  // Called by our connections.
  void on_connected(Connection& connection);
  void on_room(Connection& connection);
  void on_unusable(Connection& connection);
  void on_closed(Connection& connection, std::string_view why);

 private:
  bool shares() const;  // HTTP/2 is spoken, or may be
  bool crowded(const Connection& connection) const;
  Connection* usable_http2();
  void count_closed(const Connection& connection, std::string_view why);
  bool may_connect(bool high, ConnectionPermits& permits);
  bool connect(std::string& error, bool high);
  void connect_for_waiters();
  void serve(Connection& connection);
  void fail_waiters(size_t keep, std::string_view text, Waiter::Why why);
  Waiter* pop_waiter();
  void push_idle(Connection& connection);
  void unlink_idle(Connection& connection);
  void on_deadline(event::Deadline&) override;

  event::Loop& loop_;
  http::BlockPool& blocks_;
  telemetry::Registry& telemetry_;
  Owner& owner_;
  const std::string key_;
  HostCounts* host_counts_ = nullptr;  // of cluster_'s shared state, as counts_
  ClusterCounts* counts_ = nullptr;
  std::shared_ptr<const ClusterSpec> cluster_;
  size_t index_ = 0;
  telemetry::Peer known_peer_;
  telemetry::PeerId peer_ = telemetry::kUnknownPeer;
  std::vector<std::unique_ptr<Connection>> connections_;
  Connection* idle_top_ = nullptr;     // used last
  Connection* idle_bottom_ = nullptr;  // idle longest
  std::vector<Connection*> http2_;     // established, taking streams
  size_t connecting_ = 0;
  Waiter* first_ = nullptr;
  Waiter* last_ = nullptr;
  size_t waiting_ = 0;
  bool known_http1_ = false;  // ALPN said so: no sharing to hope for
  uint32_t references_ = 0;
  bool unused_ = false;  // the owner was told
  std::atomic<uint32_t> active_{0};
  uint32_t counted_shared_ = 0;  // of them in SharedEndpoint::active
  Instant up_since_;
  event::Deadline idle_deadline_;
};

}  // namespace mesh::upstream
