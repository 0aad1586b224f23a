#include "cmd/certd/sds_stream.h"

#include <utility>

#include "base/log.h"

namespace mesh::certd {
namespace {

constexpr Duration kFirstRequest = std::chrono::seconds(30);
constexpr size_t kQueuedMax = 256U << 10;
constexpr size_t kNamesMax = 16;
constexpr std::string_view kSecretType =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

ads::AdsStream::Limits limits() {
  ads::AdsStream::Limits limits;
  limits.names_max = kNamesMax;
  return limits;
}

}  // namespace

SdsStream::SdsStream(event::Loop& loop, SdsServer& server, grpc::ServerCall& call,
                     ads::AdsStream::Variant variant)
    : loop_(loop),
      server_(server),
      call_(call),
      variant_(variant),
      ads_(variant, {{.url = kSecretType}}, limits()),
      deadline_(loop.wheel(), *this) {
  deadline_.arm(kFirstRequest);
  offer_roots(server.roots());
}

SdsStream::~SdsStream() { close(); }

void SdsStream::close() {
  if (std::exchange(closed_, true)) return;
  deadline_.cancel();
  server_.left(*this);
}

void SdsStream::end(const grpc::Status& status) {
  if (closed_) return;
  close();
  call_.finish(status);
}

void SdsStream::on_deadline(event::Deadline&) {
  end({grpc::Code::DeadlineExceeded, "no request came"});
}

void SdsStream::offer(std::string_view name, const SdsServer::Secret& secret) {
  if (secret.body == nullptr) return;
  ads_.offer(0, name, secret.version, secret.body);
  if (!closed_) loop_.at_turn_end(*this);
}

void SdsStream::offer_own(const SdsServer::Secret& secret) { offer(SdsServer::kOwn, secret); }
void SdsStream::offer_roots(const SdsServer::Secret& secret) {
  offer(SdsServer::kRoots, secret);
  // Nothing is said, not even that there is none, before the authority can sign.
  if (secret.body != nullptr) ads_.mark(0, secret.version);
}

// The key is made when it is asked for, and not before.
void SdsStream::look_again() {
  if (closed_ || has_own_ || !ads_.wants(0, SdsServer::kOwn)) return;
  const auto secret = server_.own(call_.peer().uid.value_or(UINT32_MAX), *this);
  if (!secret && secret.error().kind == Errc::Unavailable) return;
  if (!secret) return end(grpc::Status::of(secret.error()));
  has_own_ = true;
  offer_own(*secret);
}

template <class Request>
Result<ads::AdsStream::Events> SdsStream::take(std::string_view message) {
  Request request;
  if (!request.ParseFromArray(message.data(), int(message.size())))
    return Error{Errc::Invalid, "the request does not parse"};
  return ads_.take(request);
}

void SdsStream::on_message(std::string_view message) {
  if (closed_) return;
  const auto events = variant_ == ads::AdsStream::Variant::Incremental
                          ? take<ads::pb::DeltaDiscoveryRequest>(message)
                          : take<ads::pb::DiscoveryRequest>(message);
  if (!events) return end(grpc::Status::of(events.error()));
  deadline_.cancel();
  if (events->refused)
    log::warning("sds: a secret is refused",
                 {{"peer", call_.peer().text()}, {"reason", events->reason}});
  look_again();
  if (!closed_) loop_.at_turn_end(*this);
}

void SdsStream::flush() {
  while (!closed_ && call_.buffered() <= kQueuedMax) {
    const auto response = ads_.next();
    if (!response) return;
    call_.send(*response);
  }
}

}  // namespace mesh::certd
