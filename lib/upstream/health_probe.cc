#include "upstream/health_probe.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "http1/client_codec.h"
#include "http2/client_codec.h"
#include "net/socket.h"
#include "transport/tls_stream.h"
#include "upstream/grpc_health.h"

namespace mesh::upstream {

using resilience::CheckResult;
using Kind = xds::HealthCheck::Kind;

namespace {

// A HealthCheckResponse has a few bytes; more is none.
constexpr size_t kBodyBytesMax = 4096;

bool within(const std::vector<xds::HealthCheck::StatusRange>& ranges, uint16_t status) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& r) { return status >= r.from && status < r.to; });
}

// Each piece in its order; between them there may be anything (Envoy, TcpHealthCheck).
bool contains(std::string_view bytes, const std::vector<std::string>& pieces) {
  for (const std::string& piece : pieces) {
    const size_t at = bytes.find(piece);
    if (at == std::string_view::npos) return false;
    bytes.remove_prefix(at + piece.size());
  }
  return true;
}

}  // namespace

HealthProbe::HealthProbe(event::Loop& loop, http::BlockPool& blocks, Owner& owner)
    : loop_(loop), blocks_(blocks), owner_(owner), timeout_(loop.wheel(), *this) {}

// Not inside a call of theirs: they go with us, and before the blocks they hold.
HealthProbe::~HealthProbe() {
  if (stream_ != nullptr) stream_->attach(nullptr);
  if (!transport_) return;
  transport_->close();
  transport_->set_codec(nullptr);
}

void HealthProbe::close() {
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->attach(nullptr);
  connected_as_.reset();
  if (!transport_) return;
  transport_->close();
  transport_->set_codec(nullptr);
  // We may be in a call of theirs.
  loop_.retire(std::move(codec_));
  loop_.retire(std::move(transport_));
}

void HealthProbe::check(std::shared_ptr<const ClusterSpec> cluster, size_t host) {
  MESH_CHECK(!busy_);
  busy_ = true;
  ended_ = degraded_ = grpc_content_ = false;
  status_ = 0;
  grpc_status_.clear();
  body_.clear();
  failed_.clear();
  cluster_ = std::move(cluster);
  host_ = host;
  timeout_.arm(policy().policy.timeout);
  const bool same = connected_as_ != nullptr && connected_as_->tls == cluster_->tls &&
                    connected_as_->config == cluster_->config;
  if (transport_ && same && codec_ && !codec_->finished() && codec_->capacity() > 0) return ask();
  close();
  if (auto begun = connect(); !begun) {
    close();
    fail_later(begun.error().text);
  }
}

// Not in the caller's own call.
void HealthProbe::fail_later(std::string why) {
  failed_ = std::move(why);
  timeout_.arm(Duration::zero());
}

Result<net::Address> HealthProbe::address() const {
  const xds::Endpoint& e = endpoint();
  if (!e.health_check_address && policy().alt_port == 0 && e.health_check_port == 0)
    return cluster_->endpoints[host_].address;
  xds::SocketAddress address = e.address;
  if (e.health_check_address) address = *e.health_check_address;
  if (policy().alt_port != 0) address.port = policy().alt_port;
  if (e.health_check_port != 0) address.port = e.health_check_port;
  return to_address(address);
}

Result<void> HealthProbe::connect() {
  const EndpointSpec& host = cluster_->endpoints[host_];
  if (host.tls && !cluster_->tls)
    return Error{Errc::Unavailable, "the certificate or trust bundle is not there yet"};
  MESH_TRY(const auto to, address());
  MESH_TRY(UniqueFd fd, net::connect(to, cluster_->connects_from()));
  std::unique_ptr<net::Stream> stream;
  if (host.tls) {
    MESH_TRY(stream, transport::TlsStream::make(cluster_->tls, std::move(fd),
                                                cluster_->config->tls->sni, http2() ? "h2" : ""));
  } else {
    stream = std::make_unique<net::PlainStream>(std::move(fd));
  }
  Transport::Owner& self = *this;
  transport_ = std::make_unique<Transport>(loop_, blocks_, self);
  connected_as_ = cluster_;
  return transport_->start(std::move(stream), Transport::Begin::Connecting);
}

void HealthProbe::on_established() {
  if (policy().kind == Kind::Tcp) {
    if (!policy().send.empty()) transport_->write(policy().send);
    if (policy().receive.empty()) done(CheckResult::Healthy, "connected");
    return;
  }
  const std::string_view alpn = transport_->stream().alpn();
  if (alpn.empty() ? http2() : alpn == "h2")
    codec_ = std::make_unique<http2::ClientCodec>(*transport_);
  else
    codec_ = std::make_unique<http1::ClientCodec>(*transport_);
  transport_->set_codec(codec_.get());
  ask();
}

std::string_view HealthProbe::authority(const std::string& own) const {
  if (!endpoint().health_check_hostname.empty()) return endpoint().health_check_hostname;
  if (!own.empty()) return own;
  return cluster_->name();
}

void HealthProbe::ask() {
  stream_ = codec_->open(*this);
  if (stream_ == nullptr) {
    close();
    return fail_later("no stream to be had on the connection");
  }
  if (policy().kind == Kind::Grpc)
    send_grpc(*stream_);
  else
    send_http(*stream_);
}

void HealthProbe::send_http(http::Stream& stream) {
  http::RequestHead head;
  head.method = policy().method;
  head.scheme = connected_as_->endpoints[host_].tls ? "https" : "http";
  head.authority = authority(policy().host);
  head.path = policy().path;
  head.fields.add("user-agent", "Envoy/HC");
  for (const auto& [name, value] : policy().headers) head.fields.set(name, value);
  for (const auto& name : policy().headers_removed) head.fields.remove(name);
  stream.send_request_head(head, true);
}

void HealthProbe::send_grpc(http::Stream& stream) {
  http::RequestHead head;
  head.method = "POST";
  head.scheme = connected_as_->endpoints[host_].tls ? "https" : "http";
  head.authority = authority(policy().authority);
  head.path = "/grpc.health.v1.Health/Check";
  head.fields.add("content-type", "application/grpc");
  head.fields.add("te", "trailers");
  head.fields.add("user-agent", "Envoy/HC");
  for (const auto& [name, value] : policy().headers) head.fields.set(name, value);
  stream.send_request_head(head, false);
  if (stream_ == &stream) stream.send_data(grpc_health_request(policy().grpc_service), true);
}

void HealthProbe::on_first_bytes(std::string_view bytes) {
  if (busy_ && policy().kind == Kind::Tcp && contains(bytes, policy().receive))
    done(CheckResult::Healthy, "answered");
}

void HealthProbe::on_response_head(http::ResponseHead& head, bool end) {
  status_ = head.status;
  degraded_ = head.fields.get("x-envoy-degraded").has_value();
  grpc_content_ = head.fields.get("content-type").value_or("").starts_with("application/grpc");
  if (const auto status = head.fields.get("grpc-status")) grpc_status_ = *status;
  ended_ |= end;
}

void HealthProbe::on_data(std::string_view bytes, bool end) {
  if (policy().kind == Kind::Grpc && body_.size() <= kBodyBytesMax)
    body_.append(bytes.substr(0, kBodyBytesMax + 1));
  ended_ |= end;
}

void HealthProbe::on_trailers(http::Fields& trailers) {
  if (const auto status = trailers.get("grpc-status")) grpc_status_ = *status;
  ended_ = true;
}

void HealthProbe::on_closed() {
  stream_ = nullptr;
  answered();
}

void HealthProbe::answered() {
  if (policy().kind == Kind::Grpc) {
    if (status_ == 200 && grpc_content_ && grpc_status_ == "0" && grpc_health_serving(body_))
      return done(CheckResult::Healthy, "SERVING");
    if (status_ != 200) return done(CheckResult::Failed, "status " + std::to_string(status_));
    if (grpc_status_ != "0") return done(CheckResult::Failed, "grpc-status " + grpc_status_);
    return done(CheckResult::Failed, "not SERVING");
  }
  const std::string why = "status " + std::to_string(status_);
  if (within(policy().expected, status_))
    return done(degraded_ ? CheckResult::Degraded : CheckResult::Healthy, why);
  done(within(policy().retriable, status_) ? CheckResult::Retriable : CheckResult::Failed, why);
}

void HealthProbe::on_reset(http::ResetReason reason) {
  stream_ = nullptr;
  done(CheckResult::Network, http::to_string(reason));
}

void HealthProbe::on_progress() {
  if (!transport_) return;
  const bool over = transport_->state() == Transport::State::Lingering ||
                    (codec_ && codec_->finished() && codec_->open_streams() == 0);
  if (over) close();
}

void HealthProbe::on_transport_closed(std::string_view why) {
  const std::string text(why);
  close();
  if (busy_) done(CheckResult::Network, text);
}

void HealthProbe::on_deadline(event::Deadline&) {
  if (!busy_) return;
  close();
  if (failed_.empty()) return done(CheckResult::Timeout, "timeout");
  done(CheckResult::Network, std::exchange(failed_, {}));
}

void HealthProbe::done(CheckResult result, std::string_view why) {
  if (!std::exchange(busy_, false)) return;
  timeout_.cancel();
  // One that ends without its whole answer has nothing to keep.
  const bool keep = policy().reuse_connection && ended_ && policy().kind != Kind::Tcp;
  if (!keep) close();
  owner_.on_checked(result, why);
}

}  // namespace mesh::upstream
