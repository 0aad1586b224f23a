// Messages that end before their end, on either side: nobody may take a part
// for the whole, and nothing else is touched.
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/temp_dir.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

// How an upstream breaks its answer off.
struct Broken {
  const char* name;
  const char* bytes;
  enum { Closes, Resets, ResetsAtOnce } how;
};
constexpr Broken kBroken[] = {
    {"content-length short", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", Broken::Closes},
    {"content-length short, reset", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
     Broken::Resets},
    {"chunk cut", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf",
     Broken::Closes},
    {"no last chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
     Broken::Closes},
    {"chunk cut, reset at once", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10\r\nhalf",
     Broken::ResetsAtOnce},
    {"close-delimited, reset", "HTTP/1.1 200 OK\r\n\r\nhalf", Broken::Resets},
};

std::string logged_to(const std::string& file) {
  return R"(
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )" +
         file + R"(
              log_format: { text_format_source: { inline_string: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n" } })";
}

}  // namespace

TEST_CASE("scenario: a part of an answer is not taken for the whole", "[forwarder][faults]") {
  const Broken& broken = GENERATE(from_range(std::begin(kBroken), std::end(kBroken)));
  const std::string version = GENERATE("1.0", "1.1");
  INFO(broken.name << ", to HTTP/" << version);
  support::TempDir dir;
  Origin origin("a");
  std::atomic<bool> head_seen{false};
  origin.handle([&](const Message& request, Wire& wire) {
    if (request.start.starts_with("GET /whole")) return wire.send(support::response(200, "whole"));
    wire.send(broken.bytes);
    if (broken.how != Broken::ResetsAtOnce) support::wait_for([&] { return head_seen.load(); });
    if (broken.how != Broken::Closes) wire.reset();
    return false;
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = logged_to(dir.file("log"))}.yaml(),
              1);
  Wire other = Wire::connect(proxy.port());
  other.send("GET /whole HTTP/1.1\r\nhost: svc\r\n\r\n");
  CHECK(other.read().body == "whole");

  Wire client = Wire::connect(proxy.port());
  client.send("GET /broken HTTP/" + version + "\r\nhost: svc\r\n\r\n");
  pollfd readable{client.fd(), POLLIN, 0};
  CHECK(::poll(&readable, 1, 10000) == 1);
  head_seen = true;
  const Message answer = client.read();
  CHECK(answer.status == 200);
  CHECK_FALSE(answer.complete);
  CHECK(client.closed());
  CHECK(support::wait_for([&] {
    return dir.read("log").find("200 UC upstream_reset_after_response_started") !=
           std::string::npos;
  }));
  // Everybody else is served on, on the connections they have.
  other.send("GET /whole HTTP/1.1\r\nhost: svc\r\n\r\n");
  CHECK(other.read().body == "whole");
}

TEST_CASE("scenario: an answer whose sender has left waits for its reader", "[forwarder][faults]") {
  const std::string framing = GENERATE("length", "close", "chunked");
  INFO(framing);
  Origin origin("a");
  std::atomic<size_t> pieces{0};
  std::atomic<bool> sent{false};
  origin.handle([&](const Message&, Wire& wire) {
    const std::string piece(1000, 'x');
    std::string all = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
    if (framing == "length") all += "content-length: " + std::to_string(pieces * 1000) + "\r\n";
    if (framing == "chunked") all += "transfer-encoding: chunked\r\n";
    all += "\r\n";
    for (size_t i = 0; i < pieces; ++i)
      all += framing == "chunked" ? "3e8\r\n" + piece + "\r\n" : piece;
    if (framing == "chunked") all += "0\r\n\r\n";
    wire.send(all);
    sent = true;
    return false;
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  // Somewhere among these sizes all is read from the upstream and part of it
  // waits in the forwarder, whatever the kernel's buffers hold.
  for (pieces = 100; pieces <= 4000; pieces += 60) {
    sent = false;
    Wire client = Wire::connect(proxy.port());
    client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    support::wait_for([&] { return sent.load(); }, std::chrono::milliseconds(200));
    const Message answer = client.read();
    INFO(pieces);
    REQUIRE(answer.complete);
    REQUIRE(answer.body.size() == pieces * 1000);
  }
}

TEST_CASE("scenario: a client that leaves while its body is held frees everything",
          "[forwarder][faults]") {
  uint16_t port = 0;
  const UniqueFd mute = support::mute_listener(port);
  Proxy proxy(Front{.endpoints = ports({port})}.yaml(), 1);
  {
    Wire client = Wire::connect(proxy.port());
    client.send("POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 100000000\r\n\r\n");
    const std::string piece(64 * 1024, 'b');
    size_t sent = 0;
    // Until nobody takes more.
    const auto more = [&] {
      const ssize_t n =
          ::send(client.fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) sent += size_t(n);
      return n > 0;
    };
    while (support::wait_for(more, std::chrono::milliseconds(300))) {
    }
    CHECK(sent < 100'000'000);
    CHECK(proxy.connections() == 1);
    // An orderly end would stay behind what the forwarder does not read.
    client.reset();
  }
  CHECK(support::wait_for([&] { return proxy.connections() == 0; }));
}

TEST_CASE("scenario: heads over a limit are refused by status, others are served on",
          "[forwarder][faults]") {
  struct Row {
    const char* name;
    std::string head;
    int status;
  };
  std::string many = "GET / HTTP/1.1\r\nhost: svc\r\n";
  for (int i = 0; i < 101; ++i) many += "x-" + std::to_string(i) + ": 1\r\n";
  const Row rows[] = {
      {"request line", "GET /" + std::string(1 << 20, 'a') + " HTTP/1.1\r\nhost: svc\r\n\r\n", 414},
      {"one field", "GET / HTTP/1.1\r\nhost: svc\r\nx: " + std::string(1 << 20, 'a') + "\r\n\r\n",
       431},
      {"many fields", many + "\r\n", 431},
  };
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire other = Wire::connect(proxy.port());
  for (const Row& row : rows) {
    INFO(row.name);
    std::vector<Wire> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(Wire::connect(proxy.port()));
    for (Wire& client : clients) client.send(row.head);
    for (Wire& client : clients) {
      CHECK(client.read().status == row.status);
      CHECK(client.closed());
    }
    other.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(other.read().status == 200);
  }
  CHECK(origin.requests() == std::size(rows));
}
