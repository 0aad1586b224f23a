#include "http1/client_codec.h"

#include <string>

#include "base/check.h"
#include "base/text.h"
#include "http/status.h"

namespace mesh::http1 {

using http::Protocol;
using http::ResetReason;
using Kind = Outcome::Kind;

ClientCodec::ClientCodec(http::ByteSink& sink, const http::Limits& limits)
    : Exchange(sink, limits) {}

ClientCodec::~ClientCodec() = default;

http::Stream* ClientCodec::open(http::StreamHandler& handler) {
  if (capacity() == 0) return nullptr;
  open_stream(&handler);
  head_request_ = false;
  informational_count_ = 0;
  return this;
}

Result<void> ClientCodec::receive(http::ReadBuffer& buffer) {
  buffer_ = &buffer;
  const Outcome outcome = run();
  if (outcome.kind == Kind::Bad) return fail(outcome);
  return {};
}

void ClientCodec::produce() {
  const Outcome outcome = run();
  if (outcome.kind == Kind::Bad) (void)fail(outcome);  // finished() tells
}

void ClientCodec::receive_eof() {
  eof_ = true;
  if (!buffer_)
    abort(ResetReason::ConnectionLost);
  else
    produce();
  // A stream is paused, or none is open.
  if (!finished_ && !tunnelling()) abort(ResetReason::ConnectionLost);
}

// A body that only the connection's end delimits is whole after an orderly end.
void ClientCodec::connection_lost() {
  eof_ = true;
  abort(ResetReason::ConnectionLost);
}

bool ClientCodec::wants_bytes() const { return !finished_ && !eof_ && !held(); }

void ClientCodec::drain() {
  draining_ = true;
  if (!open_) finished_ = true;
}

void ClientCodec::send_request_head(const http::RequestHead& head, bool end) {
  if (!open_) return;
  MESH_CHECK(out_ == Part::Head);
  head_request_ = head.method == "HEAD";
  if (head.asks_tunnel()) {
    tunnel_ = Tunnel::Asked;
    upgrade_ = head.upgrade;
  }
  writer_.request_head(head, end);
  out_ = Part::Body;
  if (end) send_data({}, true);
}

Outcome ClientCodec::step() {
  if (!open_) {
    if (has_unread()) return Outcome::bad(502, "bytes without a request");
    return Outcome::incomplete();
  }
  if (in_ == Part::Head) return read_response();
  if (in_ == Part::Done || waiting()) return Outcome::incomplete();
  const Outcome outcome = read_body();
  if (outcome.kind == Kind::Complete && open_ && in_ == Part::Done) complete();
  return outcome;
}

Outcome ClientCodec::read_response() {
  if (!has_unread()) return Outcome::incomplete();
  if (out_ == Part::Head) return Outcome::bad(502, "response before the request");
  const Outcome outcome = read_head([this](std::span<char> bytes) {
    return parse_response_head(bytes, limits_, head_, framing_);
  });
  if (outcome.kind != Kind::Complete) return outcome;
  bool accepted = false;
  if (tunnel_ == Tunnel::Asked)
    if (const Outcome judged = judge_tunnel(accepted); judged.kind == Kind::Bad) return judged;
  if (head_.status < 200 && !accepted) return read_informational(outcome);
  if (accepted) {
    buffer_->consume(outcome.bytes);
    buffer_->pin();
    writer_.open_tunnel();
    open_tunnel();
    if (handler_) handler_->on_response_head(head_, false);
    return outcome;
  }
  if (const Outcome framed = frame_body(); framed.kind == Kind::Bad) return framed;
  buffer_->consume(outcome.bytes);
  buffer_->pin();
  if (handler_) handler_->on_response_head(head_, in_ == Part::Done);
  if (open_ && in_ == Part::Done) complete();
  return outcome;
}

Outcome ClientCodec::judge_tunnel(bool& accepted) {
  const bool connect = upgrade_.empty();
  accepted = connect ? head_.status / 100 == 2 : head_.status == 101;
  if (!accepted) {
    if (head_.status < 200) return {};
    // A plain answer: no byte of a tunnel was sent, so the request is whole.
    tunnel_ = Tunnel::None;
    out_ = Part::Done;
    return {};
  }
  // RFC 9110 section 9.3.6: a length means nothing here.
  if (connect) {
    head_.fields.remove("content-length");
    head_.content_length.reset();
    return {};
  }
  if (framing_.chunked || head_.content_length)
    return Outcome::bad(502, "protocol switch with a body");
  if (!text::iequals(head_.upgrade, upgrade_))
    return Outcome::bad(502, "switch to a protocol that was not asked for");
  return {};
}

Outcome ClientCodec::read_informational(const Outcome& outcome) {
  if (head_.status == 101) return Outcome::bad(502, "protocol switch without a request for it");
  if (framing_.chunked || head_.content_length)
    return Outcome::bad(502, "informational response with a body");
  if (++informational_count_ > kInformationalMax)
    return Outcome::bad(502, "too many informational responses");
  buffer_->consume(outcome.bytes);
  if (handler_) handler_->on_informational(head_);
  return outcome;
}

Outcome ClientCodec::frame_body() {
  const uint64_t length = head_.content_length.value_or(0);
  const bool keep = head_.protocol == Protocol::Http11 || framing_.keep_alive;
  framing_.close = framing_.close || !keep;
  in_ = Part::Body;
  if (head_.status == 204 && (length > 0 || framing_.chunked))
    return Outcome::bad(502, "204 with a body");
  if (head_request_ || http::bodiless(head_.status)) {
    if (head_.status == 204) head_.fields.remove("content-length");
    in_ = Part::Done;
  } else if (framing_.chunked) {
    decoder_.start_chunked();
  } else if (!head_.content_length) {
    decoder_.start_until_close();
    framing_.close = true;
  } else if (length > 0) {
    decoder_.start_length(length);
  } else {
    in_ = Part::Done;
  }
  return Outcome::complete(0);
}

void ClientCodec::on_sent_all() {
  if (tunnel_ == Tunnel::Open && end_tunnel_out()) complete();
}

void ClientCodec::complete() {
  if (tunnel_ == Tunnel::Open) finished_ = true;
  // Bytes behind the response answer nothing that was asked; a request that is
  // not wholly sent leaves the rest of the wire undefined.
  if (framing_.close || draining_ || has_unread() || out_ != Part::Done || eof_) finished_ = true;
  http::StreamHandler* const handler = close_stream();
  after_close();
  if (handler) handler->on_closed();
}

void ClientCodec::settle_eof() {
  if (tunnelling()) {
    if (in_ == Part::Body && end_tunnel_in()) complete();
    return;
  }
  if (!open_ || in_ != Part::Body || !decoder_.until_close())
    return abort(ResetReason::ConnectionLost);
  in_ = Part::Done;
  if (handler_) handler_->on_data({}, true);
  if (open_) complete();
}

Result<void> ClientCodec::fail(const Outcome& outcome) {
  abort(ResetReason::ProtocolError);
  return Error{Errc::Invalid, std::string(outcome.why)};
}

}  // namespace mesh::http1
