// HTTP/2 exchanges between our own two sides: heads, bodies, windows, resets.

#include "unit/http2/pair.h"

using namespace mesh;
using namespace mesh::test;

TEST_CASE("http2: a request and its response", "[http2]") {
  for (const size_t step : {SIZE_MAX, size_t(1), size_t(9)}) {
    Pair p;
    p.step = step;
    Recorder r;
    p.ask(r, request("GET", "/a?b", {{"x-one", "1"}, {"cookie", "a=b"}, {"cookie", "c=d"}}));
    p.pump();
    REQUIRE(p.server_handler.streams.size() == 1);
    CHECK(p.served(0).heard == Heard{"request GET http://shop /a?b x-one=1 cookie=a=b; c=d END"});
    p.served(0).stream->send_informational(response(103, {{"link", "x"}}));
    p.served(0).stream->send_response_head(response(200, {{"content-length", "5"}}), false);
    p.served(0).stream->send_data("hello", true);
    p.pump();
    CHECK(r.heard == Heard{"informational 103 link=x", "response 200 content-length=5",
                           "data hello END", "closed"});
    CHECK(p.served(0).heard.back() == "closed");
    CHECK(p.client.open_streams() == 0);
    CHECK(p.server.open_streams() == 0);
    CHECK(p.error.empty());
  }
}

TEST_CASE("http2: bodies and trailers go both ways", "[http2]") {
  Pair p;
  Recorder r;
  http::Stream& stream = p.ask(r, request("POST", "/", {{"te", "trailers"}}), false);
  stream.send_data("ab", false);
  stream.send_data("cd", false);
  http::Fields trailers;
  trailers.add("x-sum", "4");
  stream.send_trailers(trailers);
  p.pump();
  CHECK(p.served(0).heard ==
        Heard{"request POST http://shop / te=trailers", "data abcd", "trailers x-sum=4 END"});
  http::Stream& back = *p.served(0).stream;
  back.send_response_head(response(200), false);
  http::Fields status;
  status.add("grpc-status", "0");
  back.send_trailers(status);
  p.pump();
  CHECK(r.heard == Heard{"response 200", "trailers grpc-status=0 END", "closed"});
}

TEST_CASE("http2: many streams, answered in the other order", "[http2]") {
  Pair p;
  std::deque<Recorder> rs(100);
  for (Recorder& r : rs) p.ask(r, request("GET", "/"));
  CHECK(p.client.capacity() == 0);
  Recorder more;
  CHECK(p.client.open(more) == nullptr);
  p.pump();
  REQUIRE(p.server_handler.streams.size() == 100);
  for (size_t i = 100; i-- > 0;)
    p.served(i).stream->send_response_head(response(uint16_t(200 + i)), true);
  p.pump();
  for (size_t i = 0; i < 100; ++i)
    CHECK(rs[i].heard == Heard{"response " + std::to_string(200 + i) + " END", "closed"});
  CHECK(p.client.capacity() == 100);
}

TEST_CASE("http2: the peer's limit on streams is ours", "[http2]") {
  Pair p({.http2 = {.streams_max = 3}});
  p.pump();
  CHECK(p.client.capacity() == 3);
}

TEST_CASE("http2: a body larger than all windows arrives whole", "[http2]") {
  Pair p;
  Recorder r;
  http::Stream& stream = p.ask(r, request("PUT", "/"), false);
  std::string body;
  for (int i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i) + ",";
  for (size_t at = 0; at < body.size(); at += 50'000)
    stream.send_data(std::string_view(body).substr(at, 50'000), at + 50'000 >= body.size());
  p.pump();
  CHECK(p.served(0).body == body);
  CHECK(r.has("room"));
}

TEST_CASE("http2: a paused stream holds back its peer, and no other", "[http2]") {
  Pair p;
  Recorder slow, quick;
  http::Stream& a = p.ask(slow, request("PUT", "/slow"), false);
  http::Stream& b = p.ask(quick, request("PUT", "/quick"), false);
  p.pump();
  p.served(0).stream->pause();
  const std::string body(500'000, 'x');
  a.send_data(body, true);
  b.send_data(body, true);
  p.pump();
  CHECK(p.served(0).body.empty());
  CHECK(p.served(1).body == body);
  const size_t on_its_way = body.size() - a.buffered();
  CHECK(on_its_way <= http::Limits().http2.stream_window_bytes);
  p.served(0).stream->resume();
  p.pump();
  CHECK(p.served(0).body == body);
  CHECK(p.served(0).heard.back().ends_with(" END"));
}

TEST_CASE("http2: a complete response waits for a handler that pauses", "[http2]") {
  Pair p;
  Recorder r;
  r.on_event = [&](std::string_view what) {
    if (what == "response") r.stream->pause();
  };
  http::Stream& stream = p.ask(r, request("GET", "/"));
  p.pump();
  p.served(0).stream->send_response_head(response(200), false);
  p.served(0).stream->send_data("hello", true);
  p.pump();
  CHECK(r.heard == Heard{"response 200"});
  CHECK(p.client.open_streams() == 1);
  stream.resume();
  p.pump();
  CHECK(r.heard == Heard{"response 200", "data hello END", "closed"});
  CHECK(p.client.open_streams() == 0);
}

TEST_CASE("http2: what a reset means on the other side", "[http2]") {
  struct Row {
    http::ResetReason sent;
    std::string_view heard;
  };
  const Row rows[] = {
      {http::ResetReason::Cancelled, "reset cancelled"},
      {http::ResetReason::Refused, "reset refused"},
      {http::ResetReason::ProtocolError, "reset protocol error"},
      {http::ResetReason::InternalError, "reset internal error"},
      {http::ResetReason::ConnectionLost, "reset cancelled"},
      {http::ResetReason::LimitExceeded, "reset limit exceeded"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION("from the server: " << to_string(row.sent)) {
      Pair p;
      Recorder r;
      p.ask(r, request("GET", "/"));
      p.pump();
      p.served(0).stream->reset(row.sent);
      p.pump();
      CHECK(r.heard == Heard{std::string(row.heard)});
      CHECK(p.served(0).heard.size() == 1);  // who resets hears nothing of it
      CHECK(p.server.open_streams() + p.client.open_streams() == 0);
    }
    DYNAMIC_SECTION("from the client: " << to_string(row.sent)) {
      Pair p;
      Recorder r;
      http::Stream& stream = p.ask(r, request("POST", "/"), false);
      p.pump();
      stream.reset(row.sent);
      p.pump();
      CHECK(r.heard.empty());
      CHECK(p.served(0).heard.back() == row.heard);
      CHECK(p.server.open_streams() + p.client.open_streams() == 0);
    }
  }
}

TEST_CASE("http2: a stream reset before its head was sent is forgotten", "[http2]") {
  Pair p;
  Recorder r;
  http::Stream* stream = p.client.open(r);
  stream->reset(http::ResetReason::Cancelled);
  CHECK(p.client.open_streams() == 0);
  http::Stream& queued = p.ask(r, request("GET", "/"));
  queued.reset(http::ResetReason::Cancelled);
  p.pump();
  CHECK(p.client.open_streams() == 0);
  CHECK(r.heard.empty());
}

TEST_CASE("http2: an early response ends the stream for both", "[http2]") {
  Pair p;
  Recorder r;
  http::Stream& stream = p.ask(r, request("POST", "/"), false);
  stream.send_data(std::string(1'000'000, 'x'), false);
  p.turn();
  p.turn();
  REQUIRE(p.server_handler.streams.size() == 1);
  p.served(0).stream->send_response_head(response(413), true);
  p.pump();
  CHECK(r.heard.back() == "closed");
  CHECK(r.has("response 413 END"));
  CHECK(p.served(0).heard.back() == "closed");
  CHECK(p.server.open_streams() + p.client.open_streams() == 0);
}

TEST_CASE("http2: handlers may reset or detach in any event", "[http2]") {
  for (const std::string_view when : {"request", "data", "trailers"}) {
    for (const bool detach : {false, true}) {
      DYNAMIC_SECTION((detach ? "detach in " : "reset in ") << when) {
        Pair p;
        p.server_handler.prepare = [&](Recorder& r) {
          r.on_event = [&, detach](std::string_view what) {
            if (what != when) return;
            if (detach)
              r.stream->attach(nullptr);
            else
              r.stream->reset(http::ResetReason::Cancelled);
          };
        };
        Recorder r, other;
        http::Stream& stream = p.ask(r, request("POST", "/"), false);
        p.ask(other, request("GET", "/"));
        stream.send_data("x", false);
        http::Fields trailers;
        trailers.add("a", "b");
        stream.send_trailers(trailers);
        p.pump();
        CHECK(p.error.empty());
        CHECK(p.server_handler.streams.size() == 2);
        if (detach) p.served(0).stream->send_response_head(response(204), true);
        p.pump();
        CHECK(r.heard.back() == (detach ? "closed" : "reset cancelled"));
        CHECK(p.client.open_streams() <= 1);
      }
    }
  }
}

TEST_CASE("http2: a stream that the server has no use for is refused", "[http2]") {
  Pair p;
  p.server_handler.refuse = true;
  Recorder r;
  p.ask(r, request("GET", "/"));
  p.pump();
  CHECK(r.heard == Heard{"reset refused"});
}

TEST_CASE("http2: views of a head stay good until the stream is closed", "[http2]") {
  struct Keeper final : http::StreamHandler {
    http::RequestHead* head = nullptr;
    std::string at_close;
    void on_request_head(http::RequestHead& h, bool) override { head = &h; }
    void on_data(std::string_view, bool) override {}
    void on_trailers(http::Fields&) override {}
    void on_reset(http::ResetReason) override {}
    void on_send_room() override {}
    void on_closed() override { at_close = std::string(head->path) + show(head->fields); }
  };
  struct KeepingServer final : http::ServerHandler {
    std::deque<Keeper> keepers;
    std::vector<http::Stream*> streams;
    http::StreamHandler* on_stream(http::Stream& stream) override {
      streams.push_back(&stream);
      return &keepers.emplace_back();
    }
  } handler;
  http::BlockPool pool;
  http::ReadBuffer to_server{pool}, to_client{pool};
  FakeSink server_sink, client_sink;
  http2::ServerCodec server(server_sink, handler);
  http2::ClientCodec client(client_sink);
  Recorder r;
  const std::string large(20'000, 'v');
  for (int i = 0; i < 20; ++i)
    client.open(r)->send_request_head(request("GET", "/" + std::to_string(i), {{"x", large}}),
                                      true);
  client.produce();
  client_sink.held = 0;
  REQUIRE(feed(server, to_server, client_sink.take(), 1000));
  REQUIRE(handler.streams.size() == 20);
  for (http::Stream* stream : handler.streams) stream->send_response_head(response(204), true);
  server.produce();
  for (int i = 0; i < 20; ++i)
    CHECK(handler.keepers[size_t(i)].at_close == "/" + std::to_string(i) + " x=" + large);
}
