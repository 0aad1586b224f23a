// MessagePipe: the messages of one call over its HTTP/2 stream, both ways. What the
// two sides of a call share.
#pragma once

#include <string_view>

#include "event/loop.h"
#include "grpc/framing.h"
#include "grpc/status.h"
#include "http/codec.h"

namespace mesh::grpc {

// What all pipes of one server or channel hold of messages not yet whole.
struct HeldBytes {
  size_t held = 0;
  size_t max = SIZE_MAX;
};

// What the connections of one server or channel share; it is retired behind them.
struct Shared {
  http::BlockPool blocks{};
  HeldBytes held{};
};

class MessagePipe final : private event::Loop::TurnEnd {
 public:
  class Owner {
   public:
    // Valid for the call. It may pause, send, end the pipe.
    virtual void on_message(std::string_view message) = 0;
    // The peer sends no more, and all of its messages were told.
    virtual void on_messages_end() = 0;
    // The peer's bytes are not messages, or too many. Nothing follows.
    virtual void on_broken(const Status& status) = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive us, `held` until close().
  MessagePipe(event::Loop& loop, Owner& owner, HeldBytes& held, size_t message_bytes_max)
      : loop_(loop), owner_(owner), held_(held), deframer_(message_bytes_max) {}
  ~MessagePipe() { account(0); }

  // The stream to send on; null: there is none (any more).
  void set_stream(http::Stream* stream) { stream_ = stream; }
  http::Stream* stream() const { return stream_; }

  // Tells nothing any more.
  void close();
  bool closed() const { return closed_; }

  // Of the stream's events.
  void received(std::string_view bytes);
  void received_end();

  void send(std::string_view message, bool end);
  size_t buffered() const { return stream_ == nullptr ? 0 : stream_->buffered(); }

  // Holds back what comes; the peer is held back by the stream's window.
  void pause();
  void resume();

 private:
  void on_turn_end() override { deliver(); }
  void deliver();
  void broken(const Status& status);
  void account(size_t held);

  event::Loop& loop_;
  Owner& owner_;
  HeldBytes& held_;
  Deframer deframer_;
  http::Stream* stream_ = nullptr;
  size_t accounted_ = 0;
  bool paused_ = false;
  bool delivering_ = false;
  bool ended_ = false;  // by the peer
  bool end_told_ = false;
  bool closed_ = false;
};

}  // namespace mesh::grpc
