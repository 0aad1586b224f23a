// CONNECT and extended CONNECT (RFC 8441) between the two codecs.

#include "unit/http2/pair.h"

using namespace mesh;
using namespace mesh::test;

namespace {

http::Limits offering() {
  http::Limits limits;
  limits.http2.allow_connect = true;
  return limits;
}

http::RequestHead upgrade() {
  http::RequestHead head = request("GET", "/chat");
  head.upgrade = "websocket";
  return head;
}

http::RequestHead connect() {
  http::RequestHead head = request("CONNECT", "");
  head.authority = "shop:443";
  return head;
}

http::ResponseHead accepting(bool extended) {
  http::ResponseHead head = response(extended ? 101 : 200, {{"x", "y"}});
  if (extended) head.upgrade = "websocket";
  return head;
}

}  // namespace

TEST_CASE("http2: a tunnel carries bytes until both directions end", "[http2]") {
  const bool extended = GENERATE(false, true);
  Pair p(offering());
  Recorder r;
  http::Stream& stream = p.ask(r, extended ? upgrade() : connect(), false);
  p.pump();
  REQUIRE(p.server_handler.streams.size() == 1);
  Recorder& served = p.served(0);
  CHECK(served.heard ==
        Heard{extended ? "request GET http://shop /chat" : "request CONNECT ://shop:443 "});
  served.stream->send_response_head(accepting(extended), false);
  p.pump();
  CHECK(r.heard == Heard{extended ? "response 101 x=y" : "response 200 x=y"});

  stream.send_data("up", false);
  served.stream->send_data("down", true);  // one direction
  p.pump();
  CHECK(r.heard.back() == "data down END");
  CHECK(served.heard.back() == "data up");
  CHECK(p.client.open_streams() == 1);
  stream.send_data("more", true);
  p.pump();
  CHECK(served.body == "upmore");
  CHECK(r.heard.back() == "closed");
  CHECK(served.heard.back() == "closed");
  CHECK(p.client.open_streams() + p.server.open_streams() == 0);
}

TEST_CASE("http2: a tunnel that is refused is a plain answer", "[http2]") {
  Pair p(offering());
  Recorder r;
  p.ask(r, upgrade(), false);
  p.pump();
  p.served(0).stream->send_response_head(response(404), false);
  p.served(0).stream->send_data("no", true);
  p.pump();
  CHECK(r.heard == Heard{"response 404", "data no END", "closed"});
  CHECK(p.served(0).heard.back() == "closed");
}

TEST_CASE("http2: a reset ends a tunnel on both sides", "[http2]") {
  Pair p(offering());
  Recorder r;
  http::Stream& stream = p.ask(r, upgrade(), false);
  p.pump();
  p.served(0).stream->send_response_head(accepting(true), false);
  p.pump();
  stream.reset(http::ResetReason::Cancelled);
  p.pump();
  CHECK(p.served(0).heard.back() == "reset cancelled");
}

TEST_CASE("http2: extended CONNECT is for peers that offer it", "[http2]") {
  Pair p;
  Recorder r;
  p.ask(r, upgrade(), false);
  p.pump();
  CHECK(r.heard == Heard{"reset refused"});
  CHECK(p.server_handler.streams.empty());
  CHECK(p.client.open_streams() == 0);
}

TEST_CASE("http2: a tunnel has no body before it", "[http2]") {
  Pair p(offering());
  Recorder ended, lengthy;
  p.ask(ended, connect(), true);
  http::RequestHead head = connect();
  head.authority = "shop";
  p.ask(lengthy, head, false);
  p.pump();
  CHECK(ended.heard.front() == "response 400 END");
  CHECK(lengthy.heard.front() == "response 400 END");
  CHECK(p.server_handler.streams.empty());
}

TEST_CASE("http2: 101 is no answer", "[http2]") {
  Pair p;
  Recorder r;
  p.ask(r, request("GET", "/"));
  p.pump();
  p.served(0).stream->send_informational(response(101));
  p.pump();
  CHECK(r.heard.back().starts_with("reset "));
}

TEST_CASE("http2: what paused streams hold back stops no other", "[http2]") {
  Pair p;
  std::vector<std::unique_ptr<Recorder>> paused;
  p.server_handler.prepare = [&](Recorder& r) {
    r.on_event = [&r](std::string_view what) {
      if (what == "request") r.stream->pause();
    };
  };
  for (int i = 0; i < 10; ++i) {  // over twice the connection's window
    auto& r = paused.emplace_back(std::make_unique<Recorder>());
    p.ask(*r, request("PUT", "/"), false).send_data(std::string(300'000, 'x'), false);
    p.pump();
  }
  p.server_handler.prepare = nullptr;
  Recorder quick;
  p.ask(quick, request("PUT", "/"), false).send_data(std::string(200'000, 'y'), true);
  p.pump();
  CHECK(p.served(10).body.size() == 200'000);
  CHECK(p.served(0).body.empty());
  p.served(0).stream->resume();
  p.pump();
  CHECK(p.served(0).body.size() == 300'000);
}
