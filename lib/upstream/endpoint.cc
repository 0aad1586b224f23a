#include "upstream/endpoint.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace mesh::upstream {

Endpoint::Endpoint(event::Loop& loop, http::BlockPool& blocks, telemetry::Registry& telemetry,
                   Owner& owner, std::string key)
    : loop_(loop),
      blocks_(blocks),
      telemetry_(telemetry),
      owner_(owner),
      key_(std::move(key)),
      up_since_(loop.now()),
      idle_deadline_(loop.wheel(), *this) {}

Endpoint::~Endpoint() { MESH_CHECK(first_ == nullptr); }

void Endpoint::configure(std::shared_ptr<const ClusterSpec> cluster, size_t index) {
  const bool changed =
      cluster_ && (cluster_->tls != cluster->tls || spec().tls != cluster->endpoints[index].tls ||
                   cluster_->protocol != cluster->protocol);
  cluster_ = std::move(cluster);
  index_ = index;
  host_counts_ = &spec().shared->stats.of(owner_.worker());
  counts_ = &cluster_->shared->stats.of(owner_.worker());
  know_peer(known_peer_.principal);
  if (!changed) return;
  known_http1_ = false;
  drain_all();
}

void Endpoint::know_peer(std::string_view principal) {
  telemetry::Peer peer = spec().peer;
  if (spec().tls) peer.principal = principal;
  if (peer == known_peer_) return;
  peer_ = telemetry_.peer(peer);
  known_peer_ = std::move(peer);
}

void Endpoint::drain_all() {
  // A drained connection may leave the list at once.
  for (size_t i = connections_.size(); i-- > 0;)
    if (i < connections_.size()) connections_[i]->drain();
}

bool Endpoint::shares() const {
  if (known_http1_) return false;
  switch (cluster_->protocol) {
    case xds::UpstreamProtocol::Downstream:
    case xds::UpstreamProtocol::Http1: return false;
    case xds::UpstreamProtocol::Http2: return true;
    case xds::UpstreamProtocol::Auto: return spec().tls;
  }
  return false;
}

bool Endpoint::crowded(const Connection& c) const {
  return c.open_streams() >= kStreamsMark || c.pending_bytes() >= kBacklogMark;
}

// The first that is not crowded, else the one with the fewest streams: requests
// gather on few connections, whose batches are the larger for it.
Connection* Endpoint::usable_http2() {
  Connection* best = nullptr;
  for (Connection* c : http2_) {
    if (c->capacity() == 0) continue;
    if (!crowded(*c)) return c;
    if (best == nullptr || c->open_streams() < best->open_streams()) best = c;
  }
  if (best != nullptr && http2_.size() + connecting_ < kHttp2ConnectionsMax) {
    std::string error;
    connect(error, false);  // for those who come later; failing costs nothing now
  }
  return best;
}

Connection* Endpoint::acquire(Waiter& waiter, bool high, bool& overflow) {
  overflow = false;
  if (idle_top_ != nullptr) {
    Connection* const c = idle_top_;
    unlink_idle(*c);
    return c;
  }
  if (!http2_.empty())
    if (Connection* const c = usable_http2()) return c;

  const auto& limits = cluster_->limits(high);
  if (limits.max_pending_requests != UINT32_MAX) {
    waiter.pending_ =
        resilience::Permit::acquire(cluster_->usage(high).pending, limits.max_pending_requests);
    if (!waiter.pending_) {
      counts_->add(ClusterCount::RqPendingOverflow);
      overflow = true;
      return nullptr;
    }
  }
  counts_->add(ClusterCount::RqPendingTotal);
  counts_->add(ClusterCount::RqPendingActive);
  waiter.queued_ = true;
  waiter.high_ = high;
  waiter.next_ = nullptr;
  waiter.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &waiter;
  last_ = &waiter;
  ++waiting_;
  connect_for_waiters();
  return nullptr;
}

// As many connections as there are waiters; where they can share one, one.
void Endpoint::connect_for_waiters() {
  const bool sharing = shares();
  const size_t wanted = sharing ? std::min<size_t>(waiting_, 1) : waiting_;
  if (sharing && http2_.size() + connecting_ >= kHttp2ConnectionsMax) return;  // on_room() serves
  while (connecting_ < wanted) {
    std::string error;
    if (connect(error, first_->high_)) continue;
    // Where a limit is reached there are busy ones that come back.
    if (error.empty() || connecting_ > 0) return;
    // Not in the caller's own call: it has not returned yet.
    loop_.defer([this, error] {
      if (connecting_ == 0) fail_waiters(0, error, Waiter::Why::Failed);
      release();
    });
    retain();
    return;
  }
}

// Room for one more, in the cluster and at the host. Without it a worker that has none
// here makes one all the same, so that no request waits for what others hold: so does
// Envoy, "Cluster maximum connections". What is over a limit is counted as well.
bool Endpoint::may_connect(bool high, ConnectionPermits& permits) {
  const bool first = connections_.empty();
  const auto take = [first](resilience::Gauge& gauge, uint32_t most, resilience::Permit& permit) {
    if (most == UINT32_MAX) return true;
    permit = resilience::Permit::acquire(gauge, most);
    if (permit) return true;
    if (first) permit = resilience::Permit::beyond(gauge);
    return false;
  };
  const bool cluster_has_room = take(cluster_->usage(high).connections,
                                     cluster_->limits(high).max_connections, permits.cluster);
  const bool host_has_room =
      take(spec().shared->connections, cluster_->config->host_max_connections, permits.host);
  if (cluster_has_room && host_has_room) return true;
  counts_->add(ClusterCount::CxOverflow);
  return first;
}

// An empty error with false: the limit of connections, the cluster's or the host's,
// is reached, and there are connections of our own.
bool Endpoint::connect(std::string& error, bool high) {
  ConnectionPermits permits;
  if (!may_connect(high, permits)) return false;
  auto connection = std::make_unique<Connection>(*this, loop_, blocks_, std::move(permits));
  counts_->add(ClusterCount::CxTotal);
  host_counts_->add(HostCount::CxTotal);
  if (auto begun = connection->start(*cluster_, spec()); !begun) {
    counts_->add(ClusterCount::CxConnectFail);
    host_counts_->add(HostCount::CxConnectFail);
    error = begun.error().text;
    if (error.empty()) error = "cannot connect";
    loop_.retire(std::move(connection));
    return false;
  }
  connection->slot = connections_.size();
  connections_.push_back(std::move(connection));
  counts_->add(ClusterCount::CxActive);
  host_counts_->add(HostCount::CxActive);
  ++connecting_;
  return true;
}

void Endpoint::forget(Waiter& waiter) {
  if (!waiter.queued_) return;
  (waiter.previous_ != nullptr ? waiter.previous_->next_ : first_) = waiter.next_;
  (waiter.next_ != nullptr ? waiter.next_->previous_ : last_) = waiter.previous_;
  waiter.queued_ = false;
  waiter.next_ = waiter.previous_ = nullptr;
  waiter.pending_.reset();
  counts_->subtract(ClusterCount::RqPendingActive);
  --waiting_;
}

Waiter* Endpoint::pop_waiter() {
  Waiter* const waiter = first_;
  if (waiter != nullptr) forget(*waiter);
  return waiter;
}

void Endpoint::on_connected(Connection& connection) {
  --connecting_;
  know_peer(connection.peer_identity());
  if (connection.draining()) {
    connection.check();
    return connect_for_waiters();
  }
  counts_->add(connection.is_http2() ? ClusterCount::CxHttp2Total : ClusterCount::CxHttp1Total);
  if (connection.is_http2()) {
    http2_.push_back(&connection);
  } else {
    known_http1_ = true;
  }
  serve(connection);
}

void Endpoint::on_room(Connection& connection) {
  if (connection.idle) return;
  serve(connection);
}

// Gives the connection to who waits longest; an HTTP/1 one that nobody waits
// for becomes idle.
void Endpoint::serve(Connection& connection) {
  retain();
  while (first_ != nullptr && connection.capacity() > 0 && !connection.draining())
    pop_waiter()->on_connection(connection);
  // It cannot be shared after all, or others have left room below a limit.
  if (first_ != nullptr) connect_for_waiters();
  if (!connection.is_http2() && !connection.draining() && connection.capacity() > 0)
    push_idle(connection);
  release();
}

void Endpoint::on_unusable(Connection& connection) {
  unlink_idle(connection);
  std::erase(http2_, &connection);
}

void Endpoint::on_closed(Connection& connection, std::string_view why) {
  MESH_DEBUG("upstream connection closed", {{"endpoint", key_}, {"why", why}});
  on_unusable(connection);
  const bool was_connecting = !connection.established();
  if (was_connecting) --connecting_;
  count_closed(connection, why);
  connection.release_permits();
  const size_t slot = connection.slot;
  if (slot + 1 != connections_.size()) {
    std::swap(connections_[slot], connections_.back());
    connections_[slot]->slot = slot;
  }
  loop_.retire(std::move(connections_.back()));
  connections_.pop_back();

  retain();
  if (was_connecting && !connection.draining())
    fail_waiters(connecting_, why,
                 why == kConnectTimeout ? Waiter::Why::Timeout : Waiter::Why::Failed);
  else if (first_ != nullptr)
    connect_for_waiters();
  release();
}

// All but the last `keep` in line, those who came first among them: what they
// waited for is not to be had.
void Endpoint::fail_waiters(size_t keep, std::string_view text, Waiter::Why why) {
  size_t failing = waiting_ > keep ? waiting_ - keep : 0;
  for (; failing > 0 && first_ != nullptr; --failing) pop_waiter()->on_no_connection(text, why);
}

void Endpoint::push_idle(Connection& connection) {
  MESH_CHECK(!connection.idle);
  connection.idle = true;
  connection.idle_since = loop_.now();
  connection.idle_next = idle_top_;
  connection.idle_previous = nullptr;
  (idle_top_ != nullptr ? idle_top_->idle_previous : idle_bottom_) = &connection;
  idle_top_ = &connection;
  const Duration timeout = cluster_->config->idle_timeout;
  if (timeout > Duration::zero() && !idle_deadline_.armed()) idle_deadline_.arm(timeout);
}

void Endpoint::unlink_idle(Connection& c) {
  if (!c.idle) return;
  (c.idle_previous != nullptr ? c.idle_previous->idle_next : idle_top_) = c.idle_next;
  (c.idle_next != nullptr ? c.idle_next->idle_previous : idle_bottom_) = c.idle_previous;
  c.idle = false;
  c.idle_next = c.idle_previous = nullptr;
}

// The bottom of the idle list has slept long enough.
void Endpoint::on_deadline(event::Deadline&) {
  const Duration timeout = cluster_->config->idle_timeout;
  if (timeout <= Duration::zero()) return;
  while (idle_bottom_ != nullptr && loop_.now() - idle_bottom_->idle_since >= timeout) {
    Connection& c = *idle_bottom_;
    unlink_idle(c);
    counts_->add(ClusterCount::CxIdleTimeout);
    c.drain();
  }
  if (idle_bottom_ != nullptr) idle_deadline_.arm(idle_bottom_->idle_since + timeout - loop_.now());
}

void Endpoint::release() {
  MESH_CHECK(references_ > 0);
  if (--references_ > 0 || unused_) return;
  unused_ = true;
  drain_all();
  owner_.on_unused(*this);
}

}  // namespace mesh::upstream
