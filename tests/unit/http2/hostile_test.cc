// HTTP/2 frames of a peer that is wrong, or means harm; and the ends of a
// connection that are in order.

#include "support/http2_frames.h"
#include "unit/http2/pair.h"

using namespace mesh;
using namespace mesh::test;
using namespace std::string_literals;
using namespace mesh::support::h2;

namespace {

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(Settings, 0, 0, "");
const std::string kPseudo = "\x82\x86\x84" + field(":authority", "shop");  // GET http /

struct Served {
  http::BlockPool pool;
  http::ReadBuffer buffer{pool};
  FakeSink sink;
  RecordingServer handler;
  http2::ServerCodec codec{sink, handler};

  Served() { REQUIRE(say(kPreface)); }
  bool say(std::string_view bytes) {
    const auto result = feed(codec, buffer, bytes);
    codec.produce();
    if (!result) why = result.error().text;
    return result.has_value() && !codec.finished();
  }
  int code(Type type) const { return code_in(sink.out, type); }
  std::string why;
};

}  // namespace

TEST_CASE("http2: a malformed request ends its stream alone", "[http2]") {
  struct Row {
    const char* because;
    std::string block;
  };
  const Row rows[] = {
      {"no method", "\x86\x84" + field(":authority", "a")},
      {"no path", "\x82\x86" + field(":authority", "a")},
      {"no scheme", "\x82\x84" + field(":authority", "a")},
      {"a pseudo field twice", "\x82\x82\x86\x84" + field(":authority", "a")},
      {"a pseudo field behind others", "\x82\x86\x84" + field("x", "y") + field(":authority", "a")},
      {"an unknown pseudo field", kPseudo + field(":x", "y")},
      {"a pseudo field of responses", kPseudo + field(":status", "200")},
      {"an upper-case name", kPseudo + field("X-One", "y")},
      {"a name with a blank", kPseudo + field("x y", "z")},
      {"a value with CR LF", kPseudo + field("x", "y\r\nz: 1")},
      {"a value with NUL", kPseudo + field("x", "\0"s)},
      {"Connection", kPseudo + field("connection", "close")},
      {"Transfer-Encoding", kPseudo + field("transfer-encoding", "chunked")},
      {"Upgrade", kPseudo + field("upgrade", "h2c")},
      {"te that is not trailers", kPseudo + field("te", "gzip")},
      {"Content-Length twice",
       kPseudo + field("content-length", "0") + field("content-length", "0")},
      {"a Content-Length without the body", kPseudo + field("content-length", "5")},
      {"a Content-Length that is no number", kPseudo + field("content-length", "x")},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Served s;
      CHECK(s.say(frame(Headers, kEndStream | kEndHeaders, 1, row.block)));
      CHECK(s.code(Rst) == kProtocolError);
      CHECK(s.handler.streams.empty());
      CHECK(s.codec.open_streams() == 0);
      CHECK(s.say(get(3)));
      CHECK(s.handler.streams.size() == 1);
    }
  }
}

TEST_CASE("http2: what an HTTP/1 hop could misread is answered with a status", "[http2]") {
  struct Row {
    const char* because;
    http::RequestHead head;
    std::string_view want;
  };
  const auto head = [](std::string_view path, std::string_view authority,
                       std::string_view scheme = "http") {
    http::RequestHead h = request("GET", path);
    h.authority = authority;
    h.scheme = scheme;
    return h;
  };
  http::RequestHead many = request("GET", "/");
  for (int i = 0; i < 120; ++i) many.fields.add("x", "y");
  const std::string large(61'500, 'x');
  const Row rows[] = {
      {"a path with a fragment", head("/a#b", "shop"), "400"},
      {"a path above ASCII", head("/\xc3\xa9", "shop"), "400"},
      {"an authority with user information", head("/", "u@shop"), "400"},
      {"an authority with a bad port", head("/", "shop:x"), "400"},
      {"Host that differs", request("GET", "/", {{"host", "other"}}), "400"},
      {"another scheme", head("/", "shop", "ftp"), "400"},
      {"too many fields", many, "431"},
      {"a head too long", request("GET", "/", {{"x", large}}), "431"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Pair p;
      Recorder r;
      p.ask(r, row.head);
      p.pump();
      CHECK(r.heard == Heard{"response " + std::string(row.want) + " END", "closed"});
      CHECK(p.server_handler.streams.empty());
      CHECK(p.server.open_streams() == 0);
    }
  }
}

TEST_CASE("http2: floods end the connection", "[http2]") {
  struct Row {
    const char* because;
    std::string once;
  };
  const Row rows[] = {
      {"pings", frame(Ping, 0, 0, "12345678")},
      {"ping acknowledgements", frame(Ping, kAck, 0, "12345678")},
      {"settings", frame(Settings, 0, 0, "")},
      {"priorities", frame(Priority, 0, 5, "\0\0\0\0\x10"s)},
      {"window updates", frame(Window, 0, 0, "\0\0\0\1"s)},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Served s;
      s.sink.out.clear();
      std::string many;
      for (int i = 0; i < 900; ++i) many += row.once;
      bool alive = true;
      for (int i = 0; alive && i < 20; ++i) alive = s.say(many);
      CHECK_FALSE(alive);
      CHECK(s.codec.finished());
      CHECK(s.sink.out.size() < 100'000);
    }
  }
  SECTION("empty data") {
    Served s;
    REQUIRE(s.say(frame(Headers, kEndHeaders, 1, "\x83\x86\x84" + field(":authority", "a"))));
    std::string many;
    for (int i = 0; i < 3000; ++i) many += frame(Data, 0, 1, "");
    CHECK_FALSE(s.say(many + many));
    CHECK(s.handler.streams.at(0).heard.back().starts_with("reset "));
    CHECK(s.code(GoAway) == kCalm);
  }
  SECTION("rapid reset") {
    Served s;
    bool alive = true;
    uint32_t id = 1;
    for (int i = 0; alive && i < 100; ++i) {
      std::string many;
      for (int k = 0; k < 50; ++k, id += 2) many += get(id) + frame(Rst, 0, id, "\0\0\0\x08"s);
      alive = s.say(many);
    }
    CHECK_FALSE(alive);
    CHECK(id < 2500);
    CHECK(s.codec.open_streams() == 0);
  }
}

TEST_CASE("http2: an ordinary peer is no flood", "[http2]") {
  Served s;
  s.handler.prepare = [](Recorder& r) {
    r.on_event = [&r](std::string_view what) {
      if (what == "request") r.stream->send_response_head(response(204), true);
    };
  };
  for (uint32_t i = 0; i < 20'000; ++i)
    REQUIRE(s.say(get(1 + 2 * i) + (i % 3 == 0 ? frame(Ping, 0, 0, "12345678") : "")));
  for (int i = 0; i < 20'000; ++i) REQUIRE(s.say(frame(Ping, 0, 0, "12345678")));
  CHECK(s.codec.open_streams() == 0);
}

TEST_CASE("http2: a broken connection tells its streams", "[http2]") {
  struct Row {
    const char* because;
    std::string bytes;
  };
  const Row rows[] = {
      {"a frame larger than allowed", std::string("\xff\xff\xff\0\0\0\0\0\1", 9)},
      {"data on stream 0", frame(Data, 0, 0, "x")},
      {"headers on an even stream", frame(Headers, kEndHeaders | kEndStream, 2, kPseudo)},
      {"a field block that is no HPACK",
       frame(Headers, kEndHeaders, 5, "\xff\xff\xff\xff\xff\xff")},
      {"settings of a wrong length", frame(Settings, 0, 0, "abc")},
      {"a window of nothing", frame(Window, 0, 0, "\0\0\0\0"s)},
      {"a stream that is interrupted",
       frame(Headers, 0, 5, kPseudo) + frame(Ping, 0, 0, "12345678")},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Served s;
      REQUIRE(s.say(get(1)));
      s.sink.out.clear();
      CHECK_FALSE(s.say(row.bytes));
      CHECK(s.codec.finished());
      CHECK(s.handler.streams.at(0).heard.back().starts_with("reset "));
      CHECK(s.code(GoAway) > 0);
    }
  }
  SECTION("HTTP/1 where the preface is due") {
    http::BlockPool pool;
    http::ReadBuffer buffer(pool);
    FakeSink sink;
    RecordingServer handler;
    http2::ServerCodec codec(sink, handler);
    CHECK_FALSE(feed(codec, buffer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK(codec.finished());
  }
}

TEST_CASE("http2: the end of file resets all streams", "[http2]") {
  Pair p;
  Recorder r;
  p.ask(r, request("GET", "/"));
  p.pump();
  p.client.receive_eof();
  p.server.receive_eof();
  CHECK(r.heard == Heard{"reset connection lost"});
  CHECK(p.served(0).heard.back() == "reset connection lost");
  CHECK(p.client.finished());
  CHECK(p.client.capacity() == 0);
}

TEST_CASE("http2: a server drains without losing a request", "[http2]") {
  Pair p;
  Recorder r;
  p.ask(r, request("GET", "/"));
  p.pump();
  p.server.drain();
  Recorder late;
  p.ask(late, request("GET", "/late"));  // on its way when the GOAWAY leaves
  p.pump();
  CHECK(p.client.capacity() == 0);
  CHECK_FALSE(p.server.finished());
  REQUIRE(p.server_handler.streams.size() == 2);
  p.served(0).stream->send_response_head(response(204), true);
  p.served(1).stream->send_response_head(response(204), true);
  p.pump();
  CHECK(r.heard.back() == "closed");
  CHECK(late.heard.back() == "closed");
  CHECK(p.server.finished());
  CHECK(p.client.finished());
}

TEST_CASE("http2: a client drains", "[http2]") {
  Pair p;
  Recorder r;
  p.ask(r, request("GET", "/"));
  p.pump();
  p.client.drain();
  CHECK(p.client.capacity() == 0);
  p.pump();
  CHECK_FALSE(p.client.finished());
  p.served(0).stream->send_response_head(response(204), true);
  p.pump();
  CHECK(r.heard.back() == "closed");
  CHECK(p.client.finished());
}

TEST_CASE("http2: streams above a GOAWAY may be tried again", "[http2]") {
  http::BlockPool pool;
  http::ReadBuffer buffer(pool);
  FakeSink sink;
  http2::ClientCodec codec(sink);
  Recorder first, second;
  codec.open(first)->send_request_head(request("GET", "/"), true);
  codec.open(second)->send_request_head(request("GET", "/"), true);
  codec.produce();
  REQUIRE(
      feed(codec, buffer, frame(Settings, 0, 0, "") + frame(GoAway, 0, 0, "\0\0\0\1\0\0\0\0"s)));
  codec.produce();
  CHECK(second.heard == Heard{"reset refused"});
  CHECK(first.heard.empty());
  CHECK(codec.capacity() == 0);
  CHECK_FALSE(codec.finished());
  REQUIRE(feed(codec, buffer, frame(Headers, kEndHeaders | kEndStream, 1, "\x88")));
  codec.produce();
  CHECK(first.heard == Heard{"response 200 END", "closed"});
  CHECK(codec.finished());
}

TEST_CASE("http2: what the socket does not take is not produced", "[http2]") {
  Pair p;
  Recorder r;
  http::Stream& stream = p.ask(r, request("PUT", "/"), false);
  p.pump();
  p.client_sink.held = 64 * 1024;
  stream.send_data(std::string(50'000, 'x'), true);
  p.client.produce();
  CHECK(p.client_sink.out.empty());
  p.client_sink.held = 0;
  p.client_sink.wanted = false;
  p.client.on_sink_drained();
  CHECK(p.client_sink.wanted);
  p.pump();
  CHECK(p.served(0).body.size() == 50'000);
}
