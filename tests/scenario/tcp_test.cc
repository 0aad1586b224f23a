// TCP proxying on real sockets.
#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "scenario/proxy.h"
#include "support/tcp_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::connect_to;
using support::read_some;
using support::TcpOrigin;
using support::Wire;

namespace {

// One listener "front" with a tcp_proxy; a cluster for each list of endpoints.
struct TcpFront {
  std::string proxy = "cluster: svc";  // of the tcp_proxy, one line each
  std::string address = "{ address: 127.0.0.1, port_value: 0 }";
  std::string listener{};                                       // more fields of it
  std::vector<std::pair<std::string, std::string>> clusters{};  // name, "ADDRESS" lines
  std::string cluster{};                                        // more fields of each
  std::string log{};                                            // a file

  std::string yaml() const {
    std::string out = R"(static_resources:
  listeners:
  - name: front
    address: { socket_address: )" +
                      address + " }\n" + listener + R"(    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
)";
    if (!log.empty())
      out += R"(          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )" +
             log + R"(
              log_format: { text_format_source: { inline_string: "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %CONNECTION_TERMINATION_DETAILS% %PROTOCOL% %RESPONSE_CODE%\n" } }
)";
    std::istringstream lines(proxy);
    for (std::string line; std::getline(lines, line);) out += "          " + line + "\n";
    out += "  clusters:\n";
    for (const auto& [name, endpoints] : clusters) {
      out += "  - name: " + name + "\n    type: STATIC\n    connect_timeout: 2s\n" + cluster +
             "    load_assignment:\n      cluster_name: " + name +
             (endpoints.empty() ? "\n" : "\n      endpoints:\n      - lb_endpoints:\n");
      std::istringstream list(endpoints);
      for (std::string one; std::getline(list, one);)
        out += "        - endpoint: { address: " + one + " }\n";
    }
    return out;
  }
};

std::string at(uint16_t port, const std::string& host = "127.0.0.1") {
  return "{ socket_address: { address: \"" + host + "\", port_value: " + std::to_string(port) +
         " } }\n";
}

std::string lines_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string pattern(size_t bytes) {
  std::string out(bytes, '\0');
  uint64_t state = 88172645463325252ULL;
  for (char& c : out) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = char(state);
  }
  return out;
}

}  // namespace

TEST_CASE("tcp: bytes pass both ways, and the end of one direction as such") {
  for (const uint32_t workers : kWorkers) {
    TcpOrigin origin;
    Proxy proxy(TcpFront{.clusters = {{"svc", at(origin.port())}}}.yaml(), workers);
    Wire client = connect_to("127.0.0.1", proxy.port());
    REQUIRE(client.send("hello"));
    CHECK(read_some(client, 5) == "hello");
    // Half closed: the origin goes on answering.
    REQUIRE(client.send("and goodbye"));
    client.shutdown_write();
    CHECK(client.read_all() == "and goodbye");
    CHECK_FALSE(client.was_reset());
    CHECK(support::wait_for([&] { return proxy.connections() == 0; }));
  }
}

TEST_CASE("tcp: a server that speaks first and ends first") {
  TcpOrigin origin([](Wire& wire) {
    wire.send("220 ready\r\n");
    wire.shutdown_write();
    const std::string said = read_some(wire, 4);
    (void)said;
    TcpOrigin::echo(wire);
  });
  Proxy proxy(TcpFront{.clusters = {{"svc", at(origin.port())}}}.yaml(), 1);
  Wire client = connect_to("127.0.0.1", proxy.port());
  CHECK(client.read_all() == "220 ready\r\n");
  REQUIRE(client.send("quit"));  // our direction is open still
  client.shutdown_write();
  CHECK(support::wait_for([&] { return proxy.connections() == 0; }));
}

TEST_CASE("tcp: a reset passes as a reset, both ways, and the log tells whose") {
  const support::TempDir folder;
  const std::string log = folder.file("tcp.log");
  SECTION("of the client") {
    std::atomic<bool> began{false};
    std::atomic<bool> reset{false};
    std::atomic<bool> over{false};
    TcpOrigin witness([&](Wire& wire) {
      char bytes[100];
      ssize_t n;
      while ((n = ::recv(wire.fd(), bytes, sizeof bytes, 0)) > 0) began = true;
      reset = n < 0 && errno == ECONNRESET;
      over = true;
    });
    Proxy proxy(TcpFront{.clusters = {{"svc", at(witness.port())}}, .log = log}.yaml(), 1);
    Wire client = connect_to("127.0.0.1", proxy.port());
    REQUIRE(client.send("hello"));
    CHECK(support::wait_for([&] { return began.load(); }));
    client.reset();
    CHECK(support::wait_for([&] { return over.load(); }));
    CHECK(reset);
    CHECK(support::wait_for([&] { return lines_of(log).starts_with("DC "); }));
  }
  SECTION("of the server") {
    TcpOrigin origin([](Wire& wire) {
      read_some(wire, 5);
      wire.reset();
    });
    Proxy proxy(TcpFront{.clusters = {{"svc", at(origin.port())}}, .log = log}.yaml(), 1);
    Wire client = connect_to("127.0.0.1", proxy.port());
    REQUIRE(client.send("hello"));
    CHECK(client.read_all().empty());
    CHECK(client.was_reset());
    CHECK(support::wait_for([&] { return lines_of(log).starts_with("UC 5 0 svc "); }));
  }
}

TEST_CASE("tcp: a reset that comes with the last bytes is met though nobody answers") {
  constexpr size_t kClients = 200;
  std::atomic<size_t> begun{0}, ended{0};
  TcpOrigin witness([&](Wire& wire) {
    char bytes[100];
    if (::recv(wire.fd(), bytes, sizeof bytes, 0) > 0) ++begun;
    while (::recv(wire.fd(), bytes, sizeof bytes, 0) > 0) continue;
    ++ended;
  });
  Proxy proxy(TcpFront{.clusters = {{"svc", at(witness.port())}}}.yaml(), 1);
  std::vector<Wire> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(connect_to("127.0.0.1", proxy.port()));
    REQUIRE(clients.back().send("hello"));
  }
  CHECK(support::wait_for([&] { return begun == kClients; }));
  // The worker is busy with one while others say their last.
  for (Wire& client : clients) {
    client.send("last");
    client.reset();
  }
  CHECK(support::wait_for([&] { return ended == kClients; }));
}

TEST_CASE("tcp: a large transfer against a slow reader stays bounded and whole") {
  for (const uint32_t workers : kWorkers) {
    const std::string sent = pattern(32 << 20);
    std::atomic<size_t> handed{0};
    TcpOrigin origin([&](Wire& wire) {
      for (size_t at = 0; at < sent.size(); at += 65536) {
        if (!wire.send(std::string_view(sent).substr(at, 65536))) return;
        handed = at + 65536;
      }
    });
    Proxy proxy(TcpFront{.clusters = {{"svc", at(origin.port())}}}.yaml(), workers);
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int small = 16384;
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(proxy.port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    Wire client(std::move(fd));
    // Nobody reads: what the origin can hand over is what sockets and we hold.
    size_t before = 1;
    CHECK(support::wait_for([&] {
      const size_t now = handed;
      return std::exchange(before, now) == now && now != 0;
    }));
    CHECK(handed < sent.size());
    const std::string got = read_some(client, sent.size(), 30000);
    CHECK(got == sent);
  }
}

TEST_CASE("tcp: weights share the connections out") {
  TcpOrigin a([](Wire& wire) { wire.send("a"); });
  TcpOrigin b([](Wire& wire) { wire.send("b"); });
  Proxy proxy(TcpFront{.proxy = "weighted_clusters: { clusters: [ { name: a, weight: 3 }, { name: "
                                "b, weight: 1 } ] }",
                       .clusters = {{"a", at(a.port())}, {"b", at(b.port())}}}
                  .yaml(),
              2);
  int of_a = 0;
  for (int i = 0; i < 200; ++i) of_a += connect_to("127.0.0.1", proxy.port()).read_all() == "a";
  CHECK(of_a > 110);
  CHECK(of_a < 190);
}

TEST_CASE("tcp: what cannot be reached is closed, and the flag says why") {
  const support::TempDir folder;
  const std::string log = folder.file("tcp.log");
  const auto first_line = [&](const TcpFront& front) {
    Proxy proxy(front.yaml(), 1);
    Wire client = connect_to("127.0.0.1", proxy.port());
    CHECK(client.read_all().empty());
    CHECK(support::wait_for([&] { return lines_of(log).find('\n') != std::string::npos; }));
    return lines_of(log);
  };
  SECTION("nobody listens") {
    CHECK(first_line({.clusters = {{"svc", at(support::unused_port())}}, .log = log}) ==
          "UF,URX 0 0 svc upstream_connection_failure - 0\n");
  }
  SECTION("no host") {
    CHECK(first_line({.clusters = {{"svc", ""}}, .log = log}) ==
          "UH 0 0 svc no_healthy_upstream - 0\n");
  }
  SECTION("another attempt finds the host that works") {
    TcpOrigin origin([](Wire& wire) { wire.send("well"); });
    const TcpFront front{.proxy = "cluster: svc\nmax_connect_attempts: 3",
                         .clusters = {{"svc", at(support::unused_port()) + at(origin.port())}},
                         .log = log};
    Proxy proxy(front.yaml(), 1);
    for (int i = 0; i < 4; ++i) CHECK(connect_to("127.0.0.1", proxy.port()).read_all() == "well");
  }
  SECTION("the limit of connections") {
    TcpOrigin origin;
    Proxy proxy(
        TcpFront{.clusters = {{"svc", at(origin.port())}},
                 .cluster = "    circuit_breakers: { thresholds: [ { max_connections: 1 } ] }\n",
                 .log = log}
            .yaml(),
        2);
    Wire one = connect_to("127.0.0.1", proxy.port());
    REQUIRE(one.send("x"));
    CHECK(read_some(one, 1) == "x");
    CHECK(connect_to("127.0.0.1", proxy.port()).read_all().empty());
    CHECK(support::wait_for([&] { return lines_of(log).starts_with("UO 0 0 svc"); }));
    one.close();
    CHECK(support::wait_for([&] { return proxy.connections() == 0; }));
    Wire two = connect_to("127.0.0.1", proxy.port());
    REQUIRE(two.send("y"));
    CHECK(read_some(two, 1) == "y");
  }
}

TEST_CASE("tcp: idle and long connections are ended") {
  const support::TempDir folder;
  const std::string log = folder.file("tcp.log");
  TcpOrigin origin;
  SECTION("idle") {
    Proxy proxy(TcpFront{.proxy = "cluster: svc\nidle_timeout: 0.2s",
                         .clusters = {{"svc", at(origin.port())}},
                         .log = log}
                    .yaml(),
                1);
    Wire client = connect_to("127.0.0.1", proxy.port());
    REQUIRE(client.send("abc"));
    CHECK(read_some(client, 3) == "abc");
    CHECK(client.closed());
    CHECK(support::wait_for(
        [&] { return lines_of(log) == "- 3 3 svc tcp_session_idle_timeout - 0\n"; }));
  }
  SECTION("long") {
    Proxy proxy(TcpFront{.proxy = "cluster: svc\nmax_downstream_connection_duration: 0.3s",
                         .clusters = {{"svc", at(origin.port())}},
                         .log = log}
                    .yaml(),
                1);
    Wire client = connect_to("127.0.0.1", proxy.port());
    while (client.send("abc") && !read_some(client, 3).empty()) continue;
    CHECK(support::wait_for([&] { return lines_of(log).starts_with("DT "); }));
  }
}

TEST_CASE("tcp: Istio's metrics of connections and bytes") {
  TcpOrigin origin;
  Proxy proxy(TcpFront{.clusters = {{"svc", at(origin.port())}}}.yaml(), 2);
  for (int i = 0; i < 3; ++i) {
    Wire client = connect_to("127.0.0.1", proxy.port());
    REQUIRE(client.send("12345"));
    client.shutdown_write();
    CHECK(client.read_all() == "12345");
  }
  telemetry::TcpTotals totals;
  CHECK(support::wait_for([&] {
    telemetry::Snapshot snapshot;
    proxy.run([&](forward::Forwarder& f) { f.collect(snapshot); });
    totals = {};
    for (const auto& [labels, one] : snapshot.tcp) {
      CHECK(labels[telemetry::Label::Reporter] == "source");
      CHECK(labels[telemetry::Label::DestinationService] == "svc");
      CHECK(labels[telemetry::Label::RequestProtocol] == "tcp");
      totals += one;
    }
    return totals.closed == 3;
  }));
  CHECK(totals.opened == 3);
  CHECK(totals.sent_bytes == 15);
  CHECK(totals.received_bytes == 15);
}

TEST_CASE("tcp: a change of the listener lets connections be") {
  TcpOrigin origin;
  TcpFront front{.clusters = {{"svc", at(origin.port())}}};
  Proxy proxy(front.yaml(), 2);
  Wire client = connect_to("127.0.0.1", proxy.port());
  REQUIRE(client.send("abc"));
  CHECK(read_some(client, 3) == "abc");
  front.proxy = "cluster: svc\nidle_timeout: 77s";
  CHECK(proxy.apply(front.yaml()).empty());
  REQUIRE(client.send("def"));
  CHECK(read_some(client, 3) == "def");
  client.shutdown_write();
  CHECK(client.read_all().empty());
  CHECK_FALSE(client.was_reset());
}

TEST_CASE("tcp: IPv6 and Unix sockets on both sides") {
  SECTION("[::1]") {
    TcpOrigin origin(TcpOrigin::echo, "::1");
    Proxy proxy(TcpFront{.address = "{ address: \"::1\", port_value: 0 }",
                         .clusters = {{"svc", at(origin.port(), "::1")}}}
                    .yaml(),
                1);
    Wire client = connect_to("::1", proxy.port());
    REQUIRE(client.send("six"));
    client.shutdown_write();
    CHECK(client.read_all() == "six");
  }
  SECTION("a path") {
    const support::TempDir folder;
    TcpOrigin origin(TcpOrigin::echo, folder.file("origin.sock"));
    TcpFront front{
        .clusters = {{"svc", "{ pipe: { path: " + folder.file("origin.sock") + " } }\n"}}};
    std::string yaml = front.yaml();
    const std::string plain = "{ socket_address: { address: 127.0.0.1, port_value: 0 } }";
    yaml.replace(yaml.find(plain), plain.size(),
                 "{ pipe: { path: " + folder.file("front.sock") + ", mode: 384 } }");
    Proxy proxy(yaml, 1);
    Wire client = connect_to(folder.file("front.sock"), 0);
    REQUIRE(client.send("path"));
    client.shutdown_write();
    CHECK(client.read_all() == "path");
  }
}
