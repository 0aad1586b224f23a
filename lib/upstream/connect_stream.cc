#include "upstream/connect_stream.h"

#include <utility>

namespace mesh::upstream {

ConnectStream::~ConnectStream() { close(); }

void ConnectStream::on_upstream_connected() {
  open_ = true;
  connection_.transport().set_codec(this);
  owner_.on_connect_ready(*this);
}

void ConnectStream::on_upstream_failed(const AttemptFailure& failure) {
  owner_.on_connect_failed(failure);
}

void ConnectStream::send_request_head(const http::RequestHead&, bool) {
  if (!open_) return;
  asked_ = true;
  connection_.transport().want_produce();
}

void ConnectStream::produce() {
  if (!open_ || !asked_ || std::exchange(answered_, true)) return;
  answer_.status = 200;
  if (handler_ != nullptr) handler_->on_response_head(answer_, false);
}

void ConnectStream::send_data(std::string_view bytes, bool end) {
  if (!open_ || out_ended_) return;
  Transport& transport = connection_.transport();
  if (!bytes.empty()) transport.pass(bytes);
  if (transport.pending() > kBufferedHigh) blocked_ = true;
  if (!end) return;
  out_ended_ = true;
  transport.end_write();
}

size_t ConnectStream::buffered() const {
  return open_ ? const_cast<TcpConnection&>(connection_).transport().pending() : 0;
}

void ConnectStream::resume() {
  if (std::exchange(paused_, false) && open_) connection_.transport().kick();
}

Result<void> ConnectStream::receive(http::ReadBuffer& buffer) {
  const auto unread = buffer.unread();
  if (unread.empty()) return {};
  buffer.consume(unread.size());
  if (open_ && handler_ != nullptr) handler_->on_data({unread.data(), unread.size()}, false);
  return {};
}

void ConnectStream::receive_eof() {
  if (!open_ || std::exchange(in_ended_, true)) return;
  if (handler_ != nullptr) handler_->on_data({}, true);
}

// Our last bytes are sent by then, and the peer has said its last.
void ConnectStream::on_upstream_progress() {
  if (!open_ || !connection_.transport().ended()) return;
  open_ = false;
  if (http::StreamHandler* const handler = std::exchange(handler_, nullptr)) handler->on_closed();
}

void ConnectStream::connection_lost() {
  if (!std::exchange(open_, false)) return;
  if (http::StreamHandler* const handler = std::exchange(handler_, nullptr))
    handler->on_reset(http::ResetReason::ConnectionLost);
}

void ConnectStream::on_sink_drained() {
  if (!blocked_ || connection_.transport().pending() > kBufferedLow) return;
  blocked_ = false;
  if (handler_ != nullptr) handler_->on_send_room();
}

void ConnectStream::on_upstream_closed(std::string_view) { connection_lost(); }

void ConnectStream::close() {
  cut_short_ = open_;
  open_ = false;
  handler_ = nullptr;
  connection_.close();
}

}  // namespace mesh::upstream
