#include "upstream/connection.h"

#include "http1/client_codec.h"
#include "http2/client_codec.h"
#include "net/proxy_protocol.h"
#include "net/socket.h"
#include "transport/tls_stream.h"
#include "upstream/cluster_spec.h"
#include "upstream/endpoint.h"
#include "upstream/header_stream.h"

namespace mesh::upstream {

Connection::Connection(Endpoint& endpoint, event::Loop& loop, http::BlockPool& blocks,
                       ConnectionPermits permits)
    : endpoint_(endpoint),
      loop_(loop),
      transport_(loop, blocks, *this),
      connect_deadline_(loop.wheel(), *this),
      permits_(std::move(permits)) {}

Connection::~Connection() {
  transport_.close();
  transport_.set_codec(nullptr);
}

Result<void> Connection::start(const ClusterSpec& cluster, const EndpointSpec& spec) {
  const xds::Cluster& config = *cluster.config;
  if (spec.tls && !cluster.tls)
    return Error{Errc::Unavailable, "the certificate or trust bundle is not there yet"};
  MESH_TRY(UniqueFd fd, net::connect(spec.address, cluster.connects_from()));
  own_.enter(endpoint_.own_connections(), fd.get(), spec.address);
  if (config.tcp_keepalive) set_keepalive(fd.get(), *config.tcp_keepalive);
  requests_max_ = config.max_requests_per_connection;
  streams_max_ = config.max_concurrent_streams;
  secure_ = spec.tls;
  prefer_http2_ = cluster.protocol == xds::UpstreamProtocol::Http2;
  std::unique_ptr<net::Stream> stream;
  if (spec.tls) {
    // As Envoy: a context without ALPN offers the protocols of the pool.
    const bool either = cluster.protocol == xds::UpstreamProtocol::Auto;
    MESH_TRY(stream, transport::TlsStream::make(
                         cluster.tls, std::move(fd), config.tls->sni,
                         either ? "h2,http/1.1" : (prefer_http2_ ? "h2" : "http/1.1")));
  } else {
    stream = std::make_unique<net::PlainStream>(std::move(fd));
  }
  // Requests of several clients share it: it is nobody's of them.
  if (config.proxy_protocol_version != 0)
    stream = std::make_unique<HeaderStream>(
        std::move(stream), net::ProxyHeader::make(config.proxy_protocol_version, {}, {}));
  MESH_TRY_VOID(transport_.start(std::move(stream), Transport::Begin::Connecting));
  connect_deadline_.arm(config.connect_timeout);
  return {};
}

http::Stream* Connection::open(http::StreamHandler& handler) {
  if (capacity() == 0) return nullptr;
  if (keepalive_) keepalive_->on_stream();
  http::Stream* const stream = codec_->open(handler);
  if (stream == nullptr) return nullptr;
  if (++streams_opened_ == requests_max_) {
    // The last one that it takes; check() closes it behind that.
    endpoint_.counts().add(ClusterCount::CxMaxRequests);
    draining_ = exhausted_ = true;
    endpoint_.on_unusable(*this);
  }
  return stream;
}

void Connection::on_established() {
  connect_deadline_.cancel();
  const std::string_view alpn = transport_.stream().alpn();
  http2_ = alpn.empty() ? prefer_http2_ : alpn == "h2";
  http::Limits limits;
  limits.http2 = endpoint_.cluster().config->http2;
  if (http2_)
    codec_ = std::make_unique<http2::ClientCodec>(transport_, limits);
  else
    codec_ = std::make_unique<http1::ClientCodec>(transport_);
  transport_.set_codec(codec_.get());
  Keepalive::Owner& owner = *this;
  if (http2_ && Keepalive::wanted(limits.http2.keepalive))
    keepalive_ = std::make_unique<Keepalive>(loop_, *codec_, limits.http2.keepalive,
                                             endpoint_.random(), owner);
  if (draining_) codec_->drain();
  // From now on the deadline bounds the connection's life.
  const Duration most = endpoint_.cluster().config->max_connection_duration;
  if (most > Duration::zero()) connect_deadline_.arm(most);
  endpoint_.on_connected(*this);
}

void Connection::on_progress() {
  if (keepalive_) keepalive_->on_progress();
  if (transport_.state() == Transport::State::Lingering) {
    // The peer broke the protocol; it gets no last words.
    transport_.close();
    return on_transport_closed("protocol error");
  }
  check();
}

void Connection::check() {
  if (closed_ || !codec_) return;
  if (exhausted_ && codec_->open_streams() == 0) codec_->drain();
  if (codec_->finished()) {
    draining_ = true;
    endpoint_.on_unusable(*this);
    transport_.close_after_flush(false, "finished");
    return;
  }
  if (codec_->capacity() > 0) endpoint_.on_room(*this);
}

void Connection::drain() {
  if (draining_ || closed_) return;
  draining_ = true;
  endpoint_.on_unusable(*this);
  if (!codec_) return;  // on_connected() drops it
  codec_->drain();
  check();
}

void Connection::on_transport_closed(std::string_view why) {
  if (closed_) return;
  closed_ = true;
  connect_deadline_.cancel();
  loop_.retire(std::move(keepalive_));
  endpoint_.on_closed(*this, why);  // retires us
}

void Connection::on_deadline(event::Deadline&) {
  if (codec_) {
    endpoint_.counts().add(ClusterCount::CxMaxDurationReached);
    return drain();
  }
  transport_.close();
  if (closed_) return;
  closed_ = true;
  endpoint_.on_closed(*this, kConnectTimeout);
}

}  // namespace mesh::upstream
