// Health checks by grpc.health.v1, against a server that speaks just enough HTTP/2.
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <thread>

#include "net/listener.h"
#include "net/socket.h"
#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using namespace std::string_literals;

namespace {

// Answers every request with one gRPC message, HealthCheckResponse{status}. Frames
// are written by hand (RFC 9113): it shares no code with what is tested.
class HealthServer {
 public:
  HealthServer() {
    auto listening = net::listen(*net::Address::parse("127.0.0.1:0"), {});
    REQUIRE(listening);
    listener_ = *std::move(listening);
    port_ = net::Address::local_of(listener_.get()).port();
    thread_ = std::thread([this] { run(); });
  }
  ~HealthServer() {
    stop_ = true;
    thread_.join();
    for (auto& one : connections_) one.join();
  }
  uint16_t port() const { return port_; }
  std::atomic<char> status{1};
  std::atomic<int> asked{0};  // for the service "r.R"

 private:
  static bool wait(int fd) {
    pollfd p{fd, POLLIN, 0};
    return ::poll(&p, 1, 20) > 0;
  }
  void run() {
    while (!stop_) {
      if (!wait(listener_.get())) continue;
      net::Accepted accepted = net::accept(listener_.get());
      if (!accepted.fd) continue;
      connections_.emplace_back(
          [this, fd = std::make_shared<UniqueFd>(std::move(accepted.fd))] { serve(fd->get()); });
    }
  }
  static std::string frame(char type, char flags, uint32_t stream, const std::string& payload) {
    std::string out;
    for (const int shift : {16, 8, 0}) out += char(payload.size() >> shift);
    out += type;
    out += flags;
    for (const int shift : {24, 16, 8, 0}) out += char(stream >> shift);
    return out + payload;
  }
  static std::string literal(const std::string& name, const std::string& value) {
    return "\0"s + char(name.size()) + name + char(value.size()) + value;
  }
  std::string answer(uint32_t stream) const {
    return frame(1, 4, stream, "\x88" + literal("content-type", "application/grpc")) +
           frame(0, 0, stream, "\0\0\0\0\2\b"s + status.load()) +
           frame(1, 5, stream, literal("grpc-status", "0"));
  }
  void serve(int fd) {
    std::string in;
    const auto send = [&](const std::string& bytes) {
      return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == ssize_t(bytes.size());
    };
    if (!send(frame(4, 0, 0, ""))) return;
    bool preface = false;
    while (!stop_) {
      if (!wait(fd)) continue;
      char bytes[4096];
      const ssize_t n = ::recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (n == 0 || (n < 0 && errno != EAGAIN)) return;
      if (n > 0) in.append(bytes, size_t(n));
      if (!preface && in.size() >= 24) {
        in.erase(0, 24);
        preface = true;
      }
      while (preface && in.size() >= 9) {
        const auto byte = [&](size_t i) { return uint32_t(uint8_t(in[i])); };
        const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
        if (in.size() < 9 + length) break;
        const uint32_t type = byte(3), flags = byte(4);
        const uint32_t stream = byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
        const std::string payload = in.substr(9, length);
        in.erase(0, 9 + length);
        if (type == 4 && (flags & 1) == 0) send(frame(4, 1, 0, ""));
        if (type == 6 && (flags & 1) == 0) send(frame(6, 1, 0, payload));
        if (type == 0 && payload == "\0\0\0\0\5\n\3r.R"s) ++asked;
        if (type <= 1 && (flags & 1) != 0) send(answer(stream));
      }
    }
  }

  UniqueFd listener_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::vector<std::thread> connections_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("scenario: a host is asked by grpc.health.v1 whether it serves", "[forwarder]") {
  HealthServer server;
  Proxy proxy(Front{.endpoints = ports({server.port()}), .cluster = R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} }
    common_lb_config: { healthy_panic_threshold: { value: 0 } }
    health_checks:
    - { timeout: 1s, interval: 0.03s, no_traffic_interval: 0.03s, unhealthy_threshold: 3, healthy_threshold: 1, grpc_health_check: { service_name: r.R } })"}
                  .yaml(),
              1);
  const auto status = [&] { return support::get(proxy.port()).status; };
  REQUIRE(support::wait_for([&] { return status() == 200; }));
  CHECK(server.asked >= 1);
  server.status = 2;  // NOT_SERVING: at once, whatever the threshold
  REQUIRE(support::wait_for([&] { return status() == 503; }));
  server.status = 1;
  CHECK(support::wait_for([&] { return status() == 200; }));
}
