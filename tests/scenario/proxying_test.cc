// HTTP/1.1 through a forwarder: every kind of message, connections kept and lost.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

std::string get_text(std::string_view path = "/") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nhost: svc\r\n\r\n";
}

// Answers with what it was sent: method, path, and the body.
bool echo(const Message& request, Wire& wire) {
  return wire.send(support::response(
      200, request.start.substr(0, request.start.rfind(' ')) + "|" + request.body));
}

}  // namespace

TEST_CASE("scenario: requests of every kind pass", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  origin.handle(echo);
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), count);
  Wire client = Wire::connect(proxy.port());

  client.send(get_text("/x?y=1"));
  CHECK(client.read().body == "GET /x?y=1|");
  client.send("POST /p HTTP/1.1\r\nhost: svc\r\ncontent-length: 5\r\n\r\nhello");
  CHECK(client.read().body == "POST /p|hello");
  client.send(
      "PUT /c HTTP/1.1\r\nhost: svc\r\ntransfer-encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  CHECK(client.read().body == "PUT /c|abcde");
  client.send("GET http://svc/absolute HTTP/1.1\r\nhost: svc\r\n\r\n");
  CHECK(client.read().body == "GET /absolute|");
  CHECK(origin.connections() == 1);  // kept alive and used again
}

TEST_CASE("scenario: an idle connection gives its codec back, and serves on", "[forwarder]") {
  Origin origin("a");
  origin.handle(echo);
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  Wire other = Wire::connect(proxy.port());
  for (Wire* wire : {&client, &other}) {
    wire->send(get_text("/1"));
    CHECK(wire->read().body == "GET /1|");
  }
  const auto resting = [&] {
    uint64_t count = 0;
    proxy.run([&](forward::Forwarder& forwarder) {
      telemetry::Snapshot all;
      forwarder.collect(all);
      for (const auto& [key, value] : all.numbers)
        if (key.name == "mesh_forwarder_downstream_connections_resting") count += value;
    });
    return count == 2;
  };
  REQUIRE(support::wait_for(resting));
  client.send(get_text("/2"));
  CHECK(client.read().body == "GET /2|");
  client.send("POST /3 HTTP/1.1\r\nhost: svc\r\ncontent-length: 2\r\n\r\nhi");
  CHECK(client.read().body == "POST /3|hi");
  // The protocol was agreed on with the first bytes: this is no HTTP/2 preface.
  other.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  CHECK(other.read().status / 100 == 5);
  // What rests is closed at once by a drain.
  REQUIRE(support::wait_for([&] { return proxy.connections() == 1; }));
  CHECK(proxy.drain(std::chrono::seconds(5)));
  CHECK(client.closed());
}

TEST_CASE("scenario: HEAD has no body and the length", "[forwarder]") {
  Origin origin("abc");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send("HEAD / HTTP/1.1\r\nhost: svc\r\n\r\n");
  const Message answer = client.read(true);
  CHECK(answer.status == 200);
  CHECK(answer.field("content-length") == "3");
  client.send(get_text());
  CHECK(client.read().body == "abc");
}

TEST_CASE("scenario: heads carry what the mesh adds", "[forwarder]") {
  Origin origin("a");
  std::mutex mutex;
  Message seen;
  origin.handle([&](const Message& request, Wire& wire) {
    const std::lock_guard lock(mutex);
    seen = request;
    return wire.send(support::response(200, "ok"));
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = "\n          tracing: {}"}.yaml(),
              1);
  const Message answer = support::get(proxy.port(), "/", "svc", "x-request-id: abc\r\n");
  const std::lock_guard lock(mutex);
  CHECK(seen.field("host") == "svc");
  CHECK(seen.field("x-request-id") == "abc");
  CHECK(seen.field("x-forwarded-proto") == "http");
  CHECK(seen.field("traceparent").size() == 55);
  CHECK(seen.fields.count("connection") == 0);
  CHECK(answer.field("x-envoy-upstream-service-time") != "");
}

TEST_CASE("scenario: pipelined requests are answered in order", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  origin.handle(echo);
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), count);
  Wire client = Wire::connect(proxy.port());
  std::string all;
  for (int i = 0; i < 20; ++i) all += get_text("/" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 20; ++i) CHECK(client.read().body == "GET /" + std::to_string(i) + "|");
}

TEST_CASE("scenario: an upstream's chunks and close-delimited bodies arrive whole", "[forwarder]") {
  const std::string big(300'000, 'x');
  Origin origin("a");
  origin.handle([&](const Message& request, Wire& wire) {
    if (request.start.starts_with("GET /chunks")) {
      return wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n") &&
             wire.send("6\r\n world\r\n0\r\n\r\n");
    }
    if (request.start.starts_with("GET /big")) return wire.send(support::response(200, big));
    wire.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    return false;
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  CHECK(support::get(proxy.port(), "/chunks").body == "hello world");
  CHECK(support::get(proxy.port(), "/close").body == "until the end");
  const Message answer = support::get(proxy.port(), "/big");
  CHECK(answer.complete);
  CHECK(answer.body == big);
}

TEST_CASE("scenario: a large request body passes, slow readers are waited for", "[forwarder]") {
  Origin origin("a");
  origin.handle([&](const Message& request, Wire& wire) {
    return wire.send(support::response(200, request.body));
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  const std::string big(2'000'000, 'b');
  Wire client = Wire::connect(proxy.port());
  CHECK(client.send("POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 2000000\r\n\r\n" + big));
  const Message answer = client.read();
  CHECK(answer.complete);
  CHECK(answer.body == big);
}

TEST_CASE("scenario: 100-continue is the upstream's to say", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  origin.handle([](const Message& request, Wire& wire) {
    return wire.send("HTTP/1.1 100 Continue\r\n\r\n" + support::response(200, request.body));
  });
  Wire client = Wire::connect(proxy.port());
  client.send(
      "POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\nhi");
  CHECK(client.read().status == 100);
  CHECK(client.read().body == "hi");
}

TEST_CASE("scenario: an upstream that closes in the middle breaks the answer off", "[forwarder]") {
  Origin origin("a");
  origin.handle([](const Message&, Wire& wire) {
    wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
    return false;
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send(get_text());
  const Message answer = client.read();
  CHECK(answer.status == 200);
  CHECK_FALSE(answer.complete);
  CHECK(client.closed());
}

TEST_CASE("scenario: no answer before the upstream closes is 503 UC", "[forwarder]") {
  Origin origin("a");
  origin.handle([](const Message&, Wire&) { return false; });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send(get_text());
  CHECK(client.read().status == 503);
  origin.always(200);
  client.send(get_text());
  CHECK(client.read().status == 200);  // the client's connection is kept
}

TEST_CASE("scenario: nobody listens upstream is 503 UF", "[forwarder]") {
  Proxy proxy(Front{.endpoints = ports({support::unused_port()})}.yaml(), 1);
  const Message answer = support::get(proxy.port());
  CHECK(answer.status == 503);
  CHECK(answer.body.find("refused") != std::string::npos);
}

TEST_CASE("scenario: a client that leaves frees everything", "[forwarder]") {
  Origin origin("a");
  std::atomic<bool> asked{false};
  std::atomic<bool> left{false};
  origin.handle([&](const Message&, Wire& wire) {
    asked = true;
    left = wire.closed();
    return false;
  });
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  {
    Wire client = Wire::connect(proxy.port());
    client.send(get_text());
    REQUIRE(support::wait_for([&] { return asked.load(); }));
  }
  CHECK(support::wait_for([&] { return left.load(); }));
  CHECK(support::wait_for([&] { return proxy.connections() == 0; }));
}

TEST_CASE("scenario: a head of 1 MiB is refused within bounds", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send("GET / HTTP/1.1\r\nhost: svc\r\nx: ");
  client.send(std::string(1 << 20, 'a'));
  CHECK(client.read().status == 431);
  CHECK(client.closed());
  CHECK(origin.requests() == 0);
  CHECK(support::get(proxy.port()).status == 200);
}

TEST_CASE("scenario: what no route or host matches is 404 NR", "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.route = R"(
              - match: { path: "/only" }
                route: { cluster: svc })",
                    .endpoints = ports({origin.port()})}
                  .yaml(),
              1);
  CHECK(support::get(proxy.port(), "/only").status == 200);
  CHECK(support::get(proxy.port(), "/other").status == 404);
}
