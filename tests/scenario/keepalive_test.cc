// connection_keepalive: an HTTP/2 peer that answers no PING loses its connection,
// on either side of a forwarder.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http2_frames.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
namespace h2 = support::h2;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

// Acknowledges each PING among `frames`; how many there were.
int answer_pings(Wire& wire, std::string_view frames) {
  int pings = 0;
  for (size_t at = 0; at + 17 <= frames.size();) {
    const size_t n = size_t(uint8_t(frames[at])) << 16 | size_t(uint8_t(frames[at + 1])) << 8 |
                     uint8_t(frames[at + 2]);
    if (frames[at + 3] == h2::Ping && frames[at + 4] == 0) {
      ++pings;
      wire.send(h2::frame(h2::Ping, h2::kAck, 0, frames.substr(at + 9, 8)));
    }
    at += 9 + n;
  }
  return pings;
}

}  // namespace

TEST_CASE("scenario: a client that answers no PING loses its connection", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = R"(
          http2_protocol_options:
            connection_keepalive: { interval: 0.05s, timeout: 0.2s })"}
                  .yaml(),
              1);
  Wire alive = Wire::connect(proxy.port());
  Wire dead = Wire::connect(proxy.port());
  alive.send(h2::preface());
  dead.send(h2::preface());
  int pings = 0;
  while (pings < 3) {
    const std::string said = alive.read_some();
    REQUIRE_FALSE(said.empty());
    pings += answer_pings(alive, said);
  }
  CHECK(dead.closed());
  alive.send(h2::get(1));
  CHECK(support::wait_for([&] { return origin.requests() == 1; }));
}

TEST_CASE("scenario: an upstream that answers no PING loses its connection", "[forwarder]") {
  Origin origin("a");
  std::atomic<int> ended{0};
  origin.handle([&](const Message& request, Wire& wire) {
    if (!request.start.starts_with("PRI ")) return false;
    wire.send(h2::frame(h2::Settings, 0, 0, ""));
    wire.read_all();  // never a word
    ++ended;
    return false;
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .cluster = R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config:
          http2_protocol_options:
            connection_keepalive: { interval: 0.05s, timeout: 0.2s })"}
                  .yaml(),
              1);
  const Message answer = support::get(proxy.port());
  CHECK(answer.status == 503);
  CHECK(support::wait_for([&] { return ended > 0; }));
}
