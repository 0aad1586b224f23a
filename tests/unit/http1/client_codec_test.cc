// HTTP/1 towards an upstream: what is written, how a response ends, and when
// a connection must not be used again.

#include "http1/client_codec.h"

#include <catch2/catch.hpp>

#include "unit/http/fakes.h"

using namespace mesh;
using namespace mesh::test;

namespace {

using Heard = std::vector<std::string>;

struct Asked {
  http::BlockPool pool;
  http::ReadBuffer buffer{pool};
  FakeSink sink;
  http1::ClientCodec codec{sink};
  Recorder r;

  http::Stream& ask(const http::RequestHead& head, bool end = true) {
    r.stream = codec.open(r);
    REQUIRE(r.stream != nullptr);
    r.stream->send_request_head(head, end);
    return *r.stream;
  }
};

}  // namespace

TEST_CASE("http1 client: how a request is written", "[http1]") {
  struct Row {
    const char* because;
    http::RequestHead head;
    std::vector<std::string_view> body;
    std::string_view want;
  };
  const Row rows[] = {
      {"Host comes from the authority",
       request("GET", "/a?b", {{"x", "y"}}),
       {},
       "GET /a?b HTTP/1.1\r\nhost: shop\r\nx: y\r\n\r\n"},
      {"POST without a body says so",
       request("POST", "/"),
       {},
       "POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\n\r\n"},
      {"a length is kept",
       request("POST", "/", {{"content-length", "3"}}),
       {"a", "bc"},
       "POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 3\r\n\r\nabc"},
      {"without a length it is chunked",
       request("POST", "/"),
       {"a", "bc"},
       "POST / HTTP/1.1\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n"
       "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"},
      {"te belongs to a connection",
       request("GET", "/", {{"te", "trailers"}}),
       {},
       "GET / HTTP/1.1\r\nhost: shop\r\n\r\n"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.because) {
      Asked a;
      http::Stream& stream = a.ask(row.head, row.body.empty());
      for (size_t i = 0; i < row.body.size(); ++i)
        stream.send_data(row.body[i], i + 1 == row.body.size());
      CHECK(a.sink.out == row.want);
    }
  }
}

TEST_CASE("http1 client: where a response ends", "[http1]") {
  struct Row {
    const char* because;
    const char* method;
    std::string_view bytes;
    bool eof;
    Heard want;
    bool reusable;
  };
  const Row rows[] = {
      {"at its length",
       "GET",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
       false,
       {"response 200 content-length=5", "data hello END", "closed"},
       true},
      {"at once with length 0",
       "GET",
       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
       false,
       {"response 200 content-length=0 END", "closed"},
       true},
      {"at the last chunk",
       "GET",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
       false,
       {"response 200", "data hello END", "closed"},
       true},
      {"at the trailers",
       "GET",
       "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\na: b\r\n\r\n",
       false,
       {"response 200", "data x", "trailers a=b END", "closed"},
       true},
      {"with the connection where nothing else says so",
       "GET",
       "HTTP/1.1 200 OK\r\n\r\nhello",
       true,
       {"response 200", "data hello END", "closed"},
       false},
      {"HEAD has no body whatever its fields say",
       "HEAD",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
       false,
       {"response 200 content-length=5 END", "closed"},
       true},
      {"204 has none",
       "GET",
       "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
       false,
       {"response 204 END", "closed"},
       true},
      {"304 has none",
       "GET",
       "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
       false,
       {"response 304 content-length=5 END", "closed"},
       true},
      {"1xx comes before",
       "GET",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
       "HTTP/1.1 204 No Content\r\n\r\n",
       false,
       {"informational 100", "informational 103 a=b", "response 204 END", "closed"},
       true},
      {"Connection: close is obeyed",
       "GET",
       "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
       false,
       {"response 204 END", "closed"},
       false},
      {"HTTP/1.0 closes",
       "GET",
       "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
       false,
       {"response 200 content-length=0 END", "closed"},
       false},
      {"HTTP/1.0 may keep",
       "GET",
       "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
       false,
       {"response 200 content-length=0 END", "closed"},
       true},
      {"a response cut short is a reset",
       "GET",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
       true,
       {"response 200 content-length=5", "data hel", "reset connection lost"},
       false},
      {"chunks cut short are a reset",
       "GET",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
       true,
       {"response 200", "data hel", "reset connection lost"},
       false},
      {"no response is a reset", "GET", "", true, {"reset connection lost"}, false},
  };
  for (const Row& row : rows) {
    for (const size_t step : {SIZE_MAX, size_t(1)}) {
      DYNAMIC_SECTION(row.because << ", " << step << " bytes at a time") {
        Asked a;
        a.ask(request(row.method, "/"));
        REQUIRE(feed(a.codec, a.buffer, row.bytes, step));
        if (row.eof) a.codec.receive_eof();
        CHECK(a.r.heard == row.want);
        CHECK(a.codec.capacity() == (row.reusable ? 1 : 0));
        CHECK(a.codec.finished() == !row.reusable);
      }
    }
  }
}

TEST_CASE("http1 client: a response that leaves doubt is refused", "[http1]") {
  struct Row {
    const char* because;
    std::string_view bytes;
  };
  const Row rows[] = {
      {"both lengths",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"},
      {"a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n"},
      {"a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n"},
      {"another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
      {"chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"204 with a body", "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n"},
      {"101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"},
      {"1xx with a length", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"},
      {"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n"},
      {"no version", "200 OK\r\n\r\nxxxxxxxxxxx"},
      {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
      {"a status out of range", "HTTP/1.1 600 OK\r\n\r\n"},
      {"a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n"},
      {"a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"},
      {"NUL in a value", std::string_view("HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", 26)},
      {"a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
  };
  for (const Row& row : rows) {
    for (const size_t step : {SIZE_MAX, size_t(1)}) {
      DYNAMIC_SECTION(row.because << ", " << step << " bytes at a time") {
        Asked a;
        a.ask(request("GET", "/"));
        CHECK_FALSE(feed(a.codec, a.buffer, row.bytes, step));
        CHECK(a.r.heard.back() == "reset protocol error");
        CHECK(a.codec.finished());
        CHECK(a.codec.open_streams() == 0);
      }
    }
  }
}

TEST_CASE("http1 client: bytes that nobody asked for", "[http1]") {
  SECTION("on a connection before any request") {
    Asked a;
    CHECK_FALSE(feed(a.codec, a.buffer, "HTTP/1.1 200 OK\r\n\r\n"));
    CHECK(a.codec.finished());
  }
  SECTION("behind a response: it stands, the connection does not") {
    Asked a;
    size_t capacity_at_end = 99;
    a.r.on_event = [&](std::string_view what) {
      if (what == "closed") capacity_at_end = a.codec.capacity();
    };
    a.ask(request("GET", "/"));
    (void)feed(a.codec, a.buffer,
               "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    CHECK(a.r.heard == Heard{"response 204 END", "closed"});
    CHECK(capacity_at_end == 0);
    CHECK(a.codec.finished());
  }
  SECTION("after a response, later") {
    Asked a;
    a.ask(request("GET", "/"));
    REQUIRE(feed(a.codec, a.buffer, "HTTP/1.1 204 No Content\r\n\r\n"));
    CHECK(a.codec.capacity() == 1);
    CHECK_FALSE(feed(a.codec, a.buffer, "x"));
    CHECK(a.codec.capacity() == 0);
  }
  SECTION("before the request was sent") {
    Asked a;
    REQUIRE(a.codec.open(a.r) != nullptr);
    CHECK_FALSE(feed(a.codec, a.buffer, "HTTP/1.1 204 No Content\r\n\r\n"));
    CHECK(a.r.heard == Heard{"reset protocol error"});
  }
}

TEST_CASE("http1 client: a connection serves one request after the other", "[http1]") {
  Asked a;
  for (int i = 0; i < 3; ++i) {
    a.ask(request("GET", "/"));
    CHECK(a.codec.open(a.r) == nullptr);
    REQUIRE(feed(a.codec, a.buffer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
  }
  CHECK(std::count(a.r.heard.begin(), a.r.heard.end(), "closed") == 3);
  CHECK(a.buffer.unread().data() == nullptr);
}

TEST_CASE("http1 client: a response before the request is complete", "[http1]") {
  Asked a;
  http::Stream& stream = a.ask(request("POST", "/"), false);
  REQUIRE(feed(a.codec, a.buffer, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"));
  CHECK(a.r.heard == Heard{"response 413 content-length=0 END", "closed"});
  CHECK(a.codec.finished());
  stream.send_data("late", true);
  CHECK_FALSE(a.sink.out.ends_with("late"));
}

TEST_CASE("http1 client: pause, resume, end of file", "[http1]") {
  Asked a;
  a.r.on_event = [&](std::string_view what) {
    if (what == "response") a.r.stream->pause();
  };
  http::Stream& stream = a.ask(request("GET", "/"));
  REQUIRE(feed(a.codec, a.buffer, "HTTP/1.1 200 OK\r\n\r\nhello"));
  CHECK(a.r.heard.size() == 1);
  CHECK_FALSE(a.codec.wants_bytes());
  CHECK(a.codec.paused_eof() == http::Codec::Eof::Later);
  stream.resume();
  REQUIRE(a.sink.wanted);
  a.codec.produce();
  CHECK(a.codec.midway());
  a.codec.receive_eof();
  CHECK(a.r.heard == Heard{"response 200", "data hello END", "closed"});
}

TEST_CASE("http1 client: only an orderly end completes a body", "[http1]") {
  Asked lost;
  lost.ask(request("GET", "/"));
  REQUIRE(feed(lost.codec, lost.buffer, "HTTP/1.1 200 OK\r\n\r\nhello"));
  lost.codec.connection_lost();
  CHECK(lost.r.heard.back() == "reset connection lost");
  CHECK(lost.codec.finished());

  // No stream is left behind, whatever its reader does.
  Asked paused;
  paused.r.on_event = [&](std::string_view what) {
    if (what == "response") paused.r.stream->pause();
  };
  paused.ask(request("GET", "/"));
  REQUIRE(feed(paused.codec, paused.buffer, "HTTP/1.1 200 OK\r\n\r\nhello"));
  paused.codec.receive_eof();
  CHECK(paused.r.heard.back() == "reset connection lost");
  CHECK(paused.codec.open_streams() == 0);
}

TEST_CASE("http1 client: reset and drain", "[http1]") {
  Asked a;
  a.ask(request("GET", "/")).reset(http::ResetReason::Cancelled);
  CHECK(a.codec.finished());
  CHECK(a.r.heard.empty());

  Asked b;
  b.ask(request("GET", "/"));
  b.codec.drain();
  CHECK_FALSE(b.codec.finished());
  REQUIRE(feed(b.codec, b.buffer, "HTTP/1.1 204 No Content\r\n\r\n"));
  CHECK(b.codec.finished());
}
