// What the codecs cost: nanoseconds for a typical request and its response to
// pass from one side to the other, no sockets.
//
//   build/test/bench-codec [rounds]
//
// Figures are for comparing two builds on one machine in one minute.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "http1/client_codec.h"
#include "http1/server_codec.h"
#include "http2/client_codec.h"
#include "http2/server_codec.h"

namespace {

using namespace mesh;

constexpr std::string_view kRequest =
    "GET /reviews/0?lang=en HTTP/1.1\r\nHost: reviews.default:9080\r\n"
    "User-Agent: python-requests/2.28.1\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
    "Connection: keep-alive\r\nX-Request-Id: 2f6b1c2e-6a53-4d0c-9d8a-1e7d7b0f3c11\r\n"
    "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n";
constexpr std::string_view kResponseHead =
    "HTTP/1.1 200 OK\r\nServer: demo\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\n"
    "Content-Type: application/json\r\nContent-Length: 1024\r\n\r\n";

// A sink as a connection has it: one buffer, emptied each turn.
class Sink final : public http::ByteSink {
 public:
  void write(std::string_view bytes) override {
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    used_ += bytes.size();
  }
  char* reserve(size_t n) override {
    if (bytes_.size() < used_ + n) bytes_.resize(2 * (used_ + n));
    return bytes_.data() + used_;
  }
  void commit(size_t n) override { used_ += n; }
  void write_through(std::string_view bytes) override { write(bytes); }
  void want_produce() override {}
  size_t pending() const override { return 0; }

  void move_to(http::ReadBuffer& buffer, http::Codec& codec) {
    for (size_t at = 0; at < used_;) {
      const auto room = buffer.room();
      const size_t n = std::min(room.size(), used_ - at);
      std::memcpy(room.data(), bytes_.data() + at, n);
      buffer.received(n);
      at += n;
      if (!codec.receive(buffer)) std::abort();
    }
    used_ = 0;
  }
  void clear() { used_ = 0; }

 private:
  std::vector<char> bytes_ = std::vector<char>(1 << 16);
  size_t used_ = 0;
};

// Passes one exchange on: the proxy's core without routes and sockets.
class Relay final : public http::StreamHandler {
 public:
  http::Stream* to = nullptr;
  http::ClientCodec* upstream = nullptr;
  Relay* other = nullptr;

  void on_request_head(http::RequestHead& head, bool end) override {
    other->to = to;
    to = upstream->open(*other);
    to->send_request_head(head, end);
  }
  void on_response_head(http::ResponseHead& head, bool end) override {
    to->send_response_head(head, end);
  }
  void on_data(std::string_view bytes, bool end) override { to->send_data(bytes, end); }
  void on_trailers(http::Fields& trailers) override { to->send_trailers(trailers); }
  void on_reset(http::ResetReason) override { std::abort(); }
  void on_send_room() override {}
  void on_closed() override {}
};

class Server final : public http::ServerHandler {
 public:
  explicit Server(http::ClientCodec* upstream) : upstream_(upstream) {}
  http::StreamHandler* on_stream(http::Stream& stream) override {
    down_.to = &stream;
    down_.upstream = upstream_;
    down_.other = &up_;
    return &down_;
  }

 private:
  http::ClientCodec* upstream_;
  Relay down_, up_;
};

// Answers every request at once.
class Origin final : public http::ServerHandler, public http::StreamHandler {
 public:
  http::StreamHandler* on_stream(http::Stream& stream) override {
    stream_ = &stream;
    return this;
  }
  void on_request_head(http::RequestHead&, bool) override {
    stream_->send_response_head(head_, false);
    stream_->send_data(body_, true);
  }
  void on_data(std::string_view, bool) override {}
  void on_trailers(http::Fields&) override {}
  void on_reset(http::ResetReason) override { std::abort(); }
  void on_send_room() override {}
  void on_closed() override {}

  Origin() {
    head_.status = 200;
    head_.fields.add("content-type", "application/json");
    head_.fields.add("content-length", "1024");
  }

 private:
  http::Stream* stream_ = nullptr;
  http::ResponseHead head_;
  const std::string body_ = std::string(1024, 'x');
};

void feed(http::Codec& codec, http::ReadBuffer& buffer, std::string_view bytes) {
  const auto room = buffer.room();
  std::memcpy(room.data(), bytes.data(), bytes.size());
  buffer.received(bytes.size());
  if (!codec.receive(buffer)) std::abort();
}

// HTTP/1 in, HTTP/1 out: what a plain proxy does for a request.
void plain(int rounds) {
  http::BlockPool pool;
  http::ReadBuffer down(pool), up(pool);
  Sink to_client, to_origin;
  http1::ClientCodec client(to_origin);
  Server relay(&client);
  http1::ServerCodec server(to_client, relay, "http");
  const std::string response = std::string(kResponseHead) + std::string(1024, 'x');
  for (int i = 0; i < rounds; ++i) {
    feed(server, down, kRequest);
    to_origin.clear();
    feed(client, up, response);
    to_client.clear();
  }
}

// HTTP/1 in, HTTP/2 between, answered there: half of a pair and the other's half.
void between(int rounds) {
  http::BlockPool pool;
  http::ReadBuffer down(pool), to_peer(pool), from_peer(pool);
  Sink to_client, client_out, peer_out;
  http2::ClientCodec client(client_out);
  Server relay(&client);
  http1::ServerCodec server(to_client, relay, "http");
  Origin origin;
  http2::ServerCodec peer(peer_out, origin);
  for (int i = 0; i < rounds; ++i) {
    feed(server, down, kRequest);
    client.produce();
    client_out.move_to(to_peer, peer);
    peer.produce();
    peer_out.move_to(from_peer, client);
    to_client.clear();
  }
}

void measure(const char* name, void (*run)(int), int rounds) {
  run(rounds / 10);
  const auto start = std::chrono::steady_clock::now();
  run(rounds);
  const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
  std::printf("%-28s %8.0f ns a request\n", name, spent.count() / rounds);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(10, std::atoi(argv[1])) : 200'000;
  measure("http/1 to http/1", plain, rounds);
  measure("http/1 to http/2, and back", between, rounds / 4);
  return 0;
}
