// What a peer can do to a server by saying what it should not. mesh-bus(7),
// SECURITY. The peer is bytes on an AF_UNIX socket, so that it can say anything.

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/unique_fd.h"
#include "bus/call_blocking.h"
#include "fixture.h"
#include "support/process.h"

using namespace mesh;
using namespace mesh::bus::test;
using bus::Allow;
using bus::Peer;

namespace {

UniqueFd connect_to(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

// ZMTP 3.0 (rfc.zeromq.org/spec/23), by hand.
class RawPeer {
 public:
  explicit RawPeer(const std::string& path) : fd_(connect_to(path)) {
    std::string greeting("\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL", 16);
    greeting.resize(64);
    put(greeting);
    await("READY");
    // Properties of a peer's own making are part of the handshake.
    std::string ready("\5READY", 6);
    property(ready, "Socket-Type", "DEALER");
    property(ready, "Peer-Address", "localhost:0:0:1");
    property(ready, "User-Id", "root");
    put(std::string{4, char(ready.size())} + ready);
  }
  bool connected() const { return bool(fd_); }
  void frame(const std::string& body, bool more) {
    const char flag = more ? 1 : 0;
    if (body.size() < 256) return put(std::string{flag, char(body.size())} + body);
    std::string head{char(flag | 2)};
    for (int shift = 56; shift >= 0; shift -= 8) head += char(body.size() >> shift);
    put(head + body);
  }
  void message(const bus::v1::Envelope& envelope, const std::string& payload) {
    frame(envelope.SerializeAsString(), true);
    frame(payload, false);
  }
  void put(const std::string& bytes) {
    size_t done = 0;
    while (fd_ && done < bytes.size()) {
      const ssize_t n = send(fd_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (n <= 0) return;
      done += size_t(n);
    }
  }
  // libzmq hangs up on who does not wait for its part of the handshake.
  void await(const std::string& text) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::string seen;
    char bytes[256];
    ssize_t n;
    while (seen.find(text) == std::string::npos &&
           (n = recv(fd_.get(), bytes, sizeof bytes, 0)) > 0)
      seen.append(bytes, size_t(n));
  }
  // The other side hung up.
  bool hung_up() {
    char bytes[4096];
    ssize_t n;
    while ((n = recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
    }
    return n == 0 || (errno != EAGAIN && errno != EINTR);
  }
  int fd() const { return fd_.get(); }

 private:
  static void property(std::string& to, const std::string& name, const std::string& value) {
    to += char(name.size());
    to += name;
    to += std::string("\0\0\0", 3);
    to += char(value.size());
    to += value;
  }
  UniqueFd fd_;
};

struct Service {
  Result<bus::v1::Node> who(const bus::v1::Node&, const Peer& peer) {
    ++answered;
    last = peer;
    bus::v1::Node node;
    node.set_id(std::to_string(peer.uid));
    return node;
  }
  Result<bus::v1::Lease> only_operators(const bus::v1::Lease&, const Peer&) {
    return bus::v1::Lease();
  }
  void add_to(bus::Server& server) {
    server.answer(Allow::Anyone, this, &Service::who);
    server.answer(Allow::Operator, this, &Service::only_operators);
  }
  int answered = 0;
  Peer last;
};

bus::v1::Envelope call_envelope(uint64_t id) {
  bus::v1::Envelope envelope;
  envelope.set_boot_id(7);
  envelope.set_kind(bus::v1::KIND_CALL);
  envelope.set_id(id);
  envelope.set_deadline_ms(1000);
  envelope.set_type_url(bus::type_url_of<bus::v1::Node>());
  return envelope;
}

struct Served : Place {
  Served() : server(loop, options()) {
    service.add_to(server);
    server.serve(Allow::Anyone, kType, table);
    REQUIRE(server.bind());
    REQUIRE(server.start());
  }
  template <class Fact>
  bool until(Fact fact) {
    return run_until(loop, fact);
  }
  // A good client is answered.
  bool serves() {
    bus::Client client(loop, path);
    bool good = false;
    client.call<bus::v1::Node>(bus::v1::Node(), 10s,
                               [&](Result<bus::v1::Node> r) { good = r.has_value(); });
    return until([&] { return good; });
  }
  event::Loop loop;
  Service service;
  Table table;
  bus::Server server;
};

}  // namespace

TEST_CASE("hostile: credentials in the handshake are the kernel's all the same", "[bus]") {
  Served at;
  RawPeer peer(at.path);
  peer.message(call_envelope(1), "");
  REQUIRE(at.until([&] { return at.service.answered == 1; }));
  CHECK(at.service.last.uid == getuid());
  CHECK(at.service.last.gid == getgid());
  CHECK(at.service.last.pid == uint32_t(getpid()));
}

TEST_CASE("hostile: another uid is seen as what it is, and is no operator", "[bus]") {
  if (geteuid() != 0) {
    SUCCEED("changing the uid needs root");
    return;
  }
  constexpr uint32_t kNobody = 65534;
  Place place;
  REQUIRE(chmod(place.dir.path().c_str(), 0711) == 0);
  support::Process child([&] {
    event::Loop loop;
    Service service;
    auto options = place.options();
    options.mode = 0666;
    bus::Server server(loop, options);
    service.add_to(server);
    if (!server.bind() || !server.start()) return 1;
    printf("bound\n");
    fflush(stdout);
    loop.run();
    return 0;
  });
  REQUIRE(child.wait_out("bound"));
  support::Process other([&] {
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return 1;
    const auto who = bus::call_blocking<bus::v1::Node>(place.path, bus::v1::Node(), 10s);
    if (!who || who->id() != std::to_string(kNobody)) return 2;
    const auto refused = bus::call_blocking<bus::v1::Lease>(place.path, bus::v1::Lease(), 10s);
    return !refused && refused.error().kind == Errc::Refused ? 0 : 3;
  });
  CHECK(other.wait_exit() == 0);
}

TEST_CASE("hostile: what is no message of the bus is counted and dropped", "[bus]") {
  Served at;
  RawPeer peer(at.path);
  const auto envelope = [](auto change) {
    bus::v1::Envelope e = call_envelope(1);
    change(e);
    return e.SerializeAsString();
  };
  struct Row {
    const char* because;
    std::vector<std::string> frames;
    bool too_big;
  };
  const Row rows[] = {
      {"one frame with something in it", {"x"}, false},
      {"three frames", {call_envelope(1).SerializeAsString(), "", ""}, false},
      {"a hundred frames", std::vector<std::string>(100, "x"), false},
      {"an envelope that does not parse", {"\xff\xff", ""}, false},
      {"an empty envelope", {"", ""}, false},
      {"no boot id", {envelope([](auto& e) { e.clear_boot_id(); }), ""}, false},
      {"no kind", {envelope([](auto& e) { e.clear_kind(); }), ""}, false},
      {"an unknown kind", {envelope([](auto& e) { e.set_kind(bus::v1::Kind(99)); }), ""}, false},
      {"what only servers say",
       {envelope([](auto& e) { e.set_kind(bus::v1::KIND_REPLY); }), ""},
       false},
      {"a call without an id", {envelope([](auto& e) { e.clear_id(); }), ""}, false},
      {"a lease that does not parse",
       {envelope([](auto& e) { e.set_kind(bus::v1::KIND_LEASE); }), "\xff"},
       false},
      {"an envelope over its bound",
       {envelope([](auto& e) { e.set_type_url(std::string(2000, 'x')); }), ""},
       true},
  };
  uint64_t malformed = 0;
  uint64_t too_big = 0;
  for (const Row& row : rows) {
    INFO(row.because);
    for (size_t i = 0; i < row.frames.size(); ++i)
      peer.frame(row.frames[i], i + 1 < row.frames.size());
    ++(row.too_big ? too_big : malformed);
    CHECK(at.until([&] {
      return at.server.stats().malformed == malformed && at.server.stats().too_big == too_big;
    }));
  }
  CHECK(at.service.answered == 0);
  CHECK(at.serves());
}

TEST_CASE("hostile: a watch request that breaks its bounds ends that watch", "[bus]") {
  Served at;
  RawPeer peer(at.path);
  auto envelope = call_envelope(5);
  envelope.set_kind(bus::v1::KIND_WATCH_REQUEST);
  envelope.set_type_url(kType);
  bus::v1::WatchRequest request;
  request.mutable_node();
  request.add_subscribe(std::string(5000, 'n'));
  peer.message(envelope, request.SerializeAsString());
  REQUIRE(at.until([&] { return at.server.stats().malformed == 1; }));
  REQUIRE(at.until([&] { return at.server.stats().watches == 0; }));
  CHECK(at.serves());
}

TEST_CASE("hostile: more watches than a peer may have are refused", "[bus]") {
  Served at;
  RawPeer peer(at.path);
  auto envelope = call_envelope(1);
  envelope.set_kind(bus::v1::KIND_WATCH_REQUEST);
  envelope.set_type_url(kType);
  bus::v1::WatchRequest request;
  request.mutable_node();
  request.add_subscribe("*");
  const size_t allowed = short_limits().watches_a_peer_max;
  for (uint64_t id = 1; id <= allowed + 5; ++id) {
    envelope.set_id(id);
    peer.message(envelope, request.SerializeAsString());
  }
  REQUIRE(at.until([&] { return at.server.stats().over_limit == 5; }));
  CHECK(at.server.stats().watches == allowed);
}

TEST_CASE("hostile: a frame over libzmq's bound, and a message without end", "[bus]") {
  Place place;
  event::Loop loop;
  Service service;
  auto options = place.options();
  options.limits.payload_bytes_max = 10'000;
  bus::Server server(loop, options);
  service.add_to(server);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  RawPeer big(place.path);
  big.frame(call_envelope(1).SerializeAsString(), true);
  big.frame(std::string(30'000, 'x'), false);
  REQUIRE(run_until(loop, [&] { return big.hung_up(); }));
  {
    RawPeer endless(place.path);
    for (int i = 0; i < 1000; ++i) endless.frame("x", true);
  }
  CHECK(server.stats().messages == 0);
  bus::Client client(loop, place.path);
  bool good = false;
  client.call<bus::v1::Node>(bus::v1::Node(), 10s,
                             [&](Result<bus::v1::Node> r) { good = r.has_value(); });
  CHECK(run_until(loop, [&] { return good; }));
}

TEST_CASE("hostile: a flood of one does not starve another", "[bus]") {
  Place place;
  support::Process flooder([&] {
    // Waits for the server, then writes calls and reads nothing.
    if (!support::wait_for([&] { return access(place.path.c_str(), F_OK) == 0; })) return 1;
    RawPeer peer(place.path);
    for (uint64_t id = 1;; ++id) peer.message(call_envelope(id), "");
  });
  event::Loop loop;
  Service service;
  bus::Server server(loop, place.options());
  service.add_to(server);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  REQUIRE(run_until(loop, [&] { return service.answered > 2000; }));
  bus::Client client(loop, place.path);
  int good = 0;
  for (int i = 0; i < 50; ++i) {
    bool done = false;
    client.call<bus::v1::Node>(bus::v1::Node(), 5s, [&](Result<bus::v1::Node> r) {
      done = true;
      good += r.has_value();
    });
    REQUIRE(run_until(loop, [&] { return done; }));
  }
  CHECK(good == 50);
  // It reads no answers: they are dropped, not gathered.
  CHECK(server.stats().undelivered > 0);
}

TEST_CASE("hostile: peers over the bound are turned away, idle ones forgotten first", "[bus]") {
  Place place;
  event::Loop loop;
  Service service;
  Table table;
  auto options = place.options();
  options.limits.peers_max = 2;
  bus::Server server(loop, options);
  service.add_to(server);
  server.serve(Allow::Anyone, kType, table);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  bus::Client one(loop, place.path, short_limits());
  bus::Client two(loop, place.path, short_limits());
  Memory first, second;
  const auto watch_one = one.watch(kType, {}, first);
  auto watch_two = two.watch(kType, {}, second);
  REQUIRE(run_until(loop, [&] { return first.generation == "g1" && second.generation == "g1"; }));
  RawPeer raw(place.path);
  raw.message(call_envelope(1), "");
  REQUIRE(run_until(loop, [&] { return server.stats().over_limit > 0; }));
  CHECK(service.answered == 0);
  watch_two.reset();
  REQUIRE(run_until(loop, [&] { return server.stats().watches == 1; }));
  raw.message(call_envelope(2), "");
  REQUIRE(run_until(loop, [&] { return service.answered == 1; }));
}

TEST_CASE("hostile: with few descriptors left new clients wait, old ones are served", "[bus]") {
  Place place;
  support::Process child([&] {
    const rlimit few{300, 300};
    setrlimit(RLIMIT_NOFILE, &few);
    event::Loop loop;
    Service service;
    bus::Server server(loop, place.options());
    service.add_to(server);
    if (!server.bind() || !server.start()) return 1;
    printf("bound\n");
    fflush(stdout);
    loop.run();
    return 0;
  });
  REQUIRE(child.wait_out("bound"));
  event::Loop loop;
  bus::Client old(loop, place.path);
  const auto served = [&] {
    std::optional<Result<bus::v1::Node>> answer;
    old.call<bus::v1::Node>(bus::v1::Node(), 10s,
                            [&](Result<bus::v1::Node> r) { answer.emplace(std::move(r)); });
    return run_until(loop, [&] { return answer.has_value(); }) && answer->has_value();
  };
  REQUIRE(served());
  {
    std::vector<UniqueFd> crowd;
    for (int i = 0; i < 180; ++i) crowd.push_back(connect_to(place.path));
    REQUIRE(child.wait_err("few descriptors left"));
    CHECK(served());
    const auto kept_out = bus::call_blocking<bus::v1::Node>(place.path, bus::v1::Node(), 50ms);
    CHECK(!kept_out);
  }
  CHECK(support::wait_for([&] {
    return bus::call_blocking<bus::v1::Node>(place.path, bus::v1::Node(), 10s).has_value();
  }));
  CHECK(child.running());
}

TEST_CASE("hostile: who may not open the socket is told so, not kept waiting", "[bus]") {
  if (geteuid() != 0) {
    SUCCEED("changing the uid needs root");
    return;
  }
  constexpr uint32_t kNobody = 65534;
  Place place;
  REQUIRE(chmod(place.dir.path().c_str(), 0711) == 0);
  event::Loop loop;
  auto options = place.options();
  options.mode = 0600;
  bus::Server server(loop, options);
  REQUIRE(server.bind());
  support::Process other([&] {
    if (setgid(kNobody) != 0 || setuid(kNobody) != 0) return 1;
    const auto kept_out = bus::call_blocking<bus::v1::Node>(place.path, bus::v1::Node(), 60s);
    return !kept_out && kept_out.error().kind == Errc::Refused ? 0 : 2;
  });
  CHECK(other.wait_exit() == 0);
}

TEST_CASE("hostile: responses that a full queue did not take are sent when there is room",
          "[bus]") {
  struct Big : bus::WatchProvider {
    void on_subscribe(bus::Watcher& watcher, const std::vector<std::string>&) override {
      ++subscribed;
      watcher.offer("big", "1", body);
    }
    void on_gone(bus::Watcher&) override { ++gone; }
    std::shared_ptr<const std::string> body = std::make_shared<const std::string>(500'000 - 8, 'b');
    int subscribed = 0, gone = 0;
  };
  constexpr int kWatches = 12;
  Place place;
  event::Loop loop;
  Big big;
  auto options = place.options();
  options.limits.queued_messages_max = 1;
  options.limits.lease_lapse = 60s;
  bus::Server server(loop, options);
  server.serve(Allow::Anyone, kType, big);
  REQUIRE(server.bind());
  REQUIRE(server.start());
  RawPeer peer(place.path);
  for (int id = 1; id <= kWatches; ++id) {
    auto envelope = call_envelope(uint64_t(id));
    envelope.set_kind(bus::v1::KIND_WATCH_REQUEST);
    envelope.set_type_url(kType);
    bus::v1::WatchRequest request;
    request.mutable_node();
    request.add_subscribe("*");
    peer.message(envelope, request.SerializeAsString());
  }
  // All asked before a byte is read: far more than socket and queue hold.
  REQUIRE(run_until(loop, [&] { return big.subscribed == kWatches; }));
  size_t bytes = 0;
  CHECK(run_until(loop, [&] {
    char some[65536];
    for (ssize_t n = 0; (n = recv(peer.fd(), some, sizeof some, MSG_DONTWAIT)) > 0;)
      bytes += size_t(std::count(some, some + n, 'b'));
    return bytes >= kWatches * big.body->size();
  }));
  CHECK(big.gone == 0);
}

TEST_CASE("server: no signal is taken by libzmq's threads", "[bus]") {
  Served at;
  REQUIRE(at.serves());
  int others = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(getpid())) continue;
    std::ifstream in(task.path() / "status");
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      ++others;
      const uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
      for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGALRM})
        CHECK((blocked >> (number - 1) & 1) == 1);
    }
  }
  CHECK(others >= 2);  // its reaper, and its I/O
}
