// ServerStream: one call as the server's side has it.
#pragma once

#include <memory>
#include <string>

#include "event/loop.h"
#include "grpc/message_pipe.h"
#include "grpc/server.h"

namespace mesh::grpc {

class ServerConnection;

class ServerStream final : public ServerCall,
                           public http::StreamHandler,
                           private MessagePipe::Owner,
                           private event::Deadline::Owner,
                           private event::Loop::TurnEnd {
 public:
  ServerStream(ServerConnection& connection, http::Stream& stream);

  // ServerCall
  const Peer& peer() const override;
  const Metadata& metadata() const override { return metadata_; }
  void send(std::string_view message) override;
  size_t buffered() const override { return pipe_.buffered(); }
  void finish(const Status& status, const Metadata& trailers) override;
  void pause() override { pipe_.pause(); }
  void resume() override;

 private:
  void on_request_head(http::RequestHead& head, bool end) override;
  void on_data(std::string_view bytes, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_reset(http::ResetReason reason) override;
  void on_send_room() override;
  void on_closed() override;

  void on_message(std::string_view message) override;
  void on_messages_end() override;
  void on_broken(const Status& status) override { cancel(status); }

  void on_deadline(event::Deadline&) override;
  void on_turn_end() override;

  void refuse(uint16_t http_status, const Status& status);
  void send_head();
  // Ends the call with this status, and tells the handler.
  void cancel(const Status& status);
  void gone();

  ServerConnection& connection_;
  MessagePipe pipe_;
  event::Deadline deadline_;  // the client's; then of the last bytes
  Metadata metadata_;
  std::unique_ptr<CallHandler> handler_;
  bool head_sent_ = false;
  bool finished_ = false;
  bool overfull_ = false;
};

}  // namespace mesh::grpc
