// Slow and hostile clients: limits hold, others hardly notice, memory returns.
#include <sys/resource.h>

#include <algorithm>
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

// How many descriptors a process may have, now that it may have as many as it can.
size_t descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
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

TEST_CASE("scenario: uploads that never end are given up, others are served", "[forwarder]") {
  constexpr size_t kUploads = 50;
  Origin a("a");
  Standalone alone(
      Front{.endpoints = ports({a.port()}), .hcm = "\n          request_timeout: 1s"}.yaml());
  const uint16_t port = alone.port();
  const auto begin = [&](size_t length) {
    Wire wire = Wire::connect(port);
    wire.send("POST /up HTTP/1.1\r\nhost: svc\r\ncontent-length: " + std::to_string(length) +
              "\r\n\r\nx");
    return wire;
  };
  std::vector<Wire> slow;
  for (size_t i = 0; i < kUploads; ++i) slow.push_back(begin(1 << 20));
  REQUIRE(
      support::wait_for([&] { return stat(alone, "cluster.svc.upstream_rq_active") == kUploads; }));
  // Slow, and in time: it arrives whole beside them, a byte at a time.
  Wire good = begin(100);
  for (int i = 1; i < 100; ++i) {
    for (Wire& wire : slow) wire.send("x");
    good.send("x");
    if (i % 10 == 0) CHECK(support::get(port).status == 200);
  }
  CHECK(good.read().body == "a");
  good.close();
  // Bytes go on coming; it is the whole that does not.
  std::vector<bool> ended(kUploads);
  CHECK(support::wait_for([&] {
    for (size_t i = 0; i < kUploads; ++i) {
      if (ended[i]) continue;
      slow[i].send("x");
      const Message answer = slow[i].read(false, 1);
      if (answer.status == 0) continue;
      CHECK(answer.status == 408);
      ended[i] = true;
    }
    return std::find(ended.begin(), ended.end(), false) == ended.end();
  }));
  slow.clear();
  CHECK(support::wait_for([&] { return stat(alone, "server.total_connections") == 0; }));
  CHECK(support::wait_for([&] { return stat(alone, "cluster.svc.upstream_rq_active") == 0; }));
  CHECK(support::get(port).status == 200);
  // Nobody took a part for the whole.
  for (const Message& request : a.seen())
    if (request.field("content-length") == std::to_string(1 << 20)) CHECK_FALSE(request.complete);
}

TEST_CASE("scenario: ten thousand half-open connections cost little, and give it back",
          "[forwarder]") {
  // Here and in the forwarder, which inherits the limit.
  const size_t kConnections = std::min<size_t>(10'000, descriptors() - 200);
  REQUIRE(kConnections >= 500);
  Origin a("a");
  Standalone alone(Front{.endpoints = ports({a.port()})}.yaml(), {"--concurrency", "2"});
  const uint16_t port = alone.port();
  REQUIRE(support::get(port).status == 200);
  const pid_t pid = alone.process().pid();
  const size_t before = resident_kib(pid);
  const auto all_here = [&] { return stat(alone, "server.total_connections") >= kConnections; };
  // The second wave finds what the first one left.
  for (int wave = 0; wave < 2; ++wave) {
    std::vector<Wire> silent;
    for (size_t i = 0; i < kConnections; ++i) silent.push_back(Wire::connect(port));
    REQUIRE(support::wait_for(all_here));
    CHECK(support::get(port).status == 200);
    if (wave == 0) CHECK(resident_kib(pid) < before + kConnections * 2);
    // Now each begins a head and does not end it: a block of 16 KiB and what is around it.
    for (Wire& wire : silent) wire.send("GET / HTTP/1.1\r\n");
    for (int i = 0; i < 20; ++i) CHECK(support::get(port).status == 200);
    CHECK(resident_kib(pid) < before + kConnections * 20);
    silent.clear();
    CHECK(support::wait_for([&] { return stat(alone, "server.total_connections") == 0; }));
  }
  CHECK(support::wait_for([&] { return resident_kib(pid) < before + kConnections * 2; }));
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
