// ClientCall: a call as the client's side has it, from waiting for a connection to its
// end. Owned by its Call, known to its channel.
#pragma once

#include <string>
#include <vector>

#include "grpc/channel.h"

namespace mesh::grpc {

class ClientCall final : private http::StreamHandler,
                         private MessagePipe::Owner,
                         private event::Deadline::Owner,
                         private event::Loop::TurnEnd {
 public:
  ClientCall(event::Loop& loop, Channel& channel, std::string path, CallOptions options,
             CallEvents& events, HeldBytes& held, size_t message_bytes_max);

  // Sends it on a connection; false where that has no room.
  bool open(ClientConnection& connection, const std::string& authority);
  bool waits() const { return state_ == State::Waiting; }
  bool wait_for_ready() const { return options_.wait_for_ready; }
  // Ends it; told at the end of the turn.
  void fail(Status status);
  // The events' owner lost interest, or the channel goes away: nothing is told.
  void abandon();
  event::Loop& loop() { return loop_; }

  void send(std::string_view message, bool last);
  void end_sending();
  size_t buffered() const;
  void pause() { pipe_.pause(); }
  void resume() { pipe_.resume(); }

 private:
  enum class State : uint8_t { Waiting, Open, Ending, Ended };

  void on_response_head(http::ResponseHead& head, bool end) override;
  void on_data(std::string_view bytes, bool end) override;
  void on_trailers(http::Fields& trailers) override;
  void on_reset(http::ResetReason reason) override;
  void on_send_room() override;
  void on_closed() override;

  void on_message(std::string_view message) override;
  void on_messages_end() override;
  void on_broken(const Status& status) override { fail(status); }

  void on_deadline(event::Deadline&) override;
  void on_turn_end() override { tell_end(); }

  void take_status(const http::Fields& fields);
  void end(Status status, bool whole);
  void reset_stream();
  void tell_end();

  event::Loop& loop_;
  Channel* channel_;  // null: it is gone
  const std::string path_;
  const CallOptions options_;
  CallEvents* events_;
  ClientConnection* connection_ = nullptr;
  MessagePipe pipe_;
  event::Deadline deadline_;
  State state_ = State::Waiting;
  std::string unsent_;  // framed, until there is a connection
  bool sending_ended_ = false;
  bool head_received_ = false;
  Status status_{Code::Unknown, "the server's answer has no status"};
  Metadata trailers_;
};

}  // namespace mesh::grpc
