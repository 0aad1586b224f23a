#include "grpc/message_pipe.h"

namespace mesh::grpc {

void MessagePipe::close() {
  closed_ = true;
  account(0);
}

void MessagePipe::account(size_t held) {
  if (held == accounted_) return;  // what counts may be gone before us
  held_.held += held - accounted_;
  accounted_ = held;
}

void MessagePipe::received(std::string_view bytes) {
  if (closed_ || ended_) return;
  deframer_.add(bytes);
  deliver();
  if (closed_) return;
  account(deframer_.held());
  if (held_.held > held_.max)
    broken({Code::ResourceExhausted, "too much of messages that are not whole is held"});
}

void MessagePipe::received_end() {
  if (closed_ || ended_) return;
  ended_ = true;
  deliver();
}

void MessagePipe::deliver() {
  if (delivering_) return;
  delivering_ = true;
  while (!paused_ && !closed_) {
    const auto next = deframer_.next();
    if (!next) {
      broken({next.error().kind == Errc::TooBig ? Code::ResourceExhausted : Code::Internal,
              next.error().text});
      break;
    }
    if (!*next) break;
    owner_.on_message(**next);
  }
  delivering_ = false;
  if (closed_ || paused_) return;
  account(deframer_.held());
  if (!ended_ || end_told_) return;
  end_told_ = true;
  if (deframer_.held() > 0)
    return broken({Code::Internal, "the stream ends in the middle of a message"});
  owner_.on_messages_end();
}

void MessagePipe::broken(const Status& status) {
  if (closed_) return;
  close();
  owner_.on_broken(status);
}

void MessagePipe::send(std::string_view message, bool end) {
  if (stream_ == nullptr) return;
  // Sending may end the stream: nothing is touched behind the last call.
  http::Stream* const stream = stream_;
  stream->send_data(prefix_of(message.size()), false);
  stream->send_data(message, end);
}

void MessagePipe::pause() {
  paused_ = true;
  if (stream_ != nullptr) stream_->pause();
}

void MessagePipe::resume() {
  if (!paused_) return;
  paused_ = false;
  if (stream_ != nullptr) stream_->resume();
  if (!delivering_) loop_.at_turn_end(*this);
}

}  // namespace mesh::grpc
