#include "forward/tunnel.h"

#include <algorithm>
#include <utility>

#include "balance/hash.h"
#include "forward/connection.h"
#include "forward/destination.h"
#include "forward/worker.h"

namespace mesh::forward {

using telemetry::Flag;
using upstream::AttemptFailure;

namespace {

const xds::TcpProxy::Target& choose(const xds::TcpProxy& config, Random& random) {
  if (config.targets.size() == 1) return config.targets.front();
  uint64_t at = random.below(config.weight_sum);
  for (const auto& target : config.targets) {
    if (at < target.weight) return target;
    at -= target.weight;
  }
  return config.targets.back();
}

}  // namespace

Tunnel::Tunnel(Worker& worker, Connection& connection, transport::Transport& transport)
    : PipeEnd(static_cast<PipeEnd::Owner&>(*this)),
      worker_(worker),
      connection_(connection),
      config_(connection.chain().config->tcp),
      up_(static_cast<PipeEnd::Owner&>(*this)),
      upstream_(worker.loop(), worker.blocks(), *this),
      deadline_(worker.loop().wheel(), *this),
      start_(worker.loop().now()),
      start_wall_(worker.loop().wall()),
      last_active_(start_) {
  attach(&transport);
}

Tunnel::~Tunnel() {
  stop_awaiting();
  conclude();
  up_.attach(nullptr);
  attach(nullptr);
}

void Tunnel::start() {
  target_ = &choose(*config_, worker_.random());
  View& view = connection_.view();
  View::Entry* const entry = view.find(target_->cluster);
  if (entry == nullptr) {
    scope_ = &view.no_cluster(connection_.inbound());
    return give_up(Flag::NoClusterFound, "cluster_not_found");
  }
  scope_ = &view.scope(*entry, connection_.inbound());
  if (const auto* const values = view.tag_values(connection_.inbound()); values != nullptr)
    scope_ = &with_values(*scope_, *values);
  const ChainSpec& chain = connection_.chain();
  std::vector<filter::Ask> asks;
  const auto why = connection_.refusal(chain, chain.authorizers.empty() ? nullptr : &asks);
  if (!why.empty()) return give_up({}, why);
  arm();
  if (asks.empty()) return connect();
  ConnectionAuthorization::Owner& owner = *this;
  authorization_ =
      std::make_unique<ConnectionAuthorization>(worker_, connection_, owner, std::move(asks));
  authorization_->start();
}

void Tunnel::on_connection_judged(std::string_view refused) {
  worker_.loop().retire(std::move(authorization_));
  if (!refused.empty()) return give_up(Flag::UnauthorizedExternalService, refused);
  connect();
}

void Tunnel::stop_asking() {
  if (authorization_ == nullptr) return;
  authorization_->stop();
  worker_.loop().retire(std::move(authorization_));
}

// Of this connection alone: what tags of the metrics say of it, where they can.
telemetry::Scope& Tunnel::with_values(telemetry::Scope& scope,
                                      const std::vector<telemetry::TagValue>& wanted) {
  std::array<std::string_view, telemetry::kRequestValuesMax> values;
  const std::string port = std::to_string(connection_.local_address().port());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].kind == telemetry::TagValue::Kind::DestinationPort) values[i] = port;
    if (wanted[i].kind == telemetry::TagValue::Kind::ClusterName) values[i] = target_->cluster;
  }
  return scope.with(wanted, {values.data(), wanted.size()});
}

void Tunnel::connect() {
  if (ending_) return;
  View::Entry* const entry = connection_.view().find(target_->cluster);
  if (entry == nullptr) return give_up(Flag::NoClusterFound, "cluster_not_found");
  if (entry->cluster->cold()) return await(*entry->cluster);
  ++attempts_;
  balance::PickContext context;
  context.tried = tried_;
  upstream::Cluster* cluster = entry->cluster.get();
  Destination destination;
  if (cluster->variants() != nullptr) {
    destination = destination_of(*cluster, connection_, nullptr);
    if (destination.error == DestinationError::Unknown)
      return give_up(Flag::NoHealthyUpstream, "no_healthy_upstream");
    if (destination.error == DestinationError::TooMany)
      return give_up(Flag::UpstreamOverflow, "upstream_overflow");
    cluster = &destination.use.cluster();
  }
  if (config_->hash_source_ip) context.hash = balance::hash64(connection_.remote_host());
  if (!config_->tunnel_to.empty() && cluster->spec().protocol == xds::UpstreamProtocol::Http2) {
    transport_failure_ = "tunnels through proxies that speak HTTP/2 are not supported";
    return give_up(Flag::UpstreamConnectionFailure, "upstream_connection_failure");
  }
  if (!upstream::TcpConnection::wants_client(*cluster))
    return upstream_.start(*cluster, worker_.random(), context, nullptr, config_->tunnel_to);
  const upstream::TcpConnection::Client client{.source = connection_.remote_address(),
                                               .destination = connection_.local_address()};
  upstream_.start(*cluster, worker_.random(), context, &client, config_->tunnel_to);
}

void Tunnel::await(upstream::Cluster& cluster) {
  if (!cluster.wait(*this, false)) return give_up(Flag::UpstreamOverflow, "upstream_overflow");
  awaited_ = &cluster;
  awaiting_ = &connection_.view();
  awaiting_->retain();
}

void Tunnel::stop_awaiting() {
  if (awaiting_ == nullptr) return;
  awaited_->forget(*this);
  std::exchange(awaiting_, nullptr)->release();
}

void Tunnel::on_cluster_ready() {
  stop_awaiting();
  connect();
}

void Tunnel::on_upstream_connected() {
  if (!connection_.inbound()) {
    peer_ = upstream_.peer();
    if (upstream_.secure()) security_ = telemetry::Security::MutualTls;
  }
  transport::Transport& transport = upstream_.transport();
  up_.attach(&transport);
  transport.set_codec(&up_);
  last_active_ = worker_.loop().now();
  join(*this, up_);
}

void Tunnel::on_upstream_failed(const AttemptFailure& failure) {
  transport_failure_.assign(failure.text);
  switch (failure.kind) {
    case AttemptFailure::Kind::NoHost:
      return give_up(Flag::NoHealthyUpstream, "no_healthy_upstream");
    case AttemptFailure::Kind::Overflow:
      return give_up(Flag::UpstreamOverflow, "upstream_overflow");
    default: break;
  }
  flags_.add(Flag::UpstreamConnectionFailure);
  if (attempts_ >= config_->max_connect_attempts)
    return give_up(Flag::UpstreamRetryLimitExceeded, "upstream_connection_failure");
  if (tried_.size() < kTriedMax) tried_.push_back(upstream_.host());
  worker_.loop().at_turn_end(*this);
}

void Tunnel::give_up(telemetry::Flags flags, std::string_view details) {
  flags_ = telemetry::Flags::from_bits(flags_.bits() | flags.bits());
  details_ = details;
  end(details);
}

// Both connections, in order as far as the kernel lets us.
void Tunnel::end(std::string_view why) {
  if (std::exchange(ending_, true)) return;
  conclude();
  stop_asking();
  stop_awaiting();
  up_.attach(nullptr);
  upstream_.close();
  close(why);
}

void Tunnel::on_pipe_active() {
  if (std::exchange(active_, true)) return;
  if (received() == 0 && up_.received() > 0) connection_.on_server_first();
  arm();
}

// First the cause is noted: the other side is reset next, and is none.
void Tunnel::on_pipe_lost(upstream::PipeEnd& lost_end) {
  if (ending_) return;
  const bool downstream = &lost_end == this;
  if (downstream) {
    flags_.add(Flag::DownstreamConnectionTermination);
    details_ = "downstream_remote_reset";
  } else {
    flags_.add(Flag::UpstreamConnectionTermination);
    details_ = "upstream_remote_reset";
  }
  if (upstream_.connected()) return;
  ending_ = true;  // the client left while somebody was waited for
  stop_asking();
  stop_awaiting();
  upstream_.close();
}

void Tunnel::on_upstream_progress() {
  if (upstream_.connected() && up_.finished())
    upstream_.transport().close_after_flush(false, "finished");
}

// In order, both directions: the client's side ends by itself. Else it is reset by
// the pipe.
void Tunnel::on_upstream_closed(std::string_view) { up_.attach(nullptr); }

void Tunnel::on_ejected() { worker_.on_ejection(); }

// Looked at when something may be over, not armed anew by each byte.
void Tunnel::arm() {
  const Instant now = worker_.loop().now();
  Instant next = Instant::max();
  if (config_->idle_timeout > Duration::zero()) next = last_active_ + config_->idle_timeout;
  if (config_->max_duration > Duration::zero())
    next = std::min(next, start_ + config_->max_duration);
  if (active_) next = std::min(next, now + kReportEvery);
  if (next == Instant::max()) return deadline_.cancel();
  deadline_.arm(std::max<Duration>(next - now, std::chrono::milliseconds(1)));
}

void Tunnel::on_deadline(event::Deadline&) {
  const Instant now = worker_.loop().now();
  if (config_->max_duration > Duration::zero() && now >= start_ + config_->max_duration)
    return give_up(Flag::DurationTimeout, "max_connection_duration_reached");
  if (received() + up_.received() != counted_received_ + counted_sent_) {
    last_active_ = now;
    count_bytes();
  }
  active_ = false;
  quiet();
  up_.quiet();
  if (config_->idle_timeout > Duration::zero() && now >= last_active_ + config_->idle_timeout)
    return give_up({}, "tcp_session_idle_timeout");
  arm();
}

void Tunnel::count_bytes() {
  if (!std::exchange(opened_, true)) {
    if (connection_.inbound() && connection_.secure()) {
      peer_ = connection_.peer();
      security_ = telemetry::Security::MutualTls;
    }
    scope_->tcp_opened(peer_, security_);
  }
  const uint64_t in = received();
  const uint64_t out = up_.received();
  scope_->tcp_bytes(peer_, security_, out - counted_sent_, in - counted_received_);
  counted_received_ = in;
  counted_sent_ = out;
}

void Tunnel::conclude() {
  if (std::exchange(concluded_, true) || scope_ == nullptr) return;
  count_bytes();
  scope_->tcp_closed(peer_, security_);
  const ChainSpec& chain = connection_.chain();
  if (chain.logs.empty()) return;
  telemetry::AccessEntry entry;
  entry.start = start_wall_;
  entry.flags = flags_;
  entry.termination_details = details_;
  entry.transport_failure = transport_failure_;
  entry.bytes_received = received();
  entry.bytes_sent = up_.received();
  entry.duration = worker_.loop().now() - start_;
  entry.upstream_cluster = target_->cluster;
  if (attempts_ > 0) entry.upstream_host = upstream_.host_text();
  entry.attempts = attempts_;
  entry.downstream_local_address = connection_.local_text();
  entry.downstream_remote_address = connection_.remote_text();
  net::Stream& stream = connection_.stream();
  entry.downstream_peer_uri_san = stream.peer_identity();
  entry.downstream_tls_version = stream.tls_version();
  entry.downstream_tls_cipher = stream.tls_cipher();
  entry.requested_server_name = stream.sni();
  for (const auto& sink : chain.logs) worker_.log(sink, entry);
}

}  // namespace mesh::forward
