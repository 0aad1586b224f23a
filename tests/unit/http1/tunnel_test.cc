// Upgrades and CONNECT over HTTP/1.1: what opens a tunnel, what refuses it, and
// that a byte said too early is never taken for a request.

#include <catch2/catch.hpp>

#include "http1/client_codec.h"
#include "http1/server_codec.h"
#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;

namespace {

using Heard = std::vector<std::string>;

const std::string kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
    "websocket\r\n\r\n";
const std::string kConnect = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
const std::string kSecret = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

struct Served {
  http::BlockPool pool;
  http::ReadBuffer buffer{pool};
  FakeSink sink;
  RecordingServer handler;
  http1::ServerCodec codec{sink, handler, "http"};

  bool say(std::string_view bytes) { return feed(codec, buffer, bytes).has_value(); }
  Recorder& first() { return handler.streams.at(0); }
  void accept(uint16_t status) {
    http::ResponseHead head = response(status, {{"x", "y"}, {"content-length", "5"}});
    if (status == 101) head.upgrade = "websocket";
    first().stream->send_response_head(head, false);
  }
};

struct Asked {
  http::BlockPool pool;
  http::ReadBuffer buffer{pool};
  FakeSink sink;
  http1::ClientCodec codec{sink};
  Recorder r;

  explicit Asked(bool connect) {
    http::RequestHead head = request(connect ? "CONNECT" : "GET", connect ? "" : "/chat");
    if (!connect) head.upgrade = "websocket";
    if (connect) head.authority = "shop:443";
    r.stream = codec.open(r);
    r.stream->send_request_head(head, false);
  }
  bool say(std::string_view bytes) { return feed(codec, buffer, bytes).has_value(); }
};

}  // namespace

TEST_CASE("http1: what asks for a tunnel is held until it is answered", "[http1]") {
  for (const bool connect : {false, true}) {
    DYNAMIC_SECTION((connect ? "CONNECT" : "upgrade")) {
      Served s;
      REQUIRE(s.say((connect ? kConnect : kUpgrade) + kSecret));
      REQUIRE(s.handler.streams.size() == 1);
      CHECK(s.first().heard ==
            Heard{connect ? "request CONNECT http://a:443 " : "request GET http://a /chat"});
      CHECK_FALSE(s.codec.wants_bytes());
      s.codec.produce();
      CHECK(s.first().heard.size() == 1);

      SECTION("accepted: early bytes are the tunnel's") {
        s.accept(connect ? 200 : 101);
        CHECK(s.sink.take() == (connect ? "HTTP/1.1 200 OK\r\nx: y\r\n\r\n"
                                        : "HTTP/1.1 101 Switching Protocols\r\nx: y\r\n"
                                          "connection: upgrade\r\nupgrade: websocket\r\n\r\n"));
        s.codec.produce();
        CHECK(s.first().body == kSecret);
        s.first().stream->send_data("raw\r\n", false);
        CHECK(s.sink.take() == "raw\r\n");
        CHECK(s.codec.half_open());
        s.codec.receive_eof();
        CHECK(s.first().ended);
        CHECK_FALSE(s.codec.finished());
        s.first().stream->send_data("last", true);
        CHECK(s.sink.take() == "last");
        CHECK(s.first().heard.back() == "closed");
        CHECK(s.codec.finished());
        CHECK_FALSE(s.codec.cut_short());
      }
      SECTION("our direction ends first") {
        s.accept(connect ? 204 : 101);
        s.first().stream->send_data("all", true);
        s.codec.produce();
        CHECK_FALSE(s.codec.finished());
        CHECK(s.say("more"));
        s.codec.receive_eof();
        CHECK(s.first().body == kSecret + "more");
        CHECK(s.first().heard.back() == "closed");
        CHECK(s.codec.finished());
      }
      SECTION("refused: the connection ends, early bytes stay unread") {
        s.first().stream->send_response_head(
            response(connect ? 101 : 200, {{"content-length", "2"}}), false);
        s.first().stream->send_data("no", true);
        s.codec.produce();
        CHECK(s.sink.out.find("connection: close\r\n") != s.sink.out.npos);
        CHECK(s.codec.finished());
        CHECK(s.handler.streams.size() == 1);
        CHECK(s.first().heard.back() == "closed");
      }
      SECTION("a connection that dies is a reset") {
        s.accept(connect ? 200 : 101);
        s.codec.produce();
        s.codec.connection_lost();
        CHECK(s.first().heard.back() == "reset connection lost");
      }
      SECTION("a client that leaves before the answer") {
        s.codec.receive_eof();
        CHECK(s.first().heard.back() == "reset connection lost");
      }
    }
  }
}

TEST_CASE("http1: what is no upgrade", "[http1]") {
  struct Row {
    const char* because;
    std::string_view bytes;
  };
  const Row rows[] = {
      {"Connection does not name it", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"},
      {"h2c, which a server may ignore",
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\n"
       "HTTP2-Settings: x\r\n\r\n"},
      {"HTTP/1.0 knows no 101",
       "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Served s;
      REQUIRE(s.say(row.bytes));
      CHECK(s.first().heard == Heard{"request GET http://a / END"});
    }
  }
}

TEST_CASE("http1: a client asks for a tunnel", "[http1]") {
  SECTION("an upgrade, accepted") {
    Asked a(false);
    CHECK(a.sink.take() ==
          "GET /chat HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    REQUIRE(a.say(
        "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
        "Upgrade: WebSocket\r\nX: y\r\n\r\nraw"));
    CHECK(a.r.heard == Heard{"informational 103", "response 101 x=y", "data raw"});
    a.r.stream->send_data("up", false);
    CHECK(a.sink.take() == "up");
    a.codec.receive_eof();
    CHECK(a.r.ended);
    a.r.stream->send_data("", true);
    CHECK(a.r.heard.back() == "closed");
    CHECK(a.codec.finished());
  }
  SECTION("CONNECT, accepted; a length means nothing") {
    Asked a(true);
    CHECK(a.sink.take() == "CONNECT shop:443 HTTP/1.1\r\nhost: shop:443\r\n\r\n");
    REQUIRE(a.say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nrawraw"));
    CHECK(a.r.heard == Heard{"response 200", "data rawraw"});
  }
  SECTION("refused: an ordinary answer, and the connection can be kept") {
    Asked a(false);
    REQUIRE(a.say("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"));
    CHECK(a.r.heard == Heard{"response 404 content-length=2", "data no END", "closed"});
    CHECK(a.codec.capacity() == 1);
  }
  struct Row {
    const char* because;
    bool connect;
    std::string_view bytes;
  };
  const Row rows[] = {
      {"101 to CONNECT", true, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"},
      {"101 to another protocol", false,
       "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"},
      {"101 to two protocols", false,
       "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\n\r\n"},
      {"101 without Upgrade", false, "HTTP/1.1 101 x\r\n\r\n"},
      {"101 with a length", false,
       "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"},
      {"101 of HTTP/1.0", false,
       "HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Asked a(row.connect);
      CHECK_FALSE(a.say(row.bytes));
      CHECK(a.r.heard == Heard{"reset protocol error"});
      CHECK(a.codec.finished());
    }
  }
}
