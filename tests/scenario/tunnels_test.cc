// Upgrades and CONNECT through forwarders, over HTTP/1.1, and over HTTP/2 between
// a pair of them.
#include <catch2/catch.hpp>

#include <mutex>

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

const std::string kUpgrade =
    "GET /chat HTTP/1.1\r\nhost: svc\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
const std::string kAccepted =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
constexpr const char* kWebSocket = R"(
          upgrade_configs: [{ upgrade_type: websocket }]
          http2_protocol_options: { allow_connect: true })";
constexpr const char* kHttp2 = R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: { allow_connect: true } })";

// Says what it was told, in capitals, until told "bye"; it accepts what asks.
bool shout(const Message& request, Wire& wire) {
  if (request.field("upgrade") != "websocket") return wire.send(support::response(404, "plain"));
  if (!wire.send(kAccepted)) return false;
  for (std::string said; (said = wire.read_some()) != "";) {
    for (char& c : said)
      if (c >= 'a' && c <= 'z') c = char(c - 32);
    if (!wire.send(said)) return false;
    if (said.ends_with("BYE")) return false;
  }
  return false;
}

}  // namespace

TEST_CASE("scenario: a WebSocket passes, through one forwarder and through two", "[forwarder]") {
  const uint32_t workers = GENERATE(1U, 2U);
  Origin origin("a");
  origin.handle(shout);
  Proxy inner(Front{.endpoints = ports({origin.port()}), .hcm = kWebSocket}.yaml(), workers);
  Proxy pair(Front{.endpoints = ports({inner.port()}), .cluster = kHttp2, .hcm = kWebSocket}.yaml(),
             workers);
  for (Proxy* proxy : {&inner, &pair}) {
    Wire client = Wire::connect(proxy->port());
    client.send(kUpgrade);
    const Message answer = client.read();
    REQUIRE(answer.status == 101);
    CHECK(answer.field("upgrade") == "websocket");
    CHECK(answer.field("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    client.send("hello");
    CHECK(client.read_exactly(5) == "HELLO");
    const std::string large(300'000, 'x');
    client.send(large);
    CHECK(client.read_exactly(large.size()) == std::string(large.size(), 'X'));
    client.send("bye");
    CHECK(client.read_all() == "BYE");  // and the end, in order
    CHECK_FALSE(client.was_reset());
  }
}

TEST_CASE("scenario: a tunnel that is refused is a plain answer and the last", "[forwarder]") {
  Origin origin("a");
  origin.handle([](const Message&, Wire& wire) { return wire.send(support::response(404, "no")); });
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = kWebSocket}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send(kUpgrade + "GET /smuggled HTTP/1.1\r\nhost: svc\r\n\r\n");
  const Message answer = client.read();
  CHECK(answer.status == 404);
  CHECK(answer.body == "no");
  CHECK(answer.field("connection") == "close");
  CHECK(client.closed());
  CHECK(origin.requests() == 1);
}

TEST_CASE("scenario: upgrades that are not configured are refused", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send(kUpgrade);
  CHECK(client.read().status == 403);
  CHECK(client.closed());
  Wire other = Wire::connect(proxy.port());
  other.send("CONNECT svc:80 HTTP/1.1\r\nhost: svc:80\r\n\r\n");
  CHECK(other.read().status == 501);
  CHECK(other.closed());
  CHECK(origin.requests() == 0);
}

TEST_CASE("scenario: a WebSocket of HTTP/2's own (RFC 8441) reaches an origin of HTTP/1.1",
          "[forwarder]") {
  Origin origin("a");
  std::mutex mutex;
  Message seen;
  origin.handle([&](const Message& request, Wire& wire) {
    {
      const std::lock_guard lock(mutex);
      seen = request;
    }
    return shout(request, wire);
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = kWebSocket}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  const std::string head = h2::field(":method", "CONNECT") + h2::field(":protocol", "websocket") +
                           "\x86" + h2::field(":path", "/chat") + h2::field(":authority", "svc") +
                           h2::field("sec-websocket-version", "13");
  client.send(h2::preface() + h2::frame(h2::Headers, h2::kEndHeaders, 1, head));
  std::string said;
  const auto hear = [&](std::string_view what) {
    while (said.find(what) == said.npos) {
      const std::string more = client.read_some();
      if (more.empty()) return false;
      said += more;
    }
    return true;
  };
  // SETTINGS_ENABLE_CONNECT_PROTOCOL: 1, and :status 200 from the static table.
  CHECK(hear(std::string("\0\10\0\0\0\1", 6)));
  CHECK(hear("\x88"));
  client.send(h2::frame(h2::Data, 0, 1, "hello"));
  CHECK(hear("HELLO"));
  CHECK(said.find("s3pPLMBiTxaQ9kYGzzhZRbK") == said.npos);
  {
    const std::lock_guard lock(mutex);
    CHECK(seen.start == "GET /chat HTTP/1.1");
    CHECK(seen.field("connection") == "upgrade");
    CHECK(seen.field("sec-websocket-key").size() == 24);
    CHECK(seen.field("sec-websocket-version") == "13");
  }
  client.send(h2::frame(h2::Data, h2::kEndStream, 1, "bye"));
  CHECK(hear("BYE"));
}

TEST_CASE("scenario: a peer of HTTP/2 that does not offer extended CONNECT is not asked for it",
          "[forwarder]") {
  Origin origin("a");
  origin.handle(shout);
  Proxy inner(Front{.endpoints = ports({origin.port()}), .hcm = R"(
          upgrade_configs: [{ upgrade_type: websocket }])"}
                  .yaml(),
              1);
  Proxy outer(
      Front{.endpoints = ports({inner.port()}), .cluster = kHttp2, .hcm = kWebSocket}.yaml(), 1);
  Wire client = Wire::connect(outer.port());
  client.send(kUpgrade);
  CHECK(client.read().status == 503);
  CHECK(client.closed());
  CHECK(origin.requests() == 0);
}

TEST_CASE("scenario: CONNECT ends here and its bytes go to the endpoint, or passes on",
          "[forwarder]") {
  const uint32_t workers = GENERATE(1U, 2U);
  constexpr const char* kConnect = R"(
          upgrade_configs: [{ upgrade_type: CONNECT }]
          http2_protocol_options: { allow_connect: true })";
  Origin origin("a");
  origin.handle([](const Message& request, Wire& wire) {
    // What it reads is the tunnel's: no CONNECT, and no field of ours.
    return wire.send(support::response(200, request.start + request.field("x-request-id")));
  });
  Proxy ending(Front{.route = R"(
              - match: { connect_matcher: {} }
                route:
                  cluster: svc
                  upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }])",
                     .endpoints = ports({origin.port()}),
                     .hcm = kConnect}
                   .yaml(),
               workers);
  const std::string passing = R"(
              - match: { connect_matcher: {} }
                route: { cluster: svc })";
  Proxy over_http1(
      Front{.route = passing, .endpoints = ports({ending.port()}), .hcm = kConnect}.yaml(),
      workers);
  Proxy over_http2(
      Front{
          .route = passing, .endpoints = ports({ending.port()}), .cluster = kHttp2, .hcm = kConnect}
          .yaml(),
      workers);
  for (Proxy* proxy : {&ending, &over_http1, &over_http2}) {
    Wire client = Wire::connect(proxy->port());
    client.send("CONNECT svc:80 HTTP/1.1\r\nhost: svc:80\r\n\r\n");
    const std::string head = client.read_head();
    REQUIRE(head.starts_with("HTTP/1.1 200 "));
    CHECK(head.find("content-length") == head.npos);
    client.send("GET /within HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(client.read().body == "GET /within HTTP/1.1");
    client.send("GET /last HTTP/1.1\r\nhost: svc\r\n\r\n");
    client.shutdown_write();  // the other direction goes on
    CHECK(client.read().body == "GET /last HTTP/1.1");
    CHECK(client.read_all() == "");
    CHECK_FALSE(client.was_reset());
  }
  // A path's route is not for CONNECT, and CONNECT's is not for a path.
  CHECK(support::get(ending.port()).status == 404);
}

TEST_CASE("scenario: early bytes reach the origin as the tunnel's, and only then", "[forwarder]") {
  Origin origin("a");
  origin.handle(shout);
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = kWebSocket}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send(kUpgrade + "early");
  CHECK(client.read().status == 101);
  CHECK(client.read_exactly(5) == "EARLY");
}

TEST_CASE("scenario: a tunnel where nothing moves ends by the stream's idle timeout",
          "[forwarder]") {
  Origin origin("a");
  origin.handle(shout);
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = std::string(kWebSocket) + R"(
          stream_idle_timeout: 0.5s)"}
                  .yaml(),
              1);
  Wire client = Wire::connect(proxy.port());
  client.send(kUpgrade);
  CHECK(client.read().status == 101);
  client.send("hello");
  CHECK(client.read_exactly(5) == "HELLO");
  CHECK(client.closed());
}

TEST_CASE("scenario: a client that leaves ends the origin's side, and the other way round",
          "[forwarder]") {
  Origin origin("a");
  std::atomic<bool> ended{false};
  std::atomic<bool> leave{false};
  origin.handle([&](const Message&, Wire& wire) {
    wire.send(kAccepted);
    if (!leave) ended = wire.read_all() == "";
    return false;
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = kWebSocket}.yaml(), 1);
  {
    Wire client = Wire::connect(proxy.port());
    client.send(kUpgrade);
    CHECK(client.read().status == 101);
  }
  CHECK(support::wait_for([&] { return ended.load(); }));
  leave = true;
  Wire client = Wire::connect(proxy.port());
  client.send(kUpgrade);
  CHECK(client.read().status == 101);
  CHECK(client.closed());
}
