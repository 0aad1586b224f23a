// Server: gRPC over HTTP/2 on Unix sockets, TCP and mutual TLS.
//
// Paths are registered once; a call's handler is made when its head arrived. Slow
// readers are bounded: what a call has queued, and what all calls hold of messages not
// yet whole. One loop, its thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.h"
#include "grpc/framing.h"
#include "grpc/message_pipe.h"
#include "grpc/metadata.h"
#include "grpc/peer.h"
#include "grpc/status.h"
#include "http/limits.h"
#include "net/listener.h"
#include "tls/context.h"

namespace mesh::grpc {

// One call, to its handler. Gone after finish(), and after on_cancelled().
class ServerCall {
 public:
  virtual const Peer& peer() const = 0;
  virtual const Metadata& metadata() const = 0;
  // A message to the client. Over Server::Options::queued_bytes_max the call is ended
  // (RESOURCE_EXHAUSTED), and its handler told: look at buffered() before.
  virtual void send(std::string_view message) = 0;
  // Bytes given to send() that are not on the wire.
  virtual size_t buffered() const = 0;
  virtual void finish(const Status& status, const Metadata& trailers = {}) = 0;
  // Holds messages back, and by the stream's window the client.
  virtual void pause() = 0;
  virtual void resume() = 0;

 protected:
  ~ServerCall() = default;
};

// What a call's handler hears. Destroyed when the call is gone, never inside of an
// event of its own.
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  virtual void on_message(std::string_view message) = 0;  // valid for the call
  // The client sends no more.
  virtual void on_half_close() = 0;
  // ServerCall::buffered() fell to a low mark after it had passed a high one.
  virtual void on_send_room() {}
  // The client left, the deadline passed, or a limit was reached.
  virtual void on_cancelled(const Status&) {}
};

class ServerConnection;

class Server {
 public:
  struct Options {
    size_t message_bytes_max = kMessageBytesMax;
    size_t queued_bytes_max = 64U << 20;  // a call's, of what it sends
    size_t held_bytes_max = 64U << 20;    // all calls', of messages not yet whole
    size_t connections_max = 10'000;
    // A connection without calls is closed after it.
    Duration idle = std::chrono::minutes(5);
    http::Limits limits{};
  };
  using TlsSource = std::function<std::shared_ptr<const tls::Context>()>;
  // Null: refused with UNIMPLEMENTED. It may call finish() before it returns.
  using MakeHandler = std::function<std::unique_ptr<CallHandler>(ServerCall&)>;
  using Answer = std::function<Result<std::string>(std::string_view request, const Peer& peer)>;

  Server(event::Loop& loop, Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "/package.Service/Method".
  void add(std::string path, MakeHandler make) { paths_[std::move(path)] = std::move(make); }
  void add_unary(std::string path, Answer answer);

  // Accepts on the socket. `tls` is asked at each connection and offers "h2"; a null
  // context refuses the connection; empty: clear text.
  Result<void> serve(std::shared_ptr<const net::ListenSocket> socket, TlsSource tls = {});
  // No new connections and calls; those open go on.
  void drain();

  size_t connections() const { return connections_.size(); }
  // Connections that ended before they spoke HTTP/2, by a limit, a handshake, or bytes
  // that are none.
  uint64_t refused() const { return refused_; }

 private:
  friend class ServerConnection;
  class Listener;
  void on_accepted(UniqueFd fd, const TlsSource& tls);
  void on_closed(ServerConnection& connection);
  const MakeHandler* find(std::string_view path) const;

  event::Loop& loop_;
  const Options options_;
  std::unique_ptr<Shared> shared_;
  std::map<std::string, MakeHandler, std::less<>> paths_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<ServerConnection*, std::unique_ptr<ServerConnection>> connections_;
  uint64_t refused_ = 0;
  bool draining_ = false;
};

}  // namespace mesh::grpc
