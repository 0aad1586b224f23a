#include "grpc/server_stream.h"

#include <utility>

#include "grpc/server_connection.h"
#include "grpc/timeout.h"

namespace mesh::grpc {
namespace {

// How long a client may take to read what was sent before the call's end.
constexpr Duration kLastBytesTime = std::chrono::seconds(30);

}  // namespace

ServerStream::ServerStream(ServerConnection& connection, http::Stream& stream)
    : connection_(connection),
      pipe_(connection.loop(), *this, connection.held(), connection.options().message_bytes_max),
      deadline_(connection.loop().wheel(), *this) {
  pipe_.set_stream(&stream);
}

const Peer& ServerStream::peer() const { return connection_.peer(); }

void ServerStream::on_request_head(http::RequestHead& head, bool end) {
  const auto type = head.fields.get("content-type");
  if (head.method != "POST") return refuse(405, {Code::Unimplemented, "gRPC uses POST"});
  if (!type || !type->starts_with("application/grpc"))
    return refuse(415, {Code::Unimplemented, "the content type is not application/grpc"});
  const auto encoding = head.fields.get("grpc-encoding");
  if (encoding && *encoding != "identity")
    return finish({Code::Unimplemented, "messages may not be compressed"}, {});
  const Server::MakeHandler* const make = connection_.find(head.path);
  if (make == nullptr) return finish({Code::Unimplemented, "there is no such method"}, {});
  if (const auto timeout = head.fields.get("grpc-timeout")) {
    const auto parsed = parse_timeout(*timeout);
    if (!parsed) return finish({Code::InvalidArgument, "grpc-timeout cannot be read"}, {});
    deadline_.arm(*parsed);
  }
  auto metadata = metadata_of(head.fields);
  if (!metadata) return finish(Status::of(metadata.error()), {});
  metadata_ = std::move(*metadata);
  handler_ = (*make)(*this);
  if (handler_ == nullptr && !finished_)
    return finish({Code::Unimplemented, "there is no such method"}, {});
  if (end) pipe_.received_end();
}

void ServerStream::on_data(std::string_view bytes, bool end) {
  if (!bytes.empty()) pipe_.received(bytes);
  if (end) pipe_.received_end();
}

void ServerStream::on_trailers(http::Fields&) { pipe_.received_end(); }

void ServerStream::on_message(std::string_view message) {
  if (handler_ && !finished_) handler_->on_message(message);
}

void ServerStream::on_messages_end() {
  if (handler_ && !finished_) handler_->on_half_close();
}

void ServerStream::on_send_room() {
  if (handler_ && !finished_) handler_->on_send_room();
}

void ServerStream::resume() {
  pipe_.resume();
  connection_.look_again();
}

void ServerStream::send_head() {
  if (std::exchange(head_sent_, true) || pipe_.stream() == nullptr) return;
  http::ResponseHead head;
  head.status = 200;
  head.fields.add("content-type", "application/grpc");
  pipe_.stream()->send_response_head(head, false);
}

void ServerStream::send(std::string_view message) {
  if (finished_ || overfull_ || pipe_.stream() == nullptr) return;
  if (buffered() > 0 && buffered() + message.size() > connection_.options().queued_bytes_max) {
    overfull_ = true;  // told at the end of the turn: the handler is on the stack
    connection_.loop().at_turn_end(*this);
    return;
  }
  send_head();
  pipe_.send(message, false);
}

void ServerStream::on_turn_end() {
  if (finished_) return;
  cancel({Code::ResourceExhausted, "the client reads too slowly"});
}

void ServerStream::finish(const Status& status, const Metadata& trailers) {
  if (std::exchange(finished_, true)) return;
  pipe_.close();
  http::Stream* const stream = pipe_.stream();
  if (stream == nullptr) return;
  deadline_.arm(kLastBytesTime);
  const std::string code = std::to_string(int(status.code));
  const std::string message = encode_message(status.message);
  std::vector<std::string> memory;
  http::ResponseHead head;
  if (!head_sent_) {
    head.status = 200;
    head.fields.add("content-type", "application/grpc");
  }
  head.fields.add("grpc-status", code);
  if (!message.empty()) head.fields.add("grpc-message", message);
  // What may not travel is left out: the status is worth more.
  if (http::Fields more; add_metadata(trailers, more, memory))
    for (const http::Field& field : more) head.fields.add(field.name, field.value);
  if (std::exchange(head_sent_, true))
    stream->send_trailers(head.fields);
  else
    stream->send_response_head(head, true);
}

void ServerStream::refuse(uint16_t http_status, const Status& status) {
  if (std::exchange(finished_, true)) return;
  pipe_.close();
  head_sent_ = true;
  deadline_.arm(kLastBytesTime);
  const std::string code = std::to_string(int(status.code));
  http::ResponseHead head;
  head.status = http_status;
  head.fields.add("grpc-status", code);
  head.fields.add("grpc-message", status.message);
  pipe_.stream()->send_response_head(head, true);
}

void ServerStream::cancel(const Status& status) {
  if (finished_) return;
  // What is queued will not be read: the reset says it, where trailers would wait.
  if (overfull_ && pipe_.stream() != nullptr) {
    finished_ = true;
    pipe_.stream()->reset(http::ResetReason::LimitExceeded);
    pipe_.set_stream(nullptr);
    pipe_.close();
    connection_.look_again();
  } else {
    finish(status, {});
  }
  if (handler_) handler_->on_cancelled(status);
  if (pipe_.stream() == nullptr) gone();
}

void ServerStream::on_deadline(event::Deadline&) {
  if (!finished_) return cancel({Code::DeadlineExceeded, "the deadline passed"});
  if (pipe_.stream() == nullptr) return;
  pipe_.stream()->reset(http::ResetReason::Cancelled);
  pipe_.set_stream(nullptr);
  connection_.look_again();
  gone();
}

void ServerStream::on_reset(http::ResetReason reason) {
  pipe_.set_stream(nullptr);
  pipe_.close();
  if (!std::exchange(finished_, true) && handler_) handler_->on_cancelled(status_of(reason));
  gone();
}

void ServerStream::on_closed() {
  pipe_.set_stream(nullptr);
  pipe_.close();
  if (!std::exchange(finished_, true) && handler_)
    handler_->on_cancelled({Code::Cancelled, "the stream was closed"});
  gone();
}

void ServerStream::gone() {
  deadline_.cancel();
  connection_.remove(*this);  // retired
}

}  // namespace mesh::grpc
