#include "cmd/statsd/page_server.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "stats/page_request.h"
#include "telemetry/prometheus.h"

namespace mesh::statsd {

// From accept to close: reads one request, writes one answer.
class PageServer::Connection final : private event::Watch::Handler {
 public:
  Connection(PageServer& server, UniqueFd fd)
      : server_(server),
        fd_(std::move(fd)),
        watch_(server.loop_, *this),
        deadline_(server.loop_, [this] { close(); }) {}

  void start() {
    deadline_.arm(kConnectionTime);
    if (!watch_.start(fd_.get())) close();
  }

 private:
  void on_ready(bool readable, bool writable) override {
    if (answer_.empty() && readable) read();
    if (!answer_.empty() && (writable || readable)) write();
  }

  void read() {
    char bytes[2048];
    for (;;) {
      const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return close();
      received_.append(bytes, size_t(n));
      bool complete = false;
      answer_ = server_.answer(received_, complete);
      if (complete) return;
    }
  }

  void write() {
    while (sent_ < answer_.size()) {
      const ssize_t n =
          ::send(fd_.get(), answer_.data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return close();
      sent_ += size_t(n);
    }
    ::shutdown(fd_.get(), SHUT_WR);
    close();
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    deadline_.cancel();
    watch_.stop();
    server_.remove(*this);  // retired: we live until the turn is over
  }

  PageServer& server_;
  UniqueFd fd_;
  event::Watch watch_;
  event::Timer deadline_;
  std::string received_;
  std::string answer_;
  size_t sent_ = 0;
  bool closed_ = false;
};

PageServer::PageServer(event::Loop& loop, std::function<std::string()> page)
    : loop_(loop),
      page_(std::move(page)),
      watch_(loop, *this),
      retry_(loop, [this] { on_ready(true, false); }) {}

PageServer::~PageServer() { watch_.stop(); }

Result<void> PageServer::listen(const net::Address& address) {
  MESH_TRY(fd_, net::listen(address, {.backlog = 64, .mode = 0}));
  address_ = net::Address::local_of(fd_.get());
  return watch_.start(fd_.get(), event::Watch::Interest::Read);
}

void PageServer::on_ready(bool, bool) {
  // A share of a turn: a flood of connections must not keep reports waiting.
  for (size_t i = 0; i < kConnectionsMax; ++i) {
    net::Accepted accepted = net::accept(fd_.get());
    if (!accepted.fd) {
      if (accepted.error == EMFILE || accepted.error == ENFILE) {
        log::warning("page: no descriptor left to accept with");
        return retry_.arm(std::chrono::seconds(1));
      }
      if (accepted.error == EAGAIN) return;
      continue;
    }
    if (connections_.size() >= kConnectionsMax) continue;  // closed at once
    connections_.push_back(std::make_unique<Connection>(*this, std::move(accepted.fd)));
    connections_.back()->start();
  }
  watch_.again(true, false);
}

void PageServer::remove(Connection& connection) {
  const auto at = std::find_if(connections_.begin(), connections_.end(),
                               [&](const auto& each) { return each.get() == &connection; });
  if (at == connections_.end()) return;
  loop_.retire(std::move(*at));
  connections_.erase(at);
}

std::string PageServer::answer(std::string_view received, bool& complete) const {
  constexpr std::string_view kPlain = "text/plain; charset=utf-8";
  const auto request = stats::parse_page_request(received);
  complete = request.has_value();
  if (!request) return {};
  if (request->error != 0) return stats::page_response(request->error, kPlain, "", false);
  if (request->path == "/metrics")
    return stats::page_response(200, telemetry::kPrometheusType, page_(), request->head);
  if (request->path == "/ready") return stats::page_response(200, kPlain, "ready\n", request->head);
  return stats::page_response(404, kPlain, "not found; there are /metrics and /ready\n",
                              request->head);
}

}  // namespace mesh::statsd
