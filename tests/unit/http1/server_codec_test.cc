// HTTP/1 towards a client: what is read, what is answered, what ends it.

#include "http1/server_codec.h"

#include <catch2/catch.hpp>

#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;

namespace {

struct Served {
  http::BlockPool pool;
  http::ReadBuffer buffer{pool};
  FakeSink sink;
  RecordingServer server;
  http1::ServerCodec codec;

  explicit Served(const http::Limits& limits = {}) : codec(sink, server, "http", limits) {}

  // Every exchange is answered at its end with `status` and `body`.
  void answer_all(std::string body) {
    server.prepare = [this, body](Recorder& r) {
      r.on_event = [&r, body](std::string_view) {
        if (!r.heard.back().ends_with(" END")) return;
        const std::string length = std::to_string(body.size());
        r.stream->send_response_head(response(200, {{"content-length", length}}), false);
        r.stream->send_data(body, true);
      };
    };
  }
  std::vector<std::string> all_heard() const {
    std::vector<std::string> all;
    for (const Recorder& r : server.streams) all.insert(all.end(), r.heard.begin(), r.heard.end());
    return all;
  }
};

using Heard = std::vector<std::string>;

}  // namespace

TEST_CASE("http1 server: what a request means, however it is cut", "[http1]") {
  struct Row {
    const char* because;
    std::string_view bytes;
    Heard want;
  };
  const Row rows[] = {
      {"a request without a body ends with its head",
       "GET /a?b=c HTTP/1.1\r\nHost: shop\r\n\r\n",
       {"request GET http://shop /a?b=c END"}},
      {"names are lowered, values trimmed of blanks",
       "GET / HTTP/1.1\r\nHOST: shop:80\r\nX-One: \t a b \t\r\nEmpty:\r\n\r\n",
       {"request GET http://shop:80 / x-one=a b empty= END"}},
      {"connection fields, and what Connection names, do not pass",
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
       "TE: trailers\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-End: 2\r\n\r\n",
       {"request GET http://a / x-end=2 END"}},
      {"Content-Length frames a body",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
       {"request POST http://a / content-length=5", "data hello END"}},
      {"chunks frame a body, extensions are dropped",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
       "5;x=y\r\nhello\r\nA\r\n, world...\r\n0\r\n\r\n",
       {"request POST http://a /", "data hello, world... END"}},
      {"trailers follow chunks",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
       "1\r\nx\r\n0\r\nGrpc-Status: 0\r\nB: c\r\n\r\n",
       {"request POST http://a /", "data x", "trailers grpc-status=0 b=c END"}},
      {"absolute-form wins over Host",
       "GET http://shop:8080/x HTTP/1.1\r\nHost: other\r\n\r\n",
       {"request GET http://shop:8080 /x END"}},
      {"absolute-form may lack a path",
       "GET http://shop HTTP/1.1\r\nHost: shop\r\n\r\n",
       {"request GET http://shop / END"}},
      {"absolute-form with a query alone gets its slash",
       "GET HTTP://shop?q=1 HTTP/1.1\r\nHost: shop\r\n\r\n",
       {"request GET http://shop /?q=1 END"}},
      {"the scheme of absolute-form stands",
       "GET https://shop/ HTTP/1.1\r\nHost: shop\r\n\r\n",
       {"request GET https://shop / END"}},
      {"asterisk-form belongs to OPTIONS",
       "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
       {"request OPTIONS http://a * END"}},
      {"one blank line before a request is ignored",
       "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
       {"request GET http://a / END"}},
      {"HTTP/1.0 needs no Host", "GET / HTTP/1.0\r\n\r\n", {"request GET http:// / END"}},
      {"Expect passes",
       "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
       {"request PUT http://a / expect=100-continue content-length=1", "data x END"}},
      {"an IPv6 Host",
       "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
       {"request GET http://[::1]:80 / END"}},
      {"obs-text in a value passes",
       "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n",
       {"request GET http://a / x=\xc3\xa9 END"}},
  };
  for (const Row& row : rows) {
    for (const size_t step : {SIZE_MAX, size_t(1), size_t(7)}) {
      DYNAMIC_SECTION(row.because << ", " << step << " bytes at a time") {
        Served s;
        REQUIRE(feed(s.codec, s.buffer, row.bytes, step));
        REQUIRE(s.server.streams.size() == 1);
        CHECK(s.server.streams[0].heard == row.want);
        CHECK(s.sink.out.empty());
        CHECK(s.codec.open_streams() == 1);
      }
    }
  }
}

TEST_CASE("http1 server: pipelined requests are answered in their order", "[http1]") {
  std::string bytes;
  for (int i = 0; i < 2000; ++i)
    bytes += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const size_t step : {SIZE_MAX, size_t(1), size_t(4096)}) {
    Served s;
    s.answer_all("ok");
    REQUIRE(feed(s.codec, s.buffer, bytes, step));
    REQUIRE(s.server.streams.size() == 2000);
    CHECK(s.server.streams[1999].heard == Heard{"request GET http://a /1999 END", "closed"});
    CHECK(s.codec.open_streams() == 0);
    CHECK_FALSE(s.codec.finished());
    CHECK(s.buffer.unread().empty());
  }
}

TEST_CASE("http1 server: the second request waits until the first is answered", "[http1]") {
  Served s;
  REQUIRE(feed(s.codec, s.buffer,
               "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n"));
  REQUIRE(s.server.streams.size() == 1);
  CHECK_FALSE(s.codec.wants_bytes());
  s.server.streams[0].stream->send_response_head(response(204), true);
  CHECK(s.server.streams[0].has("closed"));
  REQUIRE(s.server.streams.size() == 1);  // nothing recurses out of a send
  REQUIRE(s.sink.wanted);
  s.codec.produce();
  REQUIRE(s.server.streams.size() == 2);
  CHECK(s.server.streams[1].heard == Heard{"request GET http://b /2 END"});
  CHECK(s.codec.wants_bytes());
}

TEST_CASE("http1 server: how a response is framed", "[http1]") {
  struct Row {
    const char* because;
    std::string_view request;
    http::ResponseHead head;
    std::vector<std::string_view> body;
    std::string_view want;
    bool finished;
  };
  const std::string_view get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const Row rows[] = {
      {"a length is counted",
       get,
       response(200, {{"content-length", "5"}}),
       {"he", "llo"},
       "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
       false},
      {"without a length it is chunked",
       get,
       response(200, {{"a", "b"}}),
       {"he", "llo"},
       "HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: "
       "chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
       false},
      {"a response without a body says so",
       get,
       response(503),
       {},
       "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
       false},
      {"204 has no length", get, response(204), {}, "HTTP/1.1 204 No Content\r\n\r\n", false},
      {"304 keeps the length of what it stands for",
       get,
       response(304, {{"content-length", "9"}}),
       {},
       "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
       false},
      {"HEAD: the body is dropped",
       "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
       response(200, {{"content-length", "5"}}),
       {"hello"},
       "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
       false},
      {"Connection: close is answered in kind",
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
       response(204),
       {},
       "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
       true},
      {"HTTP/1.0 closes",
       "GET / HTTP/1.0\r\n\r\n",
       response(204),
       {},
       "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
       true},
      {"HTTP/1.0 keeps the connection when asked",
       "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       response(204),
       {},
       "HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n",
       false},
      {"HTTP/1.0 knows no chunks: the end of the connection is the end",
       "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
       response(200),
       {"hello"},
       "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
       true},
      {"what belongs to another connection is not written",
       get,
       response(204, {{"connection", "x"}, {"transfer-encoding", "gzip"}, {"upgrade", "y"}}),
       {},
       "HTTP/1.1 204 No Content\r\n\r\n",
       false},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Served s;
      REQUIRE(feed(s.codec, s.buffer, row.request));
      Recorder& r = s.server.streams.at(0);
      r.stream->send_response_head(row.head, row.body.empty());
      for (size_t i = 0; i < row.body.size(); ++i)
        r.stream->send_data(row.body[i], i + 1 == row.body.size());
      CHECK(s.sink.out == row.want);
      CHECK(r.has("closed"));
      CHECK(s.codec.finished() == row.finished);
    }
  }
}

TEST_CASE("http1 server: a body that breaks its length breaks the connection", "[http1]") {
  for (const std::string_view body : {"four", "sixsix"}) {
    Served s;
    REQUIRE(feed(s.codec, s.buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    Recorder& r = s.server.streams.at(0);
    r.stream->send_response_head(response(200, {{"content-length", "5"}}), false);
    r.stream->send_data(body, true);
    CHECK(r.has("reset internal error"));
    CHECK(s.codec.finished());
    CHECK(s.sink.out.ends_with("\r\n\r\n"));  // nothing of the body went out
  }
}

TEST_CASE("http1 server: 1xx, trailers and large bodies on the way out", "[http1]") {
  Served s;
  REQUIRE(feed(s.codec, s.buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  http::Stream& stream = *s.server.streams.at(0).stream;
  stream.send_informational(response(103, {{"link", "x"}}));
  stream.send_response_head(response(200), false);
  const std::string large(5000, 'x');
  stream.send_data(large, false);
  http::Fields trailers;
  trailers.add("grpc-status", "0");
  stream.send_trailers(trailers);
  CHECK(s.sink.out ==
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n" +
            large + "\r\n0\r\ngrpc-status: 0\r\n\r\n");
}

TEST_CASE("http1 server: fields go out as they came in", "[http1]") {
  Served s;
  REQUIRE(feed(s.codec, s.buffer,
               "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nConnection: b\r\nB: 2\r\nC:3\r\nD: 4 \r\n"
               "E: 5\r\nF: 6\r\n\r\n"));
  Recorder& r = s.server.streams.at(0);
  REQUIRE(r.heard.at(0) == "request GET http://a / a=1 c=3 d=4 e=5 f=6 END");
}

TEST_CASE("http1 server: pauses hold the body back", "[http1]") {
  Served s;
  s.server.prepare = [](Recorder& r) {
    r.on_event = [&r](std::string_view what) {
      if (what == "request") r.stream->pause();
    };
  };
  REQUIRE(feed(s.codec, s.buffer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"));
  Recorder& r = s.server.streams.at(0);
  CHECK(r.heard.size() == 1);
  CHECK_FALSE(s.codec.wants_bytes());
  s.sink.wanted = false;
  r.stream->resume();
  CHECK(s.sink.wanted);
  s.codec.produce();
  CHECK(r.heard.back() == "data hel");
  CHECK(s.codec.wants_bytes());
  REQUIRE(feed(s.codec, s.buffer, "lo"));
  CHECK(r.heard.back() == "data hello END");
}

TEST_CASE("http1 server: room is told of once, below the low mark", "[http1]") {
  Served s;
  REQUIRE(feed(s.codec, s.buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  Recorder& r = s.server.streams.at(0);
  r.stream->send_response_head(response(200), false);
  s.sink.held = http::Stream::kBufferedHigh + 1;
  r.stream->send_data("x", false);
  s.sink.held = http::Stream::kBufferedLow + 1;
  s.codec.on_sink_drained();
  CHECK_FALSE(r.has("room"));
  s.sink.held = 0;
  s.codec.on_sink_drained();
  s.codec.on_sink_drained();
  CHECK(std::count(r.heard.begin(), r.heard.end(), "room") == 1);
}

TEST_CASE("http1 server: an early response", "[http1]") {
  const auto early = [](Recorder& r) {
    r.on_event = [&r](std::string_view what) {
      if (what == "request") r.stream->send_response_head(response(403), true);
    };
  };
  SECTION("a short rest of the request is dropped, and the next one served") {
    Served s;
    s.server.prepare = early;
    REQUIRE(feed(s.codec, s.buffer,
                 "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz"
                 "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
                 5));
    REQUIRE(s.server.streams.size() == 2);
    CHECK(s.server.streams[0].heard.back() == "closed");
    CHECK_FALSE(s.codec.finished());
  }
  SECTION("a long rest ends the connection") {
    Served s;
    s.server.prepare = early;
    REQUIRE(feed(s.codec, s.buffer,
                 "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxyz"));
    CHECK(s.server.streams[0].heard.back() == "closed");
    CHECK(s.codec.finished());
  }
  SECTION("endless chunks end the connection") {
    Served s;
    s.server.prepare = early;
    std::string bytes = "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 100; ++i) bytes += "400\r\n" + std::string(1024, 'x') + "\r\n";
    REQUIRE(feed(s.codec, s.buffer, bytes));
    CHECK(s.codec.finished());
    CHECK(s.server.streams.size() == 1);
  }
}

TEST_CASE("http1 server: a handler may reset or detach in any event", "[http1]") {
  for (const std::string_view when : {"request", "data", "trailers"}) {
    DYNAMIC_SECTION("in " << when) {
      const std::string_view bytes =
          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          "1\r\nx\r\n0\r\na: b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
      Served s;
      s.server.prepare = [&](Recorder& r) {
        r.on_event = [&](std::string_view what) {
          if (what == when) r.stream->reset(http::ResetReason::Cancelled);
        };
      };
      REQUIRE(feed(s.codec, s.buffer, bytes));
      CHECK(s.codec.finished());
      CHECK(s.codec.open_streams() == 0);
      CHECK(s.server.streams.size() == 1);
      CHECK_FALSE(s.server.streams[0].has("closed"));

      Served d;
      d.server.prepare = [&](Recorder& r) {
        r.on_event = [&](std::string_view what) {
          if (what == when) r.stream->attach(nullptr);
        };
      };
      REQUIRE(feed(d.codec, d.buffer, bytes));
      const size_t heard = d.server.streams[0].heard.size();
      d.server.streams[0].stream->send_response_head(response(204), true);
      CHECK(d.server.streams[0].heard.size() == heard);
      d.codec.produce();
      CHECK(d.server.streams.size() == 2);
    }
  }
}

TEST_CASE("http1 server: the end of the client", "[http1]") {
  SECTION("while idle") {
    Served s;
    s.codec.receive_eof();
    CHECK(s.codec.finished());
    CHECK(s.sink.out.empty());
  }
  SECTION("in a head") {
    Served s;
    REQUIRE(feed(s.codec, s.buffer, "GET / HT"));
    s.codec.receive_eof();
    CHECK(s.codec.finished());
    CHECK(s.server.streams.empty());
  }
  SECTION("in a body") {
    Served s;
    REQUIRE(feed(s.codec, s.buffer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"));
    s.codec.receive_eof();
    CHECK(s.server.streams[0].heard.back() == "reset connection lost");
  }
  SECTION("while a response is due") {
    Served s;
    REQUIRE(feed(s.codec, s.buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    s.codec.receive_eof();
    CHECK(s.server.streams[0].heard.back() == "reset connection lost");
    CHECK(s.codec.finished());
  }
}

TEST_CASE("http1 server: drain", "[http1]") {
  Served idle;
  idle.codec.drain();
  CHECK(idle.codec.finished());

  Served busy;
  REQUIRE(feed(busy.codec, busy.buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  busy.codec.drain();
  CHECK_FALSE(busy.codec.finished());
  busy.server.streams[0].stream->send_response_head(response(204), true);
  CHECK(busy.sink.out == "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
  CHECK(busy.codec.finished());
}

TEST_CASE("http1 server: an idle connection holds no block", "[http1]") {
  Served s;
  s.answer_all("ok");
  REQUIRE(feed(s.codec, s.buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  CHECK(s.buffer.unread().data() == nullptr);
}

TEST_CASE("http1 server: heads of any length up to the limit leave room for a body", "[http1]") {
  for (const size_t fill : {16'000, 16'300, 16'350, 32'700, 61'000}) {
    DYNAMIC_SECTION(fill) {
      Served s;
      const std::string body(100'000, 'b');
      const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nX: " + std::string(fill, 'x') +
                                "\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n" + body +
                                "\r\n0\r\n\r\n";
      REQUIRE(feed(s.codec, s.buffer, bytes));
      CHECK(s.server.streams.at(0).body == body);
      CHECK(s.server.streams.at(0).heard.back().ends_with(" END"));
      CHECK(s.server.streams.at(0).heard.front().size() > fill);
    }
  }
}

TEST_CASE("http1 server: when the peer only waits, and when all is said", "[http1]") {
  const std::string_view get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  SECTION("a whole request waits for its answer, behind which the end comes") {
    Served s;
    CHECK_FALSE(s.codec.peer_waits());
    REQUIRE(feed(s.codec, s.buffer, get));
    CHECK(s.codec.peer_waits());
    CHECK_FALSE(s.codec.said_all());
    http::Stream& stream = *s.server.streams.back().stream;
    stream.send_response_head(response(200, {{"content-length", "2"}}), false);
    CHECK_FALSE(s.codec.said_all());
    stream.send_data("ok", true);
    CHECK(s.codec.said_all());
    CHECK_FALSE(s.codec.peer_waits());
  }
  SECTION("a body is still to come") {
    Served s;
    REQUIRE(feed(s.codec, s.buffer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx"));
    CHECK_FALSE(s.codec.peer_waits());
  }
  SECTION("a connection that is kept has more to say") {
    Served s;
    s.answer_all("ok");
    REQUIRE(feed(s.codec, s.buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK_FALSE(s.codec.said_all());
    CHECK_FALSE(s.codec.peer_waits());
  }
  SECTION("an answer that is broken off is not all: its end must not look like one") {
    Served s;
    REQUIRE(feed(s.codec, s.buffer, get));
    http::Stream& stream = *s.server.streams.back().stream;
    stream.send_response_head(response(200, {}), false);
    stream.send_data("part", false);
    stream.reset(http::ResetReason::ConnectionLost);
    CHECK(s.codec.finished());
    CHECK_FALSE(s.codec.said_all());
  }
}
