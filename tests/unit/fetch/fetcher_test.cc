// Documents of a server on loopback, and what is no document.
#include <catch2/catch.hpp>

#include "event/loop.h"
#include "fetch/fetcher.h"
#include "support/http_peer.h"
#include "support/wait.h"

namespace {

using namespace mesh;
using fetch::Fetcher;
using support::Message;
using support::Wire;

struct Server : support::Origin {
  Server() : support::Origin("keys") {
    handle([this](const Message& request, Wire& wire) {
      if (request.start.find("/silent") != std::string::npos) return wire.closed(10000);
      if (request.start.find("/moved") != std::string::npos)
        return wire.send("HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: /there\r\n\r\n");
      if (request.start.find("/loop") != std::string::npos)
        return wire.send("HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: /loop\r\n\r\n");
      if (request.start.find("/file") != std::string::npos)
        return wire.send(
            "HTTP/1.1 302 Found\r\ncontent-length: 0\r\nlocation: file:///etc/passwd\r\n\r\n");
      if (request.start.find("/gone") != std::string::npos)
        return wire.send("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
      return wire.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
    });
  }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(port()) + path;
  }
};

Result<std::string> get(Fetcher& fetcher, event::Loop& loop, Fetcher::Request request) {
  std::optional<Result<std::string>> answer;
  fetcher.get(std::move(request), [&](Result<std::string> got) { answer = std::move(got); });
  REQUIRE(support::run_until(loop, [&] { return answer.has_value(); }));
  return *std::move(answer);
}

}  // namespace

TEST_CASE("fetcher: a document, also where it has moved to", "[fetch]") {
  Server server;
  event::Loop loop;
  Fetcher fetcher(loop);
  for (const auto* path : {"/there", "/moved"}) {
    const auto body = get(fetcher, loop, {.url = server.url(path)});
    REQUIRE(body);
    CHECK(*body == "hello");
  }
}

TEST_CASE("fetcher: what is no document", "[fetch]") {
  Server server;
  event::Loop loop;
  Fetcher fetcher(loop);
  const auto kind = [&](Fetcher::Request request) {
    const auto body = get(fetcher, loop, std::move(request));
    REQUIRE_FALSE(body);
    return body.error().kind;
  };
  CHECK(kind({.url = server.url("/gone")}) == Errc::Unavailable);
  CHECK(kind({.url = server.url("/loop")}) == Errc::Unavailable);
  CHECK(kind({.url = server.url("/file")}) == Errc::Unavailable);
  CHECK(kind({.url = "file:///etc/passwd"}) == Errc::Unavailable);
  CHECK(kind({.url = "http://127.0.0.1:1/"}) == Errc::Unavailable);
  CHECK(kind({.url = server.url("/there"), .bytes_max = 4}) == Errc::TooBig);
  CHECK(kind({.url = server.url("/silent"), .timeout = std::chrono::milliseconds(50)}) ==
        Errc::Timeout);
}

TEST_CASE("fetcher: its end does not wait for what is under way", "[fetch]") {
  Server server;
  event::Loop loop;
  bool answered = false;
  {
    Fetcher fetcher(loop);
    fetcher.get({.url = server.url("/silent")}, [&](Result<std::string>) { answered = true; });
    REQUIRE(support::wait_for([&] { return server.requests() == 1; }));
  }
  loop.run_once(Duration(0));
  CHECK_FALSE(answered);
}
