// ServerConnection: one connection to a gRPC server and its calls.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "grpc/server.h"
#include "http2/server_codec.h"
#include "transport/transport.h"

namespace mesh::grpc {

class ServerStream;

class ServerConnection final : private transport::Transport::Owner,
                               private http::ServerHandler,
                               private event::Deadline::Owner {
 public:
  explicit ServerConnection(Server& server);
  ~ServerConnection();

  Result<void> start(std::unique_ptr<net::Stream> stream);
  void drain();

  // Of the calls.
  Server& server() { return server_; }
  const Peer& peer() const { return peer_; }
  const Server::MakeHandler* find(std::string_view path) const { return server_.find(path); }
  event::Loop& loop() { return server_.loop_; }
  const Server::Options& options() const { return server_.options_; }
  HeldBytes& held() { return server_.shared_->held; }
  void remove(ServerStream& stream);
  // A stream ended, or was resumed, from outside of the codec's events.
  void look_again();

 private:
  void on_established() override;
  void on_progress() override;
  void on_transport_closed(std::string_view why) override;
  http::StreamHandler* on_stream(http::Stream& stream) override;
  void on_deadline(event::Deadline&) override;
  void close();

  Server& server_;
  transport::Transport transport_;
  std::unique_ptr<http2::ServerCodec> codec_;
  event::Deadline deadline_;  // of the handshake, of idleness, of the last words
  Peer peer_;
  std::map<ServerStream*, std::unique_ptr<ServerStream>> streams_;
  bool closed_ = false;
};

}  // namespace mesh::grpc
