#include "support/grpc_origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <memory>
#include <stdexcept>

#include "support/http2_frames.h"

namespace mesh::support {
namespace {

constexpr size_t kPrefaceBytes = 24;
constexpr size_t kFrameBytes = 9;

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 20) > 0;
}

std::string framed(const std::string& message) {
  return std::string(1, '\0') + h2::number(uint32_t(message.size())) + message;
}

}  // namespace

GrpcOrigin::GrpcOrigin(Handler handler) : handler_(std::move(handler)) {
  listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0)
    throw std::runtime_error("no port for a gRPC origin");
  port_ = ntohs(at.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

GrpcOrigin::~GrpcOrigin() {
  stop_ = true;
  acceptor_.join();
  for (auto& connection : connections_) connection.join();
}

void GrpcOrigin::handle(Handler handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
}

void GrpcOrigin::accept_loop() {
  while (!stop_) {
    if (!readable(listener_.get())) continue;
    auto fd =
        std::make_shared<UniqueFd>(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (*fd) connections_.emplace_back([this, fd] { serve(fd->get()); });
  }
}

std::string GrpcOrigin::answer(uint32_t stream, const std::string& request) {
  const std::lock_guard lock(mutex_);
  const auto reply = handler_(request.size() < 5 ? "" : request.substr(5));
  const uint8_t last = h2::kEndHeaders | h2::kEndStream;
  const std::string head = "\x88" + h2::field("content-type", "application/grpc");
  if (!reply) return h2::frame(h2::Headers, last, stream, head + h2::field("grpc-status", "13"));
  return h2::frame(h2::Headers, h2::kEndHeaders, stream, head) +
         h2::frame(h2::Data, 0, stream, framed(*reply)) +
         h2::frame(h2::Headers, last, stream, h2::field("grpc-status", "0"));
}

void GrpcOrigin::serve(int fd) {
  const auto send = [&](const std::string& bytes) {
    return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == ssize_t(bytes.size());
  };
  std::string in;
  std::map<uint32_t, std::string> bodies;
  bool greeted = false;
  if (!send(h2::frame(h2::Settings, 0, 0, ""))) return;
  while (!stop_) {
    if (!readable(fd)) continue;
    char bytes[16384];
    const ssize_t n = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return;
    if (n > 0) in.append(bytes, size_t(n));
    if (!greeted && in.size() >= kPrefaceBytes) {
      in.erase(0, kPrefaceBytes);
      greeted = true;
    }
    while (greeted && in.size() >= kFrameBytes) {
      const auto byte = [&](size_t i) { return uint32_t(uint8_t(in[i])); };
      const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (in.size() < kFrameBytes + length) break;
      const uint32_t type = byte(3), flags = byte(4);
      const uint32_t stream = byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
      const std::string payload = in.substr(kFrameBytes, length);
      in.erase(0, kFrameBytes + length);
      if (type == h2::Settings && (flags & h2::kAck) == 0)
        send(h2::frame(h2::Settings, h2::kAck, 0, ""));
      if (type == h2::Ping && (flags & h2::kAck) == 0)
        send(h2::frame(h2::Ping, h2::kAck, 0, payload));
      if (type == h2::Rst) ++resets_;
      if (type == h2::Data) bodies[stream] += payload;
      if (type > h2::Headers || (flags & h2::kEndStream) == 0) continue;
      ++calls_;
      if (!silent_) send(answer(stream, bodies[stream]));
      bodies.erase(stream);
    }
  }
}

}  // namespace mesh::support
