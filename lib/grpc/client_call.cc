#include "grpc/client_call.h"

#include <utility>

#include "grpc/client_connection.h"
#include "grpc/timeout.h"

namespace mesh::grpc {

ClientCall::ClientCall(event::Loop& loop, Channel& channel, std::string path, CallOptions options,
                       CallEvents& events, HeldBytes& held, size_t message_bytes_max)
    : loop_(loop),
      channel_(&channel),
      path_(std::move(path)),
      options_(std::move(options)),
      events_(&events),
      pipe_(loop, *this, held, message_bytes_max),
      deadline_(loop.wheel(), *this) {
  if (options_.timeout > Duration(0)) deadline_.arm(options_.timeout);
}

bool ClientCall::open(ClientConnection& connection, const std::string& authority) {
  http::RequestHead head;
  head.method = "POST";
  head.scheme = connection.secure() ? "https" : "http";
  head.authority = authority;
  head.path = path_;
  head.fields.add("content-type", "application/grpc");
  head.fields.add("te", "trailers");
  std::string timeout;
  if (deadline_.armed()) {
    timeout = format_timeout(deadline_.at() - loop_.now());
    head.fields.add("grpc-timeout", timeout);
  }
  std::vector<std::string> memory;
  if (const auto added = add_metadata(options_.metadata, head.fields, memory); !added) {
    fail(Status::of(added.error()));
    return true;
  }
  http::StreamHandler& handler = *this;
  http::Stream* const stream = connection.open(handler);
  if (stream == nullptr) return false;
  state_ = State::Open;
  connection_ = &connection;
  pipe_.set_stream(stream);
  stream->send_request_head(head, sending_ended_ && unsent_.empty());
  if (!unsent_.empty()) stream->send_data(std::exchange(unsent_, {}), sending_ended_);
  return true;
}

void ClientCall::send(std::string_view message, bool last) {
  if (sending_ended_ || (state_ != State::Waiting && state_ != State::Open)) return;
  sending_ended_ = last;
  if (state_ == State::Open) return pipe_.send(message, last);
  unsent_ += prefix_of(message.size());
  unsent_ += message;
}

void ClientCall::end_sending() {
  if (std::exchange(sending_ended_, true) || state_ != State::Open) return;
  if (pipe_.stream() != nullptr) pipe_.stream()->send_data({}, true);
}

size_t ClientCall::buffered() const {
  return state_ == State::Waiting ? unsent_.size() : pipe_.buffered();
}

void ClientCall::on_response_head(http::ResponseHead& head, bool end) {
  head_received_ = true;
  if (connection_ != nullptr) connection_->answered();
  if (head.status != 200 && !head.fields.get("grpc-status"))
    return fail(
        {code_of_http(head.status), "the answer's HTTP status is " + std::to_string(head.status)});
  if (end) {
    take_status(head.fields);
    return pipe_.received_end();
  }
  const auto type = head.fields.get("content-type");
  if (!type || !type->starts_with("application/grpc"))
    return fail({Code::Unknown, "the answer is not of gRPC"});
  auto metadata = metadata_of(head.fields);
  if (!metadata) return fail({Code::Internal, metadata.error().text});
  if (events_ != nullptr) events_->on_metadata(*metadata);
}

void ClientCall::on_data(std::string_view bytes, bool end) {
  if (!bytes.empty()) pipe_.received(bytes);
  if (end) pipe_.received_end();
}

void ClientCall::on_trailers(http::Fields& trailers) {
  take_status(trailers);
  pipe_.received_end();
}

void ClientCall::take_status(const http::Fields& fields) {
  const auto code = fields.get("grpc-status");
  if (!code) return;
  const auto message = fields.get("grpc-message");
  status_ = {parse_code(*code), message ? decode_message(*message) : std::string()};
  if (auto metadata = metadata_of(fields)) trailers_ = std::move(*metadata);
}

void ClientCall::on_reset(http::ResetReason reason) {
  pipe_.set_stream(nullptr);
  connection_ = nullptr;
  // gRPC servers end a stream with NO_ERROR behind a whole answer: that is on_closed().
  if (state_ == State::Open) fail(status_of(reason));
}

void ClientCall::on_closed() {
  pipe_.set_stream(nullptr);
  connection_ = nullptr;
}

void ClientCall::on_send_room() {
  if (events_ != nullptr && state_ == State::Open) events_->on_send_room();
}

void ClientCall::on_message(std::string_view message) {
  if (events_ != nullptr && state_ == State::Open) events_->on_message(message);
}

void ClientCall::on_messages_end() { end(Status(status_), true); }

void ClientCall::on_deadline(event::Deadline&) {
  fail({Code::DeadlineExceeded, "the deadline passed"});
}

void ClientCall::fail(Status status) { end(std::move(status), false); }

// May come from inside of any method, so it is told at the end of the turn. After a
// `whole` answer the codec ends the stream by itself.
void ClientCall::end(Status status, bool whole) {
  if (state_ == State::Ending || state_ == State::Ended) return;
  state_ = State::Ending;
  status_ = std::move(status);
  deadline_.cancel();
  pipe_.close();
  unsent_.clear();
  if (!whole) reset_stream();
  loop_.at_turn_end(*this);
}

void ClientCall::reset_stream() {
  http::Stream* const stream = pipe_.stream();
  if (stream == nullptr) return;
  pipe_.set_stream(nullptr);
  ClientConnection* const connection = std::exchange(connection_, nullptr);
  stream->attach(nullptr);
  stream->reset(http::ResetReason::Cancelled);
  if (connection != nullptr) connection->look_again();
}

void ClientCall::tell_end() {
  if (state_ != State::Ending) return;
  state_ = State::Ended;
  if (auto* const events = std::exchange(events_, nullptr)) events->on_end(status_, trailers_);
}

void ClientCall::abandon() {
  events_ = nullptr;
  state_ = State::Ended;
  deadline_.cancel();
  pipe_.close();
  reset_stream();
  if (auto* const channel = std::exchange(channel_, nullptr)) channel->forget(*this);
}

}  // namespace mesh::grpc
