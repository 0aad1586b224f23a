#include "http1/exchange.h"

#include <utility>

#include "base/check.h"

namespace mesh::http1 {

using http::ResetReason;
using http::StreamHandler;

void Exchange::send_data(std::string_view bytes, bool end) {
  if (!open_) return;
  MESH_CHECK(out_ == Part::Body);
  if (!writer_.data(bytes, end)) return abort(ResetReason::InternalError);
  if (sink_.pending() > kBufferedHigh) blocked_ = true;
  if (!end) return;
  out_ = Part::Done;
  on_sent_all();
}

void Exchange::send_trailers(const http::Fields& trailers) {
  if (!open_) return;
  MESH_CHECK(out_ == Part::Body);
  if (!writer_.trailers(trailers)) return abort(ResetReason::InternalError);
  out_ = Part::Done;
  on_sent_all();
}

void Exchange::reset(ResetReason) {
  if (!open_) return;
  finished_ = true;  // HTTP/1 can give up a message only with its connection
  close_stream();
  after_close();
}

void Exchange::resume() {
  if (!std::exchange(paused_, false)) return;
  if (!running_ && open_ && (has_unread() || eof_)) sink_.want_produce();
}

Outcome Exchange::run() {
  if (running_ || !buffer_) return Outcome::incomplete();
  running_ = true;
  Outcome outcome = Outcome::complete(0);
  while (!finished_ && outcome.kind == Outcome::Kind::Complete) outcome = step();
  if (eof_ && !finished_ && !held() && outcome.kind == Outcome::Kind::Incomplete) settle_eof();
  running_ = false;
  buffer_->release_if_empty();
  return outcome;
}

Outcome Exchange::read_body() {
  BodyDecoder::Piece piece;
  const Outcome outcome = decoder_.next(buffer_->unread(), piece);
  if (outcome.kind != Outcome::Kind::Complete) return outcome;
  buffer_->consume(outcome.bytes);
  if (piece.end) in_ = Part::Done;
  if (!handler_) return outcome;
  if (piece.trailers)
    handler_->on_trailers(decoder_.trailers());
  else if (piece.end || !piece.data.empty())
    handler_->on_data(piece.data, piece.end);
  return outcome;
}

void Exchange::open_stream(StreamHandler* handler) {
  open_ = true;
  paused_ = blocked_ = false;
  handler_ = handler;
  in_ = out_ = Part::Head;
  tunnel_ = Tunnel::None;
}

StreamHandler* Exchange::close_stream() {
  open_ = paused_ = blocked_ = false;
  if (buffer_) buffer_->unpin();
  return std::exchange(handler_, nullptr);
}

void Exchange::open_tunnel() {
  tunnel_ = Tunnel::Open;
  in_ = Part::Body;
  decoder_.start_until_close();
  if (!running_ && (has_unread() || eof_)) sink_.want_produce();
}

bool Exchange::end_tunnel_in() {
  in_ = Part::Done;
  if (handler_) handler_->on_data({}, true);
  return open_ && out_ == Part::Done;
}

bool Exchange::end_tunnel_out() {
  sink_.end_write();
  return in_ == Part::Done;
}

void Exchange::abort(ResetReason reason) {
  finished_ = true;
  if (!open_) return;
  StreamHandler* const handler = close_stream();
  after_close();
  if (handler) handler->on_reset(reason);
}

void Exchange::sink_drained() {
  if (!blocked_ || sink_.pending() > kBufferedLow) return;
  blocked_ = false;
  if (handler_) handler_->on_send_room();
}

void Exchange::after_close() {
  if (running_ || !buffer_) return;
  if (has_unread() && !finished_)
    sink_.want_produce();
  else
    buffer_->release_if_empty();
}

}  // namespace mesh::http1
