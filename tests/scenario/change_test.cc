// Configuration that changes and a process that ends, under load: nothing is lost.
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

// Clients in threads that ask until told to stop. A connection that said
// goodbye is opened anew; anything but a 200 counts as lost.
class Load {
 public:
  Load(uint16_t port, int clients) {
    for (int i = 0; i < clients; ++i) threads_.emplace_back([this, port] { run(port); });
  }
  ~Load() { stop(); }
  void stop() {
    stopping_ = true;
    for (auto& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  size_t answered() const { return answered_; }
  size_t lost() const { return lost_; }

 private:
  void run(uint16_t port) {
    std::optional<Wire> wire;
    while (!stopping_) {
      if (!wire) wire = Wire::try_connect(port);
      const bool sent = wire && wire->send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
      const Message answer = sent ? wire->read() : Message{};
      ++(answer.status == 200 ? answered_ : lost_);
      if (answer.status == 0 || answer.field("connection") == "close") wire.reset();
    }
  }

  std::atomic<bool> stopping_{false};
  std::atomic<size_t> answered_{0};
  std::atomic<size_t> lost_{0};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("scenario: clusters, routes and listeners change under load", "[forwarder]") {
  const uint32_t workers = GENERATE(from_range(std::begin(kWorkers), std::end(kWorkers)));
  Origin a("a");
  Origin b("b");
  const std::string first = Front{.endpoints = ports({a.port()})}.yaml();
  const std::string second = Front{.endpoints = ports({a.port(), b.port()})}.yaml();
  const std::string third = Front{.route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc, timeout: 5s })",
                                  .endpoints = ports({b.port()})}
                                .yaml();
  Proxy proxy(first, workers);
  const uint16_t port = proxy.port();
  Load load(port, 4);
  for (int round = 0; round < 6; ++round) {
    for (const std::string* next : {&second, &third, &first}) {
      CHECK(proxy.apply(*next) == "");
      const size_t before = load.answered();
      REQUIRE(support::wait_for([&] { return load.answered() > before + 20; }));
    }
  }
  load.stop();
  CHECK(load.lost() == 0);
  CHECK(b.requests() > 0);
  CHECK(proxy.port() == port);  // the socket outlives its settings
}

TEST_CASE("scenario: a configuration that cannot be is refused, traffic goes on", "[forwarder]") {
  Origin a("a");
  const std::string good = Front{.endpoints = ports({a.port()})}.yaml();
  Proxy proxy(good, 1);
  std::string taken = good;
  const std::string zero = "port_value: 0";
  taken.replace(taken.find(zero), zero.size(), "port_value: " + std::to_string(a.port()));
  CHECK(proxy.apply(taken).find(std::to_string(a.port())) != std::string::npos);
  CHECK(support::get(proxy.port()).status == 200);
}

TEST_CASE("scenario: draining finishes what was begun and takes nothing new", "[forwarder]") {
  const uint32_t workers = GENERATE(from_range(std::begin(kWorkers), std::end(kWorkers)));
  Origin slow("slow");
  std::atomic<bool> go{false};
  slow.handle([&](const Message&, Wire& wire) {
    support::wait_for([&] { return go.load(); });
    return wire.send(support::response(200, "slow"));
  });
  Proxy proxy(Front{.endpoints = ports({slow.port()})}.yaml(), workers);
  const uint16_t port = proxy.port();
  Wire client = Wire::connect(port);
  client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  REQUIRE(support::wait_for([&] { return slow.requests() == 1; }));
  std::thread later([&] {
    support::wait_for([&] { return !Wire::try_connect(port).has_value(); });
    go = true;
  });
  CHECK(proxy.drain(std::chrono::seconds(10)));
  later.join();
  const Message answer = client.read();
  CHECK(answer.status == 200);
  CHECK(answer.field("connection") == "close");
  CHECK(client.closed());
}

TEST_CASE("scenario: a drain that cannot finish ends at its deadline", "[forwarder]") {
  Origin slow("slow");
  slow.handle([&](const Message&, Wire& wire) { return !wire.closed(10000); });
  Proxy proxy(Front{.endpoints = ports({slow.port()})}.yaml(), 1);
  Wire client = Wire::connect(proxy.port());
  client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
  REQUIRE(support::wait_for([&] { return slow.requests() == 1; }));
  CHECK(proxy.drain(std::chrono::milliseconds(200)));
  CHECK(client.closed());
}
