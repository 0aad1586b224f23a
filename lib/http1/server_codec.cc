#include "http1/server_codec.h"

#include <string>

#include "base/check.h"
#include "http/status.h"

namespace mesh::http1 {

using http::Protocol;
using http::ResetReason;
using Kind = Outcome::Kind;

ServerCodec::ServerCodec(http::ByteSink& sink, http::ServerHandler& handler,
                         std::string_view scheme, const http::Limits& limits)
    : Exchange(sink, limits), handler_of_streams_(handler), scheme_(scheme) {}

ServerCodec::~ServerCodec() = default;

Result<void> ServerCodec::receive(http::ReadBuffer& buffer) {
  buffer_ = &buffer;
  const Outcome outcome = run();
  if (outcome.kind == Kind::Bad) return refuse(outcome);
  return {};
}

void ServerCodec::produce() {
  const Outcome outcome = run();
  if (outcome.kind == Kind::Bad) (void)refuse(outcome);  // finished() tells
}

void ServerCodec::receive_eof() {
  eof_ = true;
  if (!buffer_)
    finished_ = true;
  else
    produce();
  // A paused request is not read to its end: nobody is there for its answer.
  if (!finished_ && !tunnelling()) settle_eof();
}

void ServerCodec::connection_lost() {
  eof_ = true;
  abort(ResetReason::ConnectionLost);
}

void ServerCodec::settle_eof() {
  if (!tunnelling()) return abort(ResetReason::ConnectionLost);
  if (in_ == Part::Body && end_tunnel_in()) complete();
}

bool ServerCodec::wants_bytes() const {
  if (finished_ || eof_ || held()) return false;
  // A request behind the present one waits; one read is enough to know of it.
  return !(open_ && in_ == Part::Done && has_unread());
}

void ServerCodec::drain() {
  draining_ = true;
  if (!open_) finished_ = true;
}

Outcome ServerCodec::step() {
  if (!open_ && !discarding_) return read_request();
  if (in_ != Part::Body || waiting()) return Outcome::incomplete();
  const size_t before = buffer_->unread().size();
  const Outcome outcome = read_body();
  if (!discarding_ || finished_ || outcome.kind != Kind::Complete) return outcome;
  if (in_ == Part::Done) {
    discarding_ = false;
    return outcome;
  }
  const size_t taken = before - buffer_->unread().size();
  if (taken >= discard_left_)
    finished_ = true;
  else
    discard_left_ -= taken;
  return outcome;
}

Outcome ServerCodec::read_request() {
  const std::span<char> in = buffer_->unread();
  if (in.empty()) return Outcome::incomplete();
  // RFC 9112 section 2.2: one empty line before a request is ignored.
  if (in[0] == '\r' && !skipped_line_) {
    if (in.size() < 2) return Outcome::incomplete();
    if (in[1] != '\n') return Outcome::bad(400, "bare CR");
    skipped_line_ = true;
    scanned_ = 0;
    buffer_->consume(2);
    return Outcome::complete(2);
  }
  const Outcome outcome = read_head([this](std::span<char> bytes) {
    return parse_request_head(bytes, limits_, head_, framing_);
  });
  if (outcome.kind != Kind::Complete) return outcome;
  skipped_line_ = false;
  give_query_a_slash(head_);
  if (head_.scheme.empty()) head_.scheme = scheme_;
  head_request_ = head_.method == "HEAD";
  buffer_->consume(outcome.bytes);
  buffer_->pin();

  open_stream(nullptr);
  const uint64_t length = head_.content_length.value_or(0);
  if (framing_.chunked)
    decoder_.start_chunked();
  else
    decoder_.start_length(length);
  in_ = framing_.chunked || length > 0 ? Part::Body : Part::Done;
  if (head_.asks_tunnel()) {
    tunnel_ = Tunnel::Asked;
    in_ = Part::Body;
  }
  http::StreamHandler* const handler = handler_of_streams_.on_stream(*this);
  if (!open_) return outcome;  // answered or reset already
  if (!handler) return Outcome::bad(503, "refused by the server");
  handler_ = handler;
  handler_->on_request_head(head_, in_ == Part::Done);
  return outcome;
}

void ServerCodec::send_informational(const http::ResponseHead& head) {
  if (!open_) return;
  MESH_CHECK(out_ == Part::Head);
  // RFC 9110 section 15.2: HTTP/1.0 knows no 1xx.
  if (head_.protocol == Protocol::Http11) writer_.informational(head);
}

void ServerCodec::send_response_head(const http::ResponseHead& head, bool end) {
  if (!open_) return;
  MESH_CHECK(out_ == Part::Head);
  if (tunnel_ == Tunnel::Asked) {
    const bool accepted = head_.is_connect() ? head.status / 100 == 2 : head.status == 101;
    if (accepted) return answer_tunnel(head, end);
    // What follows on the wire was perhaps not meant for us to read.
    tunnel_ = Tunnel::None;
    in_ = Part::Done;
    framing_.close = true;
  }
  const bool http10 = head_.protocol == Protocol::Http10;
  const bool keep = http10 ? framing_.keep_alive && !framing_.close : !framing_.close;
  MessageWriter::ResponseFraming framing;
  framing.bodiless = head_request_ || http::bodiless(head.status);
  framing.http10 = http10;
  framing.close = framing_.close = !keep || draining_;
  framing.say_keep_alive = http10;
  if (writer_.response_head(head, end, framing)) framing_.close = true;
  out_ = Part::Body;
  if (end) send_data({}, true);
}

void ServerCodec::answer_tunnel(const http::ResponseHead& head, bool end) {
  writer_.tunnel_head(head);
  framing_.close = true;
  out_ = Part::Body;
  open_tunnel();
  if (end) send_data({}, true);
}

void ServerCodec::on_sent_all() {
  if (tunnel_ == Tunnel::Open) {
    if (end_tunnel_out()) complete();
    return;
  }
  if (framing_.close || draining_) finished_ = true;
  if (in_ == Part::Body) {
    discarding_ = true;
    discard_left_ = limits_.discard_bytes_max;
    if (decoder_.length_left() > discard_left_) finished_ = true;
  }
  complete();
}

void ServerCodec::complete() {
  if (tunnel_ == Tunnel::Open) finished_ = true;
  http::StreamHandler* const handler = close_stream();
  after_close();
  if (handler) handler->on_closed();
}

// Tells the open stream, answers where no answer has begun, and ends all.
Result<void> ServerCodec::refuse(const Outcome& outcome) {
  const bool answered = open_ && out_ != Part::Head;
  abort(ResetReason::ProtocolError);
  // A response that was complete before the fault stands; nobody asked again.
  if (!answered && !discarding_) writer_.refusal(outcome.status);
  return Error{Errc::Invalid, std::string(outcome.why)};
}

}  // namespace mesh::http1
