// Slow and hostile clients: limits hold, others hardly notice, memory returns.
#include <catch2/catch.hpp>

#include <csignal>
#include <fstream>

#include "scenario/proxy.h"
#include "scenario/standalone.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;
using support::Wire;

namespace {

// 0 under a sanitizer, whose own memory (shadow, quarantine) drowns what is looked for.
size_t resident_kib(pid_t pid) {
#ifdef MESH_SANITIZED
  return 0 * size_t(pid);
#endif
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return size_t(std::stoul(line.substr(6)));
  return 0;
}

// The value of a counter or gauge of the admin page.
size_t stat(Standalone& alone, const std::string& name) {
  const std::string text = "\n" + alone.ask("/stats?filter=" + name).body;
  const size_t at = text.find("\n" + name + ": ");
  return at == std::string::npos ? 0 : std::stoul(text.substr(at + name.size() + 3));
}

}  // namespace

TEST_CASE("scenario: a head that comes too slowly is given up, others are served", "[forwarder]") {
  Origin a("a");
  Standalone alone(
      Front{.endpoints = ports({a.port()}), .hcm = "\n          request_headers_timeout: 0.3s"}
          .yaml());
  const uint16_t port = alone.port();
  std::vector<Wire> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(Wire::connect(port));
    slow.back().send("GET / HTTP/1.1\r\nhost: sv");
  }
  CHECK(support::get(port).status == 200);
  for (Wire& wire : slow) CHECK(wire.closed());
  CHECK(support::wait_for([&] { return stat(alone, "server.total_connections") == 0; }));
}

TEST_CASE("scenario: slow readers of large answers cost bounded memory, and give it back",
          "[forwarder]") {
  constexpr size_t kAnswer = 100 << 20;
  constexpr size_t kReaders = 8;
  Origin large("large");
  large.handle([](const Message& request, Wire& wire) {
    if (request.start.find("/small") != std::string::npos)
      return wire.send(support::response(200, "small"));
    if (!wire.send("HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(kAnswer) + "\r\n\r\n"))
      return false;
    const std::string piece(64 << 10, 'x');
    for (size_t sent = 0; sent < kAnswer; sent += piece.size())
      if (!wire.send(piece)) return false;
    return true;
  });
  Standalone alone(Front{.endpoints = ports({large.port()})}.yaml());
  const uint16_t port = alone.port();
  REQUIRE(support::get(port, "/small").body == "small");
  const pid_t pid = alone.process().pid();
  const size_t before = resident_kib(pid);
  {
    std::vector<Wire> readers;
    for (size_t i = 0; i < kReaders; ++i) {
      readers.push_back(Wire::connect(port));
      readers.back().send("GET /large HTTP/1.1\r\nhost: svc\r\n\r\n");
    }
    REQUIRE(support::wait_for([&] { return large.requests() == 1 + kReaders; }));
    // Others are served beside them, again and again.
    for (int i = 0; i < 50; ++i) REQUIRE(support::get(port, "/small").body == "small");
    CHECK(resident_kib(pid) < before + kReaders * 1024);
  }
  CHECK(support::wait_for([&] { return stat(alone, "server.total_connections") == 0; }));
  CHECK(support::wait_for([&] { return resident_kib(pid) < before + 4096; }));
}

TEST_CASE("scenario: thousands of half-open connections cost little, and are forgotten",
          "[forwarder]") {
  constexpr size_t kConnections = 2000;
  Origin a("a");
  Standalone alone(Front{.endpoints = ports({a.port()})}.yaml(), {"--concurrency", "2"});
  const uint16_t port = alone.port();
  REQUIRE(support::get(port).status == 200);
  const pid_t pid = alone.process().pid();
  const size_t before = resident_kib(pid);
  {
    std::vector<Wire> half;
    for (size_t i = 0; i < kConnections; ++i) {
      half.push_back(Wire::connect(port));
      half.back().send("GET / HTTP/1.1\r\n");
    }
    REQUIRE(
        support::wait_for([&] { return stat(alone, "server.total_connections") >= kConnections; }));
    CHECK(support::get(port).status == 200);
    // A head that is under way holds a block of its own: 16 KiB and what is around it.
    CHECK(resident_kib(pid) < before + kConnections * 24);
  }
  CHECK(support::wait_for([&] { return stat(alone, "server.total_connections") == 0; }));
  CHECK(support::get(port).status == 200);
}

TEST_CASE("scenario: out of descriptors, the forwarder waits and recovers", "[forwarder]") {
  Origin a("a");
  Standalone alone(Front{.endpoints = ports({a.port()})}.yaml(), {"--concurrency", "1"},
                   {"sh", "-c", "ulimit -n 80; exec \"$@\"", "sh"});
  const uint16_t port = alone.port();
  REQUIRE(support::get(port).status == 200);
  {
    std::vector<Wire> flood;
    for (int i = 0; i < 150; ++i) flood.push_back(Wire::connect(port));
    CHECK(alone.process().wait_err("cannot accept: paused until descriptors are free"));
  }
  CHECK(support::wait_for([&] { return support::get(port).status == 200; }));
  CHECK(alone.process().wait_err("accepting again"));
  CHECK(alone.process().running());
}
