// Channel: calls to one gRPC server, over a Unix socket, TCP or TLS.
//
// Connects when there is a call, keeps the connection, and connects anew when it is
// lost: at once the first time, then after a pause that doubles, with jitter. A call
// that finds no connection fails (UNAVAILABLE) unless it waits for one. Nothing is
// called back from inside of a method, and a Call may be destroyed at any time, also in
// its own events. One loop, its thread.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "event/timer.h"
#include "grpc/framing.h"
#include "grpc/message_pipe.h"
#include "grpc/metadata.h"
#include "grpc/status.h"
#include "http/limits.h"
#include "net/address.h"
#include "tls/context.h"

namespace mesh::grpc {

struct CallOptions {
  Metadata metadata{};
  Duration timeout{0};  // 0: none. Told to the server, and kept here
  bool wait_for_ready = false;
};

// What a call's beginner hears of it, in this order.
class CallEvents {
 public:
  virtual void on_metadata(const Metadata& /*initial*/) {}
  virtual void on_message(std::string_view message) = 0;  // valid for the call
  // Call::buffered() fell to a low mark after it had passed a high one.
  virtual void on_send_room() {}
  // Always comes, unless the Call is destroyed before. Nothing follows.
  virtual void on_end(const Status& status, const Metadata& trailers) = 0;

 protected:
  ~CallEvents() = default;
};

class ClientCall;
class ClientConnection;

// One call. Destroying it cancels what has not ended. It may outlive its channel.
class Call {
 public:
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // A message; `last` ends our direction. Nothing is refused here: look at buffered().
  void send(std::string_view message, bool last = false);
  void end_sending();
  // Bytes given to send() that are not on the wire.
  size_t buffered() const;
  // Holds messages back, and by the stream's window the server.
  void pause();
  void resume();

 private:
  friend class Channel;
  explicit Call(std::unique_ptr<ClientCall> call);
  std::unique_ptr<ClientCall> call_;
};

class Channel {
 public:
  using TlsSource = std::function<std::shared_ptr<const tls::Context>()>;

  struct Options {
    std::vector<net::Address> addresses{};  // tried in turn
    std::string authority = "localhost";
    // Asked at each connection, so that a renewed certificate is used; offers "h2".
    // Empty: clear text. A null context is UNAVAILABLE.
    TlsSource tls{};
    std::string sni{};
    Duration connect_timeout = std::chrono::seconds(5);  // the handshake with it
    Duration pause_min = std::chrono::milliseconds(100);
    Duration pause_max = std::chrono::seconds(10);
    // A PING after this long, and so long for its answer; 0: none. Finds a server that
    // went without a word.
    Duration keepalive{0};
    size_t message_bytes_max = kMessageBytesMax;
    size_t waiting_max = 1000;  // calls without a connection
    http::Limits limits{};
  };

  Channel(event::Loop& loop, Options options, Random random = Random::from_system());
  ~Channel();  // calls that have not ended end with CANCELLED, told by nobody
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Begins a call of "/package.Service/Method". `events` outlives the Call.
  std::unique_ptr<Call> start(std::string path, CallOptions options, CallEvents& events);

  // One message there, one back; kept by the channel until `done` has run. An answer
  // without a message, or with two, is Errc::Internal; Status::error() tells the rest.
  using Done = std::function<void(Result<std::string> answer)>;
  void unary(std::string path, std::string_view request, CallOptions options, Done done);

  // Other addresses from the next connection on.
  void set_addresses(std::vector<net::Address> addresses);
  bool connected() const;
  // Closes the connections: the server is up, and of no use. Calls on them end
  // (UNAVAILABLE); the next connection is to the next address.
  void leave();
  // Connections that were begun, since the start. For tests and status.
  uint64_t connects() const { return connects_; }

 private:
  friend class ClientCall;
  friend class ClientConnection;
  class Unary;

  // On a connection, or among those that wait for one.
  void place(ClientCall& call);
  void place_waiting();
  bool place_now(ClientCall& call);
  void connect();
  void connect_failed(std::string why);
  void forget(ClientCall& call);
  void forget(Unary& unary);
  void on_closed(ClientConnection& connection, bool useful, std::string_view why);

  event::Loop& loop_;
  Options options_;
  Random random_;
  std::unique_ptr<Shared> shared_;
  event::Timer pause_;   // armed: no connection is tried before it fires
  size_t address_ = 0;   // the next to be tried
  size_t failures_ = 0;  // in a row
  uint64_t connects_ = 0;
  Status last_failure_{};
  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::set<ClientCall*> calls_;  // all that have not ended, or are held by a Call
  std::vector<ClientCall*> waiting_;
  std::list<std::unique_ptr<Unary>> unaries_;
};

}  // namespace mesh::grpc
