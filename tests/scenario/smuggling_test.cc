// Requests that two parsers could read differently, through a forwarder on real
// sockets: refused with their status and the end of the connection; what follows
// them never reaches an origin. And answers of upstreams that try the same.
#include <catch2/catch.hpp>

#include <mutex>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using namespace std::string_literals;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

const std::string kSecret = "GET /smuggled HTTP/1.1\r\nhost: svc\r\n\r\n";
const std::string kGet = "GET / HTTP/1.1\r\nhost: svc\r\n";
const std::string kPost = "POST / HTTP/1.1\r\nhost: svc\r\n";
const std::string kChunked = kPost + "transfer-encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("scenario: ambiguous requests are refused, and nothing behind them is read",
          "[forwarder]") {
  struct Row {
    const char* name;
    std::string bytes;
    int status;
  };
  std::string many = kGet;
  for (int i = 0; i < 120; ++i) many += "a: b\r\n";
  const Row rows[] = {
      {"both lengths", kPost + "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"two lengths", kPost + "content-length: 0\r\ncontent-length: 38\r\n\r\n", 400},
      {"a list of lengths", kPost + "content-length: 0, 38\r\n\r\n", 400},
      {"a signed length", kPost + "content-length: +0\r\n\r\n", 400},
      {"two codings", kPost + "transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
      {"identity", kPost + "transfer-encoding: identity\r\n\r\n", 400},
      {"an obfuscated coding", kPost + "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
      {"a coding behind a vertical tab", kPost + "transfer-encoding:\x0b chunked\r\n\r\n0\r\n\r\n",
       400},
      {"a coding we lack", kPost + "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"chunks in HTTP/1.0",
       "POST / HTTP/1.0\r\nhost: svc\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a blank before the colon", kPost + "transfer-encoding : chunked\r\n\r\n0\r\n\r\n", 400},
      {"a folded line", kGet + "a: b\r\n c\r\n\r\n", 400},
      {"a bare LF", "GET / HTTP/1.1\nhost: svc\n\n", 400},
      {"a bare CR in a value", kGet + "a: b\rc\r\n\r\n", 400},
      {"NUL in a value", kGet + "a: \0\r\n\r\n"s, 400},
      {"NUL in a name", kGet + "a\0: b\r\n\r\n"s, 400},
      {"two Hosts", kGet + "host: other\r\n\r\n", 400},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"a Host with a path", "GET / HTTP/1.1\r\nhost: svc/x\r\n\r\n", 400},
      {"a fragment", "GET /a#b HTTP/1.1\r\nhost: svc\r\n\r\n", 400},
      {"an asterisk for GET", "GET * HTTP/1.1\r\nhost: svc\r\n\r\n", 400},
      {"HTTP/0.9", "GET /\r\n", 400},
      {"HTTP/1.2", "GET / HTTP/1.2\r\nhost: svc\r\n\r\n", 505},
      {"a chunk size that overflows", kChunked + "ffffffffffffffff\r\n", 400},
      {"a chunk longer than its size", kChunked + "3\r\nabcd\r\n", 400},
      {"a bare LF in a chunk's extension", kChunked + "3;a\nabc\r\n0\r\n\r\n", 400},
      {"a length in trailers", kChunked + "0\r\ncontent-length: 5\r\n\r\n", 400},
      {"too many fields", many + "\r\n", 431},
      {"a head too long", kGet + "a: " + std::string(70'000, 'x') + "\r\n\r\n", 431},
      {"a target too long", "GET /" + std::string(70'000, 'x') + " HTTP/1.1\r\n", 414},
      {"an upgrade with a body",
       kPost + "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 38\r\n\r\n", 400},
      {"an upgrade that nobody configured",
       kGet + "connection: upgrade\r\nupgrade: websocket\r\n\r\n", 403},
      {"CONNECT", "CONNECT svc:80 HTTP/1.1\r\nhost: svc:80\r\n\r\n", 501},
  };
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      std::atomic<bool> smuggled{false};
      origin.handle([&](const Message& request, Wire& wire) {
        if (request.start.find("smuggled") != std::string::npos) smuggled = true;
        return wire.send(support::response(200, "a"));
      });
      Wire client = Wire::connect(proxy.port());
      client.send(row.bytes + kSecret);
      const Message answer = client.read();
      CHECK(answer.status == row.status);
      CHECK(answer.field("connection") == "close");
      CHECK(client.closed());
      // Whatever came before has come by now.
      CHECK(support::get(proxy.port(), "/last").status == 200);
      CHECK_FALSE(smuggled);
    }
  }
}

TEST_CASE("scenario: a path that cannot be normalised is refused, its message is sound",
          "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  for (const char* path : {"/../x", "/a/%2e%2e/../x", "/%zz", "/%2"}) {
    client.send("GET " + std::string(path) + " HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(client.read().status == 400);
  }
  CHECK(origin.requests() == 0);
  client.send(kGet + "\r\n");
  CHECK(client.read().status == 200);
}

TEST_CASE("scenario: what is accepted, and how it goes on", "[forwarder]") {
  struct Row {
    const char* name;
    std::string bytes;
    std::string start;
    std::string body;
  };
  const Row rows[] = {
      {"absolute-form wins over Host", "GET http://svc/x HTTP/1.1\r\nhost: other\r\n\r\n",
       "GET /x HTTP/1.1", ""},
      {"an encoded slash stays encoded", "GET /a%2Fb HTTP/1.1\r\nhost: svc\r\n\r\n",
       "GET /a%2Fb HTTP/1.1", ""},
      {"dot segments are removed", "GET /a/./b/../c HTTP/1.1\r\nhost: svc\r\n\r\n",
       "GET /a/c HTTP/1.1", ""},
      {"an encoded dot is a dot", "GET /a/%2e%2e/c HTTP/1.1\r\nhost: svc\r\n\r\n",
       "GET /c HTTP/1.1", ""},
      {"a chunk's extension is dropped", kChunked + "3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n",
       "POST / HTTP/1.1", "abc"},
      {"a blank line before the request", "\r\n" + kGet + "\r\n", "GET / HTTP/1.1", ""},
      {"OPTIONS for all", "OPTIONS * HTTP/1.1\r\nhost: svc\r\n\r\n", "OPTIONS * HTTP/1.1", ""},
      {"HTTP/1.0", "GET / HTTP/1.0\r\nhost: svc\r\n\r\n", "GET / HTTP/1.1", ""},
      {"h2c is an offer to be ignored",
       kGet + "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: x\r\n\r\n",
       "GET / HTTP/1.1", ""},
  };
  Origin origin("a");
  Proxy proxy(Front{.route = R"(
              - match: { path: "*" }
                route: { cluster: svc }
              - match: { prefix: "/" }
                route: { cluster: svc })",
                    .endpoints = ports({origin.port()})}
                  .yaml(),
              1);
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      std::mutex mutex;
      Message seen;
      origin.handle([&](const Message& request, Wire& wire) {
        const std::lock_guard lock(mutex);
        seen = request;
        return wire.send(support::response(200, "a"));
      });
      Wire client = Wire::connect(proxy.port());
      client.send(row.bytes);
      CHECK(client.read().status == 200);
      const std::lock_guard lock(mutex);
      CHECK(seen.start == row.start);
      CHECK(seen.body == row.body);
      CHECK(seen.field("host") == "svc");
      for (const char* hop : {"connection", "upgrade", "http2-settings", "te", "keep-alive"})
        CHECK(seen.fields.count(hop) == 0);
    }
  }
}

TEST_CASE("scenario: answers that try to split or to smuggle are not passed on", "[forwarder]") {
  struct Row {
    const char* name;
    std::string bytes;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  std::string interim;
  for (int i = 0; i < 40; ++i) interim += "HTTP/1.1 103 Early Hints\r\n\r\n";
  const Row rows[] = {
      {"both lengths", ok + "content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"two lengths", ok + "content-length: 0\r\ncontent-length: 2\r\n\r\nab"},
      {"an obfuscated coding", ok + "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"},
      {"a bare LF", "HTTP/1.1 200 OK\ncontent-length: 0\n\n"},
      {"a bare CR in a value", ok + "x: a\rset-cookie: b\r\ncontent-length: 0\r\n\r\n"},
      {"NUL in a value", ok + "x: \0\r\ncontent-length: 0\r\n\r\n"s},
      {"a folded line", ok + "x: a\r\n set-cookie: b\r\ncontent-length: 0\r\n\r\n"},
      {"a blank before the colon", ok + "content-length : 0\r\n\r\n"},
      {"HTTP/2 in its place", "\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0"s},
      {"no status line", "hello\r\n\r\n"},
      {"a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"},
      {"101 that nobody asked for",
       "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"},
      {"interim answers without end", interim},
      {"too long a head", ok + "x: " + std::string(70'000, 'y') + "\r\n\r\n"},
  };
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      origin.handle([&row](const Message&, Wire& wire) {
        wire.send(row.bytes);
        return false;
      });
      Wire client = Wire::connect(proxy.port());
      client.send(kGet + "\r\n");
      Message answer = client.read();
      while (answer.status == 103) answer = client.read();
      INFO(answer.start << " " << answer.body);
      CHECK((answer.status == 502 || answer.status == 503));
      CHECK(answer.fields.count("set-cookie") == 0);
    }
  }
}

TEST_CASE("scenario: bytes behind an answer are nobody's answer", "[forwarder]") {
  Origin origin("a");
  origin.handle([](const Message& request, Wire& wire) {
    std::string answer = support::response(200, "first");
    if (request.start.starts_with("HEAD ")) answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    return wire.send(answer + support::response(200, "smuggled"));
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  for (int i = 0; i < 3; ++i) {
    client.send(kGet + "\r\n");
    CHECK(client.read().body == "first");
    client.send("HEAD / HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(client.read(true).field("content-length") == "5");
  }
}
