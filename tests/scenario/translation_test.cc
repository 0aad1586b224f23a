// A message means the same at its end, whichever HTTP it crosses: through one
// forwarder (HTTP/1.1 on both sides), two (HTTP/2 between them), and three (one
// with HTTP/2 on both sides).
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

constexpr const char* kHttp2 = R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: {} })";

// Forwarders in a row, the last one towards `port`.
class Chain {
 public:
  Chain(uint16_t port, int length, uint32_t workers) {
    for (int i = 0; i < length; ++i) {
      Front front{.endpoints = ports({port}), .cluster = i == 0 ? "" : kHttp2};
      proxies_.push_back(std::make_unique<Proxy>(front.yaml(), workers));
      port = proxies_.back()->port();
    }
  }
  uint16_t port() { return proxies_.back()->port(); }

 private:
  std::vector<std::unique_ptr<Proxy>> proxies_;
};

}  // namespace

TEST_CASE("scenario: messages mean the same over HTTP/1.1 and HTTP/2", "[forwarder]") {
  struct Row {
    const char* name;
    std::string request;  // as the client sends it
    std::string start;    // as the origin sees it
    std::string body;     // likewise
    const char* field;    // of it, and its value
    std::string value;
    std::string response;  // as the origin sends it
    int interim;           // what the client hears, in order
    int status;
    std::string answer;
    const char* answer_field;
    std::string answer_value;
  };
  const std::string host = "host: svc:80\r\n";
  const std::string chunked = "transfer-encoding: chunked\r\n\r\n";
  const std::string ok = support::response(200, "ok");
  const Row rows[] = {
      {"the authority with its port", "GET /a?b=c HTTP/1.1\r\n" + host + "\r\n",
       "GET /a?b=c HTTP/1.1", "", "host", "svc:80", ok, 0, 200, "ok", "content-length", "2"},
      {"a body of known length", "POST / HTTP/1.1\r\n" + host + "content-length: 3\r\n\r\nabc",
       "POST / HTTP/1.1", "abc", "content-length", "3", ok, 0, 200, "ok", "connection", ""},
      {"chunks both ways", "POST / HTTP/1.1\r\n" + host + chunked + "3\r\nabc\r\n0\r\n\r\n",
       "POST / HTTP/1.1", "abc", "transfer-encoding", "chunked",
       "HTTP/1.1 200 OK\r\n" + chunked + "2\r\nok\r\n0\r\n\r\n", 0, 200, "ok", "transfer-encoding",
       "chunked"},
      {"what Connection names goes no further",
       "GET / HTTP/1.1\r\n" + host + "connection: x-hop\r\nx-hop: 1\r\nkeep-alive: 5\r\n\r\n",
       "GET / HTTP/1.1", "", "x-hop", "",
       "HTTP/1.1 200 OK\r\nconnection: x-back\r\nx-back: 1\r\nkeep-alive: 5\r\ncontent-length: "
       "0\r\n\r\n",
       0, 200, "", "x-back", ""},
      {"cookies in one field", "GET / HTTP/1.1\r\n" + host + "cookie: a=1; b=2\r\n\r\n",
       "GET / HTTP/1.1", "", "cookie", "a=1; b=2", ok, 0, 200, "ok", "x", ""},
      {"te is for one connection",
       "GET / HTTP/1.1\r\n" + host + "te: trailers\r\nconnection: te\r\n\r\n", "GET / HTTP/1.1", "",
       "te", "", ok, 0, 200, "ok", "x", ""},
      {"early hints", "GET / HTTP/1.1\r\n" + host + "\r\n", "GET / HTTP/1.1", "", "x", "",
       "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + ok, 103, 200, "ok", "x", ""},
      {"no content", "GET / HTTP/1.1\r\n" + host + "\r\n", "GET / HTTP/1.1", "", "x", "",
       "HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n", 0, 204, "", "x-a", "b"},
      {"not modified, with the length of what it is not", "GET / HTTP/1.1\r\n" + host + "\r\n",
       "GET / HTTP/1.1", "", "x", "",
       "HTTP/1.1 304 Not Modified\r\netag: x\r\ncontent-length: 9\r\n\r\n", 0, 304, "", "etag",
       "x"},
      {"HEAD", "HEAD / HTTP/1.1\r\n" + host + "\r\n", "HEAD / HTTP/1.1", "", "x", "",
       "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 0, 200, "", "content-length", "5"},
      {"PUT without a body", "PUT / HTTP/1.1\r\n" + host + "content-length: 0\r\n\r\n",
       "PUT / HTTP/1.1", "", "content-length", "0", ok, 0, 200, "ok", "x", ""},
      {"a body that its end delimits", "GET / HTTP/1.1\r\n" + host + "\r\n", "GET / HTTP/1.1", "",
       "x", "", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end", 0, 200, "to the end", "x",
       ""},
  };
  const int length = GENERATE(1, 2, 3);
  Origin origin("a");
  std::mutex mutex;
  Message seen;
  std::string response;
  origin.handle([&](const Message& request, Wire& wire) {
    const std::lock_guard lock(mutex);
    seen = request;
    wire.send(response);
    return response.find("connection: close") == std::string::npos;
  });
  Chain chain(origin.port(), length, 1);
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name << ", forwarders in a row: " << length) {
      {
        const std::lock_guard lock(mutex);
        response = row.response;
      }
      Wire client = Wire::connect(chain.port());
      client.send(row.request);
      const bool head = row.request.starts_with("HEAD ");
      Message answer = client.read(head);
      if (row.interim != 0) {
        CHECK(answer.status == row.interim);
        answer = client.read(head);
      }
      CHECK(answer.status == row.status);
      CHECK(answer.complete);
      CHECK(answer.body == row.answer);
      CHECK(answer.field(row.answer_field) == row.answer_value);
      CHECK(answer.fields.count("keep-alive") == 0);
      const std::lock_guard lock(mutex);
      CHECK(seen.start == row.start);
      CHECK(seen.body == row.body);
      CHECK(seen.field(row.field) == row.value);
    }
  }
}

TEST_CASE("scenario: trailers cross in both directions", "[forwarder]") {
  const int length = GENERATE(1, 2, 3);
  Origin origin("a");
  origin.handle([](const Message&, Wire& wire) {
    return wire.send(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: "
        "abc\r\n\r\n");
  });
  Chain chain(origin.port(), length, 1);
  Wire client = Wire::connect(chain.port());
  client.send(
      "POST / HTTP/1.1\r\nhost: svc\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n0\r\n\r\n");
  const std::string answer = client.read_all();
  CHECK(answer.ends_with("0\r\nx-sum: abc\r\n\r\n"));
}

TEST_CASE("scenario: the origin says whether the body may come", "[forwarder]") {
  const int length = GENERATE(1, 2, 3);
  Origin origin("a");
  std::atomic<bool> expected{false};
  origin.handle([&](const Message& request, Wire& wire) {
    expected = request.field("expect") == "100-continue";
    // The witness reads whole requests: what is awaited here is the refusal.
    wire.send("HTTP/1.1 417 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    return false;
  });
  Chain chain(origin.port(), length, 1);
  Wire client = Wire::connect(chain.port());
  client.send("POST / HTTP/1.1\r\nhost: svc\r\nexpect: 100-continue\r\ncontent-length: 0\r\n\r\n");
  CHECK(client.read().status == 417);
  CHECK(expected);
}

TEST_CASE("scenario: a length that the body has not ends in a reset, never in a whole answer",
          "[forwarder]") {
  const int length = GENERATE(1, 2, 3);
  Origin origin("a");
  origin.handle([](const Message&, Wire& wire) {
    wire.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    return false;
  });
  Chain chain(origin.port(), length, 1);
  Wire client = Wire::connect(chain.port());
  client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  const Message answer = client.read();
  // Where the fault is known before the head went on, the answer is one of ours.
  const bool whole = answer.status == 200 && answer.complete;
  CHECK_FALSE(whole);
  if (answer.status == 200) CHECK(client.closed());
}

TEST_CASE("scenario: crumbs of a cookie, and te: trailers, of a client of HTTP/2", "[forwarder]") {
  const int length = GENERATE(1, 2);
  Origin origin("a");
  std::mutex mutex;
  Message seen;
  origin.handle([&](const Message& request, Wire& wire) {
    const std::lock_guard lock(mutex);
    seen = request;
    return wire.send(support::response(200, "ok"));
  });
  Chain chain(origin.port(), length, 1);
  Wire client = Wire::connect(chain.port());
  client.send(h2::preface() + h2::get(1, h2::field("cookie", "a=1") + h2::field("te", "trailers") +
                                             h2::field("cookie", "b=2")));
  CHECK(support::wait_for([&] { return origin.requests() == 1; }));
  CHECK(support::wait_for([&] {
    const std::lock_guard lock(mutex);
    return seen.field("cookie") == "a=1; b=2";
  }));
  const std::lock_guard lock(mutex);
  CHECK(seen.field("host") == "svc");
  CHECK(seen.field("te") == "");
}

TEST_CASE("scenario: a slow reader of a large answer holds nobody else's answer on the pair",
          "[forwarder]") {
  Origin origin("a");
  origin.handle([body = std::string(30'000'000, 'x')](const Message& request, Wire& wire) {
    return wire.send(support::response(200, request.start.starts_with("GET /small") ? "a" : body));
  });
  Chain chain(origin.port(), 2, 1);
  std::vector<Wire> slow;
  for (int i = 0; i < 8; ++i) {  // over the connection's window in what they hold back
    slow.push_back(Wire::connect(chain.port()));
    slow.back().send("GET /large HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(slow.back().read_exactly(1000).size() == 1000);
  }
  for (int i = 0; i < 50; ++i) CHECK(support::get(chain.port(), "/small").body == "a");
  for (Wire& wire : slow) CHECK(wire.read_exactly(1'000'000).size() == 1'000'000);
}
