// The way back: upstream events, answers of our own, the end of an exchange. The
// way there is in exchange.cc.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "forward/connection.h"
#include "forward/exchange.h"
#include "forward/head_rules.h"
#include "forward/worker.h"
#include "route/rewrite.h"

namespace mesh::forward {
namespace {

using telemetry::Flag;
using upstream::AttemptFailure;

// What the log and the client are told of each way to fail before an answer.
struct FailureText {
  AttemptFailure::Kind kind;
  Flag flag;
  std::string_view details;
  std::string_view sentence;
};
constexpr std::array kFailures = std::to_array<FailureText>({
    {AttemptFailure::Kind::NoHost, Flag::NoHealthyUpstream, "no_healthy_upstream",
     "no healthy upstream"},
    {AttemptFailure::Kind::Overflow, Flag::UpstreamOverflow,
     "upstream_reset_before_response_started{overflow}", "the upstream's limits are reached"},
    {AttemptFailure::Kind::Connect, Flag::UpstreamConnectionFailure,
     "upstream_reset_before_response_started{connection_failure}",
     "the upstream cannot be connected to"},
    {AttemptFailure::Kind::ConnectTimeout, Flag::UpstreamConnectionFailure,
     "upstream_reset_before_response_started{connection_timeout}",
     "the upstream did not accept the connection in time"},
    {AttemptFailure::Kind::Lost, Flag::UpstreamConnectionTermination,
     "upstream_reset_before_response_started{connection_termination}",
     "the upstream closed the connection before it answered"},
    {AttemptFailure::Kind::RemoteReset, Flag::UpstreamRemoteReset,
     "upstream_reset_before_response_started{remote_reset}",
     "the upstream reset the request before it answered"},
    {AttemptFailure::Kind::Protocol, Flag::UpstreamProtocolError,
     "upstream_reset_before_response_started{protocol_error}",
     "the upstream's response breaks the protocol"},
});

constexpr bool in_order() {
  for (size_t i = 0; i < kFailures.size(); ++i)
    if (size_t(kFailures[i].kind) != i) return false;
  return true;
}
static_assert(in_order(), "kFailures is indexed by Kind");

const FailureText& text_of(AttemptFailure::Kind kind) { return kFailures[size_t(kind)]; }

// gRPC's status for an HTTP one (grpc/doc/http-grpc-status-mapping.md).
int grpc_status_of(uint16_t status) {
  switch (status) {
    case 400: return 13;
    case 401: return 16;
    case 403: return 7;
    case 404: return 12;
    case 429:
    case 502:
    case 503:
    case 504: return 14;
    default: return 2;
  }
}

std::optional<uint8_t> grpc_status_in(const http::Fields& fields) {
  const auto text = fields.get("grpc-status");
  uint8_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

}  // namespace

void Exchange::on_attempt_informational(http::ResponseHead& head) {
  last_active_ = worker_.loop().now();
  if (phase_ == Phase::Trying && down_ != nullptr && head_->protocol != http::Protocol::Http10)
    down_->send_informational(head);
}

void Exchange::on_attempt_head(http::ResponseHead& head, bool end) {
  if (phase_ != Phase::Trying) return;
  last_active_ = worker_.loop().now();
  resilience::Outcome outcome;
  outcome.status = head.status;
  outcome.request_started = true;
  if (grpc_) outcome.grpc_status = grpc_status_in(head.fields);
  if (route_->retry && retry(outcome)) return attempt_.abandon(head, end, request_ended_);

  try_deadline_.cancel();
  retry_permit_.reset();
  phase_ = Phase::Answering;
  status_ = head.status;
  details_ = "via_upstream";
  response_start_ = last_active_;
  response_fields_ = &head.fields;
  if (outcome.grpc_status) grpc_status_ = *outcome.grpc_status;
  if (!body_.empty() || keep_body_) {
    keep_body_ = false;
    body_lost_ = true;
    body_.clear();
  }
  service_time_ = response_start_ - (request_ended_ ? request_end_ : start_);
  if (!inbound_) add_service_time(head.fields, service_time_, scratch_);
  route::apply(route_->response_edits, head.fields);
  if (end) response_complete();
  if (down_ != nullptr) down_->send_response_head(head, end);
}

void Exchange::on_attempt_data(std::string_view bytes, bool end) {
  if (phase_ != Phase::Answering || down_ == nullptr) return;
  last_active_ = worker_.loop().now();
  response_bytes_ += bytes.size();
  if (end) response_complete();
  down_->send_data(bytes, end);
  if (down_ != nullptr && !end && down_->buffered() > http::Stream::kBufferedHigh) attempt_.pause();
}

void Exchange::on_attempt_trailers(http::Fields& trailers) {
  if (phase_ != Phase::Answering || down_ == nullptr) return;
  last_active_ = worker_.loop().now();
  if (grpc_)
    if (const auto status = grpc_status_in(trailers)) grpc_status_ = *status;
  response_complete();
  down_->send_trailers(trailers);
}

void Exchange::response_complete() {
  phase_ = Phase::Answered;
  request_deadline_.cancel();
}

void Exchange::on_attempt_closed() {
  response_fields_ = nullptr;
  if (phase_ == Phase::Answered && held_) release_downstream();  // the rest is dropped
  try_to_recycle();
}

void Exchange::on_attempt_failed(const AttemptFailure& failure) {
  response_fields_ = nullptr;
  if (down_ == nullptr) return try_to_recycle();
  const FailureText& text = text_of(failure.kind);
  if (phase_ == Phase::Answering)
    return fail_midway(text.flag, "upstream_reset_after_response_started");
  if (phase_ != Phase::Trying) return;  // answered: the end of the attempt is of no interest
  transport_failure_.assign(failure.text);
  if (failure.untouched && replayable() && untouched_retries_ < kUntouchedRetriesMax) {
    ++untouched_retries_;
    --tries_;
    phase_ = Phase::Holding;
    return hold_.arm(Duration::zero());
  }
  resilience::Outcome outcome;
  outcome.failure = failure.failure;
  outcome.request_started = attempt_.request_started();
  if (retry(outcome)) return;
  std::string body(text.sentence);
  if (failure.kind == AttemptFailure::Kind::Connect && !failure.text.empty())
    body.append(": ").append(failure.text);
  reply(503, text.flag, text.details, body);
}

void Exchange::on_ejected() { worker_.on_ejection(); }

// The response has begun: all that is left is to break it off.
void Exchange::fail_midway(Flag flag, std::string_view details) {
  flags_.add(flag);
  details_ = details;
  attempt_.cancel(std::nullopt);
  if (http::Stream* const down = down_) {
    Connection& connection = *connection_;
    conclude();  // while the head is there to be logged
    down->reset(http::ResetReason::ConnectionLost);
    connection.look_again();
    return;
  }
  try_to_recycle();
}

void Exchange::reply(uint16_t status, telemetry::Flags flags, std::string_view details,
                     std::string_view body, int grpc_status) {
  if (down_ == nullptr) return;
  hold_.cancel();
  try_deadline_.cancel();
  request_deadline_.cancel();
  retry_permit_.reset();
  flags_ = telemetry::Flags::from_bits(flags_.bits() | flags.bits());
  details_ = details;
  phase_ = Phase::Answered;
  body_.clear();
  own_response_.clear();
  own_response_.status = status_ = status;
  char number[24];
  const auto as_text = [&](uint64_t n) {
    const auto end = std::to_chars(number, number + sizeof number, n).ptr;
    return scratch_.keep({number, size_t(end - number)});
  };
  http::Fields& fields = own_response_.fields;
  if (grpc_) {
    own_response_.status = status_ = 200;
    grpc_status_ = grpc_status >= 0 ? grpc_status : grpc_status_of(status);
    fields.add("content-type", "application/grpc");
    fields.add("grpc-status", as_text(uint64_t(grpc_status_)));
    if (!body.empty()) fields.add("grpc-message", scratch_.keep(body));
    body = {};
  } else {
    own_response_.content_length = body.size();
    fields.add("content-length", as_text(body.size()));
    if (!body.empty()) fields.add("content-type", "text/plain");
  }
  if (route_ != nullptr) route::apply(route_->response_edits, fields);
  const bool headless = head_->method == "HEAD" || body.empty();
  if (!headless) response_bytes_ = body.size();
  http::Stream& down = *down_;
  down.send_response_head(own_response_, headless);
  if (!headless && down_ == &down) down.send_data(body, true);
  // What is left of the request is of no use; the codec drops or refuses it.
  if (held_ && down_ == &down) release_downstream();
}

// The downstream's stream is over. Its head's views are gone after this.
void Exchange::conclude() {
  if (down_ == nullptr) return;
  const Duration duration = worker_.loop().now() - start_;
  if (head_ != nullptr) {
    record(duration);
    if (!chain_->logs.empty()) log(duration);
  }
  down_ = nullptr;
  head_ = nullptr;
  trailers_ = nullptr;
  hold_.cancel();
  try_deadline_.cancel();
  request_deadline_.cancel();
  if (phase_ != Phase::Answered) {
    phase_ = Phase::Answered;
    attempt_.cancel(std::nullopt);
  }
  try_to_recycle();
}

void Exchange::record(Duration duration) {
  telemetry::RequestFacts facts;
  facts.status = status_;
  facts.flags = flags_;
  if (grpc_) {
    facts.protocol = telemetry::RequestProtocol::Grpc;
    if (grpc_status_ >= 0) facts.grpc_status = uint8_t(grpc_status_);
  }
  if (inbound_) {
    facts.security =
        connection_->secure() ? telemetry::Security::MutualTls : telemetry::Security::None;
    if (connection_->secure()) facts.peer = connection_->peer();
  } else if (tries_ > 0) {
    facts.security = attempt_.secure() ? telemetry::Security::MutualTls : telemetry::Security::None;
    facts.peer = attempt_.peer();
  }
  facts.duration = duration;
  facts.request_bytes = request_bytes_;
  facts.response_bytes = response_bytes_;
  telemetry::Scope& scope =
      cluster_ != nullptr ? view_->scope(*cluster_, inbound_) : view_->no_cluster(inbound_);
  scope.record(facts);
}

void Exchange::log(Duration duration) {
  telemetry::AccessEntry entry;
  entry.start = start_wall_;
  entry.method = head_->method;
  entry.scheme = head_->scheme;
  entry.authority = head_->authority;
  entry.path = head_->path;
  if (head_->path.data() != original_path_.data()) entry.original_path = original_path_;
  entry.request_fields = &head_->fields;
  entry.response_fields = response_fields_;
  entry.protocol = http::to_string(head_->protocol);
  entry.status = status_;
  entry.flags = flags_;
  entry.status_details = details_;
  entry.transport_failure = transport_failure_;
  entry.bytes_received = request_bytes_;
  entry.bytes_sent = response_bytes_;
  entry.duration = duration;
  if (request_ended_) entry.request_duration = std::max(Duration(0), request_end_ - start_);
  if (response_start_ != Instant{}) entry.response_duration = response_start_ - start_;
  entry.upstream_service_time = service_time_;
  if (route_ != nullptr) entry.route_name = route_->name;
  if (cluster_ != nullptr) entry.upstream_cluster = cluster_->cluster->spec().name();
  if (tries_ > 0) entry.upstream_host = attempt_.host_text();
  entry.attempts = tries_;
  entry.downstream_local_address = connection_->local_text();
  entry.downstream_remote_address = connection_->remote_text();
  net::Stream& stream = connection_->stream();
  entry.downstream_peer_uri_san = stream.peer_identity();
  entry.downstream_tls_version = stream.tls_version();
  entry.downstream_tls_cipher = stream.tls_cipher();
  entry.requested_server_name = stream.sni();
  for (const auto& sink : chain_->logs) worker_.log(sink, entry);
}

// Both streams are gone: as new, and back to the worker.
void Exchange::try_to_recycle() {
  if (phase_ == Phase::Free || down_ != nullptr || attempt_.active()) return;
  phase_ = Phase::Free;
  connection_ = nullptr;
  chain_ = nullptr;
  route_ = nullptr;
  cluster_ = nullptr;
  request_ended_ = keep_body_ = body_lost_ = held_ = grpc_ = false;
  pending_ = {};
  tries_ = untouched_retries_ = tried_count_ = 0;
  retry_permit_.reset();
  request_end_ = response_start_ = Instant{};
  request_bytes_ = response_bytes_ = 0;
  status_ = 0;
  grpc_status_ = -1;
  service_time_ = Duration(-1);
  flags_ = {};
  details_ = {};
  transport_failure_.clear();
  response_fields_ = nullptr;
  body_.clear();
  if (body_.capacity() > 4096) body_.shrink_to_fit();
  scratch_.clear();
  std::exchange(view_, nullptr)->release();
  worker_.recycle(*this);
}

}  // namespace mesh::forward
