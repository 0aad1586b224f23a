// ClientConnection: a channel's connection, from connect to close.
#pragma once

#include <memory>
#include <string_view>

#include "grpc/channel.h"
#include "http2/client_codec.h"
#include "transport/transport.h"

namespace mesh::grpc {

class ClientConnection final : private transport::Transport::Owner, private event::Deadline::Owner {
 public:
  ClientConnection(Channel& channel, http::BlockPool& blocks);
  ~ClientConnection();

  Result<void> start(const net::Address& address);
  // A stream, or null: not there yet, full, or going away.
  http::Stream* open(http::StreamHandler& handler);
  bool established() const { return codec_ != nullptr; }
  bool has_room() const { return codec_ && !closed_ && codec_->capacity() > 0; }
  bool secure() const { return secure_; }
  // The server answers calls.
  void answered() { useful_ = true; }
  // The channel has no more use for it.
  void leave() {
    useful_ = true;
    close("the server was left for another");
  }
  // A stream ended, or was resumed, from outside of the codec's events.
  void look_again();

 private:
  void on_established() override;
  void on_progress() override;
  void on_transport_closed(std::string_view why) override;
  void on_deadline(event::Deadline&) override;
  void close(std::string_view why);

  Channel& channel_;
  transport::Transport transport_;
  std::unique_ptr<http2::ClientCodec> codec_;
  event::Deadline deadline_;  // of connecting, then of keepalive
  bool secure_ = false;
  bool useful_ = false;
  bool closed_ = false;
};

}  // namespace mesh::grpc
