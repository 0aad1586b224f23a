#include "cmd/discoveryd/dns_server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"

namespace mesh::discoveryd {
namespace {

constexpr int kDatagramsATurn = 64;
constexpr size_t kDatagramMax = 4096;    // of a query; a longer one is cut and does not read
constexpr size_t kAnswerUdpMax = 1232;   // what passes any path without fragments
constexpr size_t kTcpWaitingMax = 8192;  // bytes of queries that were not answered yet
constexpr size_t kTcpUnsentMax = 64 * 1024;

Result<UniqueFd> open_socket(const net::Address& address, int type) {
  UniqueFd fd(::socket(address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("socket");
  // Of datagrams two could have the address then.
  const int on = 1;
  if (type == SOCK_STREAM) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd.get(), address.data(), address.size()) != 0)
    return errno_error("bind " + address.to_string());
  if (type == SOCK_STREAM && ::listen(fd.get(), 64) != 0)
    return errno_error("listen on " + address.to_string());
  return fd;
}

}  // namespace

class DnsServer::Datagrams final : private event::Watch::Handler {
 public:
  Datagrams(DnsServer& owner, UniqueFd fd)
      : owner_(owner), fd_(std::move(fd)), watch_(owner.loop_, *this) {}
  Result<void> start() { return watch_.start(fd_.get(), event::Watch::Interest::Read); }
  net::Address address() const { return net::Address::local_of(fd_.get()); }

 private:
  void on_ready(bool, bool) override {
    char buffer[kDatagramMax];
    for (int i = 0; i < kDatagramsATurn; ++i) {
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const ssize_t got = recvfrom(fd_.get(), buffer, sizeof buffer, 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
      if (got < 0) {
        if (errno == EINTR) continue;
        return;
      }
      const std::string out = owner_.answer({buffer, size_t(got)}, true);
      // One that cannot be sent now is lost, as datagrams are: the asker asks again.
      if (!out.empty())
        sendto(fd_.get(), out.data(), out.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&from),
               length);
    }
    watch_.again(true, false);
  }

  DnsServer& owner_;
  const UniqueFd fd_;
  event::Watch watch_;
};

class DnsServer::Acceptor final : private event::Watch::Handler {
 public:
  Acceptor(DnsServer& owner, UniqueFd fd)
      : owner_(owner), fd_(std::move(fd)), watch_(owner.loop_, *this) {}
  Result<void> start() { return watch_.start(fd_.get(), event::Watch::Interest::Read); }

 private:
  void on_ready(bool, bool) override {
    for (int i = 0; i < kDatagramsATurn; ++i) {
      const int fd = accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        owner_.accept(fd);
      } else if (errno != EINTR && errno != ECONNABORTED) {
        return;
      }
    }
    watch_.again(true, false);
  }

  DnsServer& owner_;
  const UniqueFd fd_;
  event::Watch watch_;
};

class DnsServer::Connection final : private event::Watch::Handler {
 public:
  Connection(DnsServer& owner, UniqueFd fd)
      : owner_(owner), fd_(std::move(fd)), watch_(owner.loop_, *this), heard_(owner.loop_.now()) {}
  Result<void> start() { return watch_.start(fd_.get()); }
  Instant heard() const { return heard_; }

 private:
  void on_ready(bool readable, bool) override {
    const bool well = flush() && (!readable || read()) && flush();
    if (!well || (ended_ && out_.empty())) owner_.close(*this);
  }

  // False: it is over.
  bool read() {
    char buffer[4096];
    // Queries are answered in order; who does not read his answers is not heard.
    while (out_.size() < kTcpUnsentMax) {
      const ssize_t got = recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got == 0) {
        ended_ = true;  // what it asked is answered yet
        return true;
      }
      if (got < 0) {
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == EWOULDBLOCK;
      }
      heard_ = owner_.loop_.now();
      in_.append(buffer, size_t(got));
      if (!answer()) return false;
    }
    return false;
  }

  bool answer() {
    size_t at = 0;
    while (in_.size() - at >= 2) {
      const size_t length = size_t(uint8_t(in_[at])) << 8 | uint8_t(in_[at + 1]);
      if (length > kTcpWaitingMax) return false;
      if (in_.size() - at - 2 < length) break;
      const std::string out = owner_.answer({in_.data() + at + 2, length}, false);
      if (out.empty()) return false;
      out_ += char(out.size() >> 8);
      out_ += char(out.size() & 0xFF);
      out_ += out;
      at += 2 + length;
    }
    in_.erase(0, at);
    return true;
  }

  bool flush() {
    while (!out_.empty()) {
      const ssize_t sent = send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == EWOULDBLOCK;
      }
      out_.erase(0, size_t(sent));
    }
    return true;
  }

  DnsServer& owner_;
  const UniqueFd fd_;
  event::Watch watch_;
  Instant heard_;
  std::string in_;
  std::string out_;
  bool ended_ = false;
};

DnsServer::DnsServer(event::Loop& loop, net::Address address)
    : loop_(loop),
      address_(address),
      bind_timer_(loop, [this] { bind(); }),
      sweep_timer_(loop, [this] { sweep(); }) {
  bind();
}

DnsServer::~DnsServer() = default;

void DnsServer::bind() {
  const auto bound = try_bind();
  if (bound) {
    log::info("names are answered", {{"address", listening()}});
    return;
  }
  datagrams_.reset();
  acceptor_.reset();
  if (!std::exchange(failed_, true))
    log::error("names are not answered", {{"error", bound.error().text}});
  bind_timer_.arm(kBindAgain);
}

Result<void> DnsServer::try_bind() {
  MESH_TRY(auto udp, open_socket(address_, SOCK_DGRAM));
  // Port 0 is the kernel's choice, and the same for both.
  MESH_TRY(auto tcp, open_socket(net::Address::local_of(udp.get()), SOCK_STREAM));
  datagrams_ = std::make_unique<Datagrams>(*this, std::move(udp));
  acceptor_ = std::make_unique<Acceptor>(*this, std::move(tcp));
  MESH_TRY_VOID(datagrams_->start());
  return acceptor_->start();
}

std::string DnsServer::listening() const {
  return datagrams_ == nullptr ? std::string() : datagrams_->address().to_string();
}

std::string DnsServer::answer(std::string_view bytes, bool datagram) const {
  const auto query = discovery::dns::read_query(bytes);
  if (!query || zone_ == nullptr) return {};
  const auto found = query->error == discovery::dns::Rcode::NoError ? zone_->find(*query)
                                                                    : discovery::dns::Answer();
  const size_t most = datagram ? std::min<size_t>(query->udp_bytes_max, kAnswerUdpMax) : 65535;
  return discovery::dns::write_answer(*query, found, most);
}

void DnsServer::accept(int fd) {
  UniqueFd owned(fd);
  if (connections_.size() >= kConnectionsMax) return;
  auto connection = std::make_unique<Connection>(*this, std::move(owned));
  if (!connection->start()) return;
  Connection* const key = connection.get();
  connections_.emplace(key, std::move(connection));
  if (!sweep_timer_.armed()) sweep_timer_.arm(kIdleMax / 4);
}

void DnsServer::close(Connection& connection) {
  const auto found = connections_.find(&connection);
  if (found == connections_.end()) return;
  loop_.retire(std::move(found->second));
  connections_.erase(found);
}

void DnsServer::sweep() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    Connection& connection = *(it++)->second;
    if (loop_.now() - connection.heard() >= kIdleMax) close(connection);
  }
  if (!connections_.empty()) sweep_timer_.arm(kIdleMax / 4);
}

}  // namespace mesh::discoveryd
