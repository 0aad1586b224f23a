#include "upstream/tcp_connection.h"

#include <utility>

#include "base/check.h"
#include "net/proxy_protocol.h"
#include "net/socket.h"
#include "transport/tls_stream.h"
#include "upstream/connect_handshake.h"
#include "upstream/header_stream.h"

namespace mesh::upstream {

using resilience::Failure;
using Kind = AttemptFailure::Kind;

TcpConnection::~TcpConnection() { close(); }

void TcpConnection::start(Cluster& cluster, Random& random, const balance::PickContext& context,
                          const Client* client, std::string_view tunnel_to) {
  MESH_CHECK(endpoint_ == nullptr);
  connected_ = secure_ = false;
  peer_ = telemetry::kUnknownPeer;
  host_text_.clear();
  spec_ = cluster.shared_spec();
  const xds::CircuitLimits& limits = spec_->config->limits;
  if (limits.max_connections != UINT32_MAX) {
    permit_ = resilience::Permit::acquire(spec_->shared->usage.connections, limits.max_connections);
    if (!permit_) {
      cluster.counts().add(ClusterCount::CxOverflow);
      return fail({.failure = Failure::Overflow, .kind = Kind::Overflow});
    }
  }
  host_ = cluster.pick(random, context, loop_.now());
  if (host_ == balance::kNoHost)
    return fail({.failure = Failure::ConnectFailure, .kind = Kind::NoHost});
  const EndpointSpec& host = spec_->endpoints[host_];
  if (const uint32_t most = spec_->config->host_max_connections; most != UINT32_MAX) {
    host_permit_ = resilience::Permit::acquire(host.shared->connections, most);
    if (!host_permit_) {
      cluster.counts().add(ClusterCount::CxOverflow);
      return fail({.failure = Failure::Overflow, .kind = Kind::Overflow});
    }
  }
  endpoint_ = &cluster.endpoint(host_);
  endpoint_->retain();
  endpoint_->request_begins();
  endpoint_->counts().add(ClusterCount::CxTotal);
  endpoint_->counts().add(ClusterCount::CxActive);
  host_text_ = host.text;
  peer_ = endpoint_->peer();
  secure_ = host.tls;
  if (auto begun = connect(*spec_, host, client, tunnel_to); !begun) {
    no_answer();
    fail({.failure = Failure::ConnectFailure, .kind = Kind::Connect, .text = begun.error().text});
  }
}

Result<void> TcpConnection::connect(const ClusterSpec& cluster, const EndpointSpec& spec,
                                    const Client* client, std::string_view tunnel_to) {
  if (spec.tls && !cluster.tls)
    return Error{Errc::Unavailable, "the certificate or trust bundle is not there yet"};
  MESH_TRY(UniqueFd fd, net::connect(spec.address, cluster.connects_from()));
  own_.enter(endpoint_->own_connections(), fd.get(), spec.address);
  if (cluster.config->tcp_keepalive) set_keepalive(fd.get(), *cluster.config->tcp_keepalive);
  std::unique_ptr<net::Stream> stream;
  if (spec.tls) {
    MESH_TRY(stream,
             transport::TlsStream::make(cluster.tls, std::move(fd), cluster.config->tls->sni));
  } else {
    stream = std::make_unique<net::PlainStream>(std::move(fd));
  }
  if (!tunnel_to.empty()) stream = std::make_unique<ConnectHandshake>(std::move(stream), tunnel_to);
  if (const uint8_t version = cluster.config->proxy_protocol_version; version != 0) {
    const Client who = client != nullptr ? *client : Client{};
    stream = std::make_unique<HeaderStream>(
        std::move(stream), net::ProxyHeader::make(version, who.source, who.destination));
  }
  Transport::Owner& self = *this;
  transport_ = std::make_unique<Transport>(loop_, blocks_, self);
  MESH_TRY_VOID(transport_->start(std::move(stream), Transport::Begin::Connecting));
  deadline_.arm(cluster.config->connect_timeout);
  return {};
}

void TcpConnection::on_established() {
  deadline_.cancel();
  connected_ = true;
  if (const auto principal = transport_->stream().peer_identity(); !principal.empty())
    endpoint_->know_peer(principal);
  peer_ = endpoint_->peer();
  endpoint_->report_tcp_connected();
  owner_.on_upstream_connected();
}

void TcpConnection::on_transport_closed(std::string_view why) {
  if (connected_) {
    finish();
    return owner_.on_upstream_closed(why);
  }
  no_answer();
  fail({.failure = Failure::ConnectFailure, .kind = Kind::Connect, .text = why});
}

void TcpConnection::on_deadline(event::Deadline&) {
  no_answer();
  fail({.failure = Failure::ConnectFailure,
        .kind = Kind::ConnectTimeout,
        .text = "connect timeout"});
}

void TcpConnection::no_answer() {
  if (endpoint_ == nullptr) return;
  endpoint_->counts().add(ClusterCount::CxConnectFail);
  if (endpoint_->report_no_answer(false)) owner_.on_ejected();
}

void TcpConnection::fail(const AttemptFailure& failure) {
  finish();
  owner_.on_upstream_failed(failure);
}

void TcpConnection::close() {
  finish();
  spec_.reset();
}

// The transport may be the one that calls us: it goes when the turn ends.
void TcpConnection::finish() {
  deadline_.cancel();
  permit_.reset();
  host_permit_.reset();
  own_.leave();
  if (transport_) {
    transport_->close();
    transport_->set_codec(nullptr);
    loop_.retire(std::move(transport_));
  }
  if (endpoint_ == nullptr) return;
  endpoint_->request_ends();
  endpoint_->counts().subtract(ClusterCount::CxActive);
  std::exchange(endpoint_, nullptr)->release();
}

}  // namespace mesh::upstream
