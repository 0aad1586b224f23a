#include "grpc/server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "event/timer.h"
#include "event/watch.h"
#include "grpc/server_connection.h"
#include "grpc/server_stream.h"
#include "net/socket.h"
#include "transport/tls_stream.h"

namespace mesh::grpc {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr Duration kPause = std::chrono::milliseconds(200);

// A call of one message each way.
class UnaryHandler final : public CallHandler {
 public:
  UnaryHandler(ServerCall& call, const Server::Answer& answer) : call_(call), answer_(answer) {}

 private:
  void on_message(std::string_view message) override {
    if (std::exchange(asked_, true))
      return call_.finish({Code::Internal, "more than one message in a unary call"});
    request_ = message;
  }
  void on_half_close() override {
    if (!asked_) return call_.finish({Code::Internal, "a unary call without a message"});
    auto answer = answer_(request_, call_.peer());
    if (!answer) return call_.finish(Status::of(answer.error()));
    call_.send(*answer);
    call_.finish({});
  }

  ServerCall& call_;
  const Server::Answer& answer_;
  std::string request_;
  bool asked_ = false;
};

}  // namespace

class Server::Listener final : private event::Watch::Handler {
 public:
  Listener(Server& server, std::shared_ptr<const net::ListenSocket> socket, TlsSource tls)
      : server_(server),
        socket_(std::move(socket)),
        tls_(std::move(tls)),
        watch_(server.loop_, *this),
        pause_(server.loop_, [this] { on_ready(true, false); }) {}
  Result<void> start() { return watch_.start(socket_->fd(), event::Watch::Interest::Read); }

 private:
  void on_ready(bool, bool) override {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      net::Accepted accepted = net::accept(socket_->fd());
      if (accepted.fd) {
        server_.on_accepted(std::move(accepted.fd), tls_);
        continue;
      }
      if (accepted.error == EAGAIN) return;
      log::warning("grpc: cannot accept", {{"error", strerrordesc_np(accepted.error)}});
      return pause_.arm(kPause);
    }
    watch_.again(true, false);
  }

  Server& server_;
  const std::shared_ptr<const net::ListenSocket> socket_;
  const TlsSource tls_;
  event::Watch watch_;
  event::Timer pause_;
};

Server::Server(event::Loop& loop, Options options)
    : loop_(loop), options_(options), shared_(std::make_unique<Shared>()) {
  shared_->held.max = options_.held_bytes_max;
}

Server::~Server() {
  listeners_.clear();
  connections_.clear();
  loop_.retire(std::move(shared_));
}

void Server::add_unary(std::string path, Answer answer) {
  const auto shared = std::make_shared<const Answer>(std::move(answer));
  add(std::move(path),
      [shared](ServerCall& call) { return std::make_unique<UnaryHandler>(call, *shared); });
}

Result<void> Server::serve(std::shared_ptr<const net::ListenSocket> socket, TlsSource tls) {
  auto listener = std::make_unique<Listener>(*this, std::move(socket), std::move(tls));
  MESH_TRY_VOID(listener->start());
  listeners_.push_back(std::move(listener));
  return {};
}

void Server::drain() {
  draining_ = true;
  listeners_.clear();
  std::vector<ServerConnection*> all;
  for (const auto& [connection, owned] : connections_) all.push_back(connection);
  for (ServerConnection* connection : all) connection->drain();
}

void Server::on_accepted(UniqueFd fd, const TlsSource& tls) {
  if (connections_.size() >= options_.connections_max) {
    ++refused_;
    return;
  }
  // A client that went without a word is found by the kernel.
  net::set_keepalive(fd.get(), 3, 60, 20);
  std::unique_ptr<net::Stream> stream;
  if (tls) {
    auto context = tls();
    auto made = context ? transport::TlsStream::make(std::move(context), std::move(fd))
                        : Result<std::unique_ptr<net::Stream>>(
                              Error{Errc::Unavailable, "there is no certificate yet"});
    if (!made) {
      ++refused_;
      return;
    }
    stream = std::move(*made);
  } else {
    stream = std::make_unique<net::PlainStream>(std::move(fd));
  }
  auto connection = std::make_unique<ServerConnection>(*this);
  ServerConnection* const raw = connection.get();
  connections_[raw] = std::move(connection);
  if (!raw->start(std::move(stream))) on_closed(*raw);
}

void Server::on_closed(ServerConnection& connection) {
  const auto at = connections_.find(&connection);
  if (at == connections_.end()) return;
  loop_.retire(std::move(at->second));
  connections_.erase(at);
}

const Server::MakeHandler* Server::find(std::string_view path) const {
  const auto found = paths_.find(path);
  return found == paths_.end() ? nullptr : &found->second;
}

}  // namespace mesh::grpc
