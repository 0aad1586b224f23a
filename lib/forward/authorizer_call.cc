#include "forward/authorizer_call.h"

#include "forward/connection.h"
#include "forward/worker.h"
#include "resilience/deadline.h"
#include "xds/check_codec.h"

namespace mesh::forward {

AuthorizerCall::AuthorizerCall(Worker& worker, View& view, Owner& owner)
    : worker_(worker),
      view_(view),
      owner_(owner),
      attempt_(worker.loop(), *this),
      deadline_(worker.loop().wheel(), *this) {
  view_.retain();
}

AuthorizerCall::~AuthorizerCall() {
  attempt_.cancel(std::nullopt);
  view_.release();
}

void AuthorizerCall::start(const authz::ExtAuthz& config, const authz::CheckRequest& request) {
  config_ = &config;
  active_ = true;
  View::Entry* const cluster = view_.find(config.cluster);
  // A cluster whose hosts each request names itself has none for a question of ours.
  if (cluster == nullptr || cluster->cluster->variants() != nullptr) return fail();
  // A tunnel can be asked for, but not asked about, over HTTP.
  if (!config.grpc && request.head.is_connect()) return fail();
  cluster_ = cluster->cluster.get();
  make_head(request);
  // While the cluster gets ready nobody is slow.
  const Duration more = cluster_->cold() ? upstream::Cluster::kColdMax : Duration::zero();
  if (config.timeout > Duration::zero()) deadline_.arm(config.timeout + more);
  try_once();
}

void AuthorizerCall::make_head(const authz::CheckRequest& request) {
  if (config_->grpc) {
    check_.method = "POST";
    check_.path = xds::kCheckPath;
    check_.authority = config_->authority;
    check_.body = xds::encode_check(*config_, request);
    check_.fields.emplace_back("content-type", "application/grpc");
    check_.fields.emplace_back("te", "trailers");
    if (config_->timeout > Duration::zero()) {
      char text[resilience::kGrpcTimeoutBytes];
      check_.fields.emplace_back("grpc-timeout",
                                 resilience::format_grpc_timeout(config_->timeout, text));
    }
    for (const auto& field : config_->metadata) check_.fields.push_back(field);
  } else {
    check_ = authz::http_check(*config_, request);
    head_.content_length = check_.body.size();
  }
  head_.method = check_.method;
  head_.scheme = "http";
  head_.authority = check_.authority;
  head_.path = check_.path;
  head_.protocol = config_->grpc ? http::Protocol::Http2 : http::Protocol::Http11;
  for (const auto& [name, value] : check_.fields) head_.fields.add(name, value);
}

void AuthorizerCall::try_once() {
  static constexpr balance::PickContext kAnybody;
  attempt_.start(*cluster_, worker_.random(), kAnybody);
}

void AuthorizerCall::cancel() {
  active_ = false;
  deadline_.cancel();
  attempt_.cancel(std::nullopt);
}

void AuthorizerCall::finish(authz::CheckAnswer answer) {
  if (!active_) return;
  cancel();
  owner_.on_authorizer_answer(answer);
}

void AuthorizerCall::on_attempt_ready(upstream::Attempt&, http::Stream& stream) {
  attempt_.set_request_started();
  stream.send_request_head(head_, check_.body.empty());
  // Sending may end the stream: then it is not ours any more.
  if (!check_.body.empty() && attempt_.stream() == &stream) stream.send_data(check_.body, true);
}

void AuthorizerCall::on_attempt_head(upstream::Attempt&, http::ResponseHead& head, bool) {
  has_head_ = true;
  answer_.status = head.status;
  for (const http::Field& field : head.fields)
    answer_.fields.add(texts_.emplace_back(field.name), texts_.emplace_back(field.value));
  if (const auto status = head.fields.get("grpc-status")) grpc_status_ = *status;
}

void AuthorizerCall::on_attempt_data(upstream::Attempt&, std::string_view bytes, bool) {
  const size_t most = config_->grpc ? xds::kCheckAnswerBytesMax : kBodyBytesMax;
  if (body_.size() + bytes.size() > most) return fail();
  body_.append(bytes);
}

void AuthorizerCall::on_attempt_trailers(upstream::Attempt&, http::Fields& trailers) {
  if (const auto status = trailers.get("grpc-status")) grpc_status_ = *status;
}

void AuthorizerCall::on_attempt_closed(upstream::Attempt&) {
  if (active_) read_answer();
}

void AuthorizerCall::read_answer() {
  if (!has_head_) return fail();
  if (!config_->grpc) return finish(authz::read_http_answer(*config_, answer_, std::move(body_)));
  if (answer_.status != 200 || grpc_status_ != "0") return fail();
  finish(xds::decode_check(body_));
}

void AuthorizerCall::on_attempt_failed(upstream::Attempt&,
                                       const upstream::AttemptFailure& failure) {
  if (!active_) return;
  if (failure.untouched && untouched_ < kUntouchedRetriesMax) {
    ++untouched_;
    return try_once();
  }
  fail();
}

void AuthorizerCall::on_ejected() { worker_.on_ejection(); }

void AuthorizerCall::on_deadline(event::Deadline&) {
  if (!active_) return;
  attempt_.cancel(uint16_t(504));  // the host is judged
  fail();
}

authz::CheckPeer client_peer(Connection& connection) {
  const net::Address address = connection.remote_address();
  return {.host = address.host(),
          .port = address.port(),
          .principal = connection.stream().peer_identity()};
}

authz::CheckPeer own_peer(Connection& connection) {
  const net::Address address = connection.local_address();
  return {.host = address.host(),
          .port = address.port(),
          .principal = connection.secure()
                           ? std::string_view(connection.view().snapshot().principal)
                           : std::string_view()};
}

}  // namespace mesh::forward
