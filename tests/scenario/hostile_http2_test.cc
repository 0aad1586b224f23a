// HTTP/2 peers that flood, on either side of a forwarder: their connection ends,
// and others hardly notice.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http2_frames.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using namespace std::string_literals;
namespace h2 = support::h2;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

struct Flood {
  const char* name;
  std::string first;                                // behind the preface
  std::function<std::string(uint32_t round)> next;  // some 1000 frames each
};

template <class Make>
std::function<std::string(uint32_t)> thousand(Make make) {
  return [make](uint32_t round) {
    std::string bytes;
    for (uint32_t i = 0; i < 1000; ++i) bytes += make(round * 1000 + i);
    return bytes;
  };
}

std::vector<Flood> floods() {
  const auto same = [](std::string frame) {
    return thousand([frame = std::move(frame)](uint32_t) { return frame; });
  };
  return {
      {"pings", "", same(h2::frame(h2::Ping, 0, 0, "12345678"))},
      {"settings", "", same(h2::frame(h2::Settings, 0, 0, ""))},
      {"settings that change", "", same(h2::frame(h2::Settings, 0, 0, "\0\4\0\1\0\0"s))},
      {"priorities", "", same(h2::frame(h2::Priority, 0, 5, "\0\0\0\0\x10"s))},
      {"window updates", "", same(h2::frame(h2::Window, 0, 0, h2::number(1)))},
      {"frames of an unknown type", "", same(h2::frame(h2::Unknown, 0, 0, "x"))},
      {"empty data", h2::frame(h2::Headers, h2::kEndHeaders, 1, h2::post()),
       same(h2::frame(h2::Data, 0, 1, ""))},
      {"data that is all padding", h2::frame(h2::Headers, h2::kEndHeaders, 1, h2::post()),
       same(h2::frame(h2::Data, h2::kPadded, 1, "\1\0"s))},
      {"continuations", h2::frame(h2::Headers, h2::kEndStream, 1, h2::head()),
       same(h2::frame(h2::Continuation, 0, 1, h2::field("x", "y")))},
      {"empty continuations", h2::frame(h2::Headers, h2::kEndStream, 1, h2::head()),
       same(h2::frame(h2::Continuation, 0, 1, ""))},
      {"rapid resets", "", thousand([](uint32_t i) {
         const uint32_t id = 2 * i + 1;
         return h2::get(id) + h2::frame(h2::Rst, 0, id, h2::number(8));
       })},
      {"resets that we are made to send", "", thousand([](uint32_t i) {
         const uint32_t id = 2 * i + 1;
         return h2::frame(h2::Headers, h2::kEndHeaders, id, h2::post()) +
                h2::frame(h2::Window, 0, id, h2::number(0));
       })},
      {"malformed requests", "",
       thousand([](uint32_t i) { return h2::get(2 * i + 1, h2::field("Upper", "x")); })},
      {"field bombs", h2::get(1, h2::bomb(12'000)),
       [](uint32_t round) { return h2::get(2 * round + 3, h2::bomb(12'000)); }},
  };
}

}  // namespace

TEST_CASE("scenario: HTTP/2 floods end their connection, and others are served", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  for (const Flood& flood : floods()) {
    DYNAMIC_SECTION(flood.name) {
      Wire bystander = Wire::connect(proxy.port());
      Wire hostile = Wire::connect(proxy.port());
      REQUIRE(hostile.send(h2::preface() + flood.first));
      bool alive = true;
      std::string said;
      for (uint32_t round = 0; alive && round < 100; ++round) {
        alive = hostile.send(flood.next(round));
        said += hostile.read_some(0);
        if (round % 10 != 0) continue;
        bystander.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
        CHECK(bystander.read().body == "a");
      }
      said += hostile.read_all();
      INFO("GOAWAY " << h2::code_in(said, h2::GoAway));
      CHECK((!alive || hostile.closed()));
      CHECK(support::wait_for([&] { return proxy.connections() <= 1; }));
      CHECK(said.size() < 1'000'000);
    }
  }
}

TEST_CASE("scenario: a head over the limit is answered, and the connection goes on",
          "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send(h2::preface() + h2::get(1, h2::bomb(20)));
  std::string said;
  const auto answers = [&] {  // HEADERS frames
    int count = 0;
    for (size_t at = 0; at + 9 <= said.size();) {
      const size_t n = size_t(uint8_t(said[at])) << 16 | size_t(uint8_t(said[at + 1])) << 8 |
                       uint8_t(said[at + 2]);
      count += said[at + 3] == h2::Headers;
      at += 9 + n;
    }
    return count;
  };
  while (answers() < 1) {
    const std::string more = client.read_some();
    REQUIRE_FALSE(more.empty());
    said += more;
  }
  CHECK(said.find("431") != said.npos);
  client.send(h2::get(3));
  while (answers() < 2) {
    const std::string more = client.read_some();
    REQUIRE_FALSE(more.empty());
    said += more;
  }
  CHECK(origin.requests() == 1);
}

TEST_CASE("scenario: windows of nothing hold their own streams only", "[forwarder]") {
  Origin origin("a");
  origin.handle([body = std::string(1'000'000, 'x')](const Message& request, Wire& wire) {
    return wire.send(support::response(200, request.start.starts_with("GET /small") ? "a" : body));
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire hostile = Wire::connect(proxy.port());
  // SETTINGS_INITIAL_WINDOW_SIZE 0, then as many requests as may be open.
  hostile.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2::frame(h2::Settings, 0, 0, "\0\4\0\0\0\0"s));
  std::string requests;
  for (uint32_t i = 0; i < 90; ++i) requests += h2::get(2 * i + 1);
  hostile.send(requests);
  CHECK(support::wait_for([&] { return origin.requests() >= 90; }));
  for (int i = 0; i < 20; ++i) CHECK(support::get(proxy.port(), "/small").body == "a");
}

TEST_CASE("scenario: an upstream that floods loses its connection, the client has an answer",
          "[forwarder]") {
  constexpr const char* kHttp2 = R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} })";
  const auto repeated = [](std::string frame) {
    std::string bytes;
    for (int i = 0; i < 20'000; ++i) bytes += frame;
    return bytes;
  };
  const std::string settings = h2::frame(h2::Settings, 0, 0, "");
  struct Row {
    const char* name;
    std::string bytes;
  };
  const Row rows[] = {
      {"pings", repeated(h2::frame(h2::Ping, 0, 0, "12345678"))},
      {"settings", repeated(settings)},
      {"unknown frames", repeated(h2::frame(h2::Unknown, 0, 0, "x"))},
      {"window updates", repeated(h2::frame(h2::Window, 0, 0, h2::number(1)))},
      {"continuations", h2::frame(h2::Headers, 0, 1, "\x88") +
                            repeated(h2::frame(h2::Continuation, 0, 1, h2::field("x", "y")))},
      {"interim answers",
       repeated(h2::frame(h2::Headers, h2::kEndHeaders, 1, h2::field(":status", "103")))},
      {"101", h2::frame(h2::Headers, h2::kEndHeaders, 1, h2::field(":status", "101"))},
      {"a field bomb", h2::frame(h2::Headers, h2::kEndHeaders, 1, "\x88" + h2::bomb(12'000))},
      {"a value with CR LF", h2::frame(h2::Headers, h2::kEndHeaders | h2::kEndStream, 1,
                                       "\x88" + h2::field("x", "a\r\nset-cookie: b"))},
      {"a pseudo field of requests", h2::frame(h2::Headers, h2::kEndHeaders | h2::kEndStream, 1,
                                               "\x88" + h2::field(":path", "/"))},
      {"an upper-case name", h2::frame(h2::Headers, h2::kEndHeaders | h2::kEndStream, 1,
                                       "\x88" + h2::field("X-One", "y"))},
      {"Transfer-Encoding", h2::frame(h2::Headers, h2::kEndHeaders | h2::kEndStream, 1,
                                      "\x88" + h2::field("transfer-encoding", "chunked"))},
      {"a length that the body has not", h2::frame(h2::Headers, h2::kEndHeaders | h2::kEndStream, 1,
                                                   "\x88" + h2::field("content-length", "5"))},
      {"an end before the answer", h2::frame(h2::GoAway, 0, 0, h2::number(1) + h2::number(11))},
  };
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .cluster = kHttp2}.yaml(), 1);
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      origin.handle([&settings, &row](const Message& request, Wire& wire) {
        if (!request.start.starts_with("PRI ")) return false;
        wire.send(settings);
        wire.read_some();  // SM, SETTINGS and the request, or part of them
        wire.send(row.bytes);
        wire.shutdown_write();
        wire.read_all(2000);
        return false;
      });
      Wire client = Wire::connect(proxy.port());
      client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
      Message answer = client.read();
      int interim = 0;
      for (; answer.status == 103; answer = client.read()) ++interim;
      CHECK(interim <= 16);
      INFO(answer.start << " " << answer.body);
      CHECK((answer.status == 502 || answer.status == 503));
      CHECK(answer.fields.count("set-cookie") == 0);
    }
  }
}
