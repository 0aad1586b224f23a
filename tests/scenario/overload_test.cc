// What a forwarder sheds when it runs short, and that it recovers alone.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using resilience::OverloadAction;
using resilience::OverloadResource;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

void set(Proxy& proxy, resilience::OverloadPolicy policy) {
  policy.refresh = std::chrono::milliseconds(10);
  proxy.run([&](forward::Forwarder& f) { f.set_overload(policy); });
}

}  // namespace

TEST_CASE("scenario: overload: requests are refused with a clear cause, then served again",
          "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), count);
  Wire client = Wire::connect(proxy.port());
  // Any process has more memory than this.
  set(proxy, {.memory_bytes_max = 4096,
              .triggers = {{OverloadAction::StopAcceptingRequests, OverloadResource::Memory, 0.9},
                           {OverloadAction::DisableKeepalive, OverloadResource::Memory, 0.9}}});
  client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  const Message refused = client.read();
  CHECK(refused.status == 503);
  CHECK(refused.body == "envoy overloaded");
  CHECK(refused.field("connection") == "close");
  CHECK(client.closed());
  CHECK(origin.requests() == 0);
  set(proxy,
      {.memory_bytes_max = uint64_t(1) << 50,
       .triggers = {{OverloadAction::StopAcceptingRequests, OverloadResource::Memory, 0.9}}});
  CHECK(support::wait_for([&] { return support::get(proxy.port()).status == 200; }));
}

TEST_CASE("scenario: overload: connections over the limit are closed, or wait", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()})}.yaml(), count);
  SECTION("a limit of connections") {
    set(proxy, {.connections_max = 2});
    Wire one = Wire::connect(proxy.port());
    Wire two = Wire::connect(proxy.port());
    for (Wire* wire : {&one, &two}) {
      wire->send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
      CHECK(wire->read().status == 200);
    }
    CHECK(Wire::connect(proxy.port()).closed());
    one.close();
    CHECK(support::wait_for([&] { return support::get(proxy.port()).status == 200; }));
  }
  SECTION("none is accepted while it is overloaded") {
    set(proxy, {.descriptors_max = 1,
                .triggers = {{OverloadAction::StopAcceptingConnections,
                              OverloadResource::Descriptors, 0.5}}});
    Wire waiting = Wire::connect(proxy.port());
    waiting.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(waiting.read(false, 300).status == 0);
    CHECK(proxy.connections() == 0);
    set(proxy, {.descriptors_max = 1'000'000'000,
                .triggers = {{OverloadAction::StopAcceptingConnections,
                              OverloadResource::Descriptors, 0.5}}});
    CHECK(waiting.read().status == 200);
  }
}
