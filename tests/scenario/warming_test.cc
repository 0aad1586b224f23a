// Clusters that are not ready: who waits for them, and who does not. mesh-routing(7), "CLUSTERS
// THAT ARE NOT READY".
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "base/file.h"
#include "scenario/proxy.h"
#include "scenario/standalone.h"
#include "support/http_peer.h"
#include "support/names.h"
#include "support/tcp_peer.h"
#include "support/wait.h"
#include "xds/decode.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Names;
using support::Origin;
using support::Wire;

namespace {

struct Backend {
  std::string name;
  uint16_t port;
  std::string host = "127.0.0.1";  // a name is resolved
  std::string more{};              // fields of the cluster
};

std::string cluster(const Backend& to) {
  const bool literal = to.host == "127.0.0.1";
  return "  - name: " + to.name + "\n    type: " + (literal ? "STATIC" : "STRICT_DNS") +
         "\n    connect_timeout: 2s" + to.more +
         "\n    load_assignment:\n      cluster_name: " + to.name +
         "\n      endpoints:\n      - lb_endpoints:\n        - endpoint: { address: { "
         "socket_address: { address: " +
         to.host + ", port_value: " + std::to_string(to.port) + " } } }\n";
}

// Host "H" goes to cluster C, for each {H, C} of `sites`; what has none goes to "svc".
struct Setup {
  uint16_t svc;
  std::vector<std::pair<std::string, std::string>> sites{};
  std::vector<Backend> backends{};
  std::string hcm{};

  std::string yaml() const {
    std::string route = R"(
              - match: { prefix: "/" }
                route: { cluster: svc })";
    for (const auto& [host, to] : sites)
      route += "\n            - name: " + host + "\n              domains: [" + host +
               "]\n              routes:\n              - match: { prefix: \"/\" }\n" +
               "                route: { cluster: " + to + ", timeout: 0s }";
    std::string out = Front{.route = route, .endpoints = ports({svc}), .hcm = hcm}.yaml();
    for (const Backend& backend : backends) out += cluster(backend);
    return out;
  }
};

std::string health_checks(const std::string& timeout = "60s") {
  return R"(
    common_lb_config: { healthy_panic_threshold: { value: 0 } }
    health_checks:
    - timeout: )" +
         timeout + R"(
      interval: 60s
      unhealthy_threshold: 1
      healthy_threshold: 1
      http_health_check: { path: /healthz })";
}

uint64_t number(Proxy& proxy, const std::string& name) {
  uint64_t value = 0;
  proxy.run([&](forward::Forwarder& f) {
    telemetry::Snapshot all;
    f.collect(all);
    for (const auto& [key, count] : all.numbers)
      if (key.name == name) value += count;
  });
  return value;
}
bool waiting(Proxy& proxy, uint64_t requests) {
  return support::wait_for(
      [&] { return number(proxy, "mesh_forwarder_warming_requests_waiting") == requests; });
}
bool warming(Proxy& proxy, uint64_t clusters) {
  return support::wait_for(
      [&] { return number(proxy, "mesh_forwarder_warming_clusters") == clusters; });
}

Wire ask(Proxy& proxy, const std::string& host, const std::string& body = "") {
  Wire wire = Wire::connect(proxy.port());
  wire.send("POST / HTTP/1.1\r\nhost: " + host +
            "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return wire;
}

std::string body(Proxy& proxy, const std::string& host) {
  return support::get(proxy.port(), "/", host).body;
}

// Nothing is given up while a test looks at it.
forward::Forwarder::WarmUp patient() { return {.longest = std::chrono::minutes(5)}; }
forward::Forwarder::WarmUp patient(const Names& names) {
  return {.lookup = names.lookup(), .longest = std::chrono::minutes(5)};
}

// Answers its checks once it may.
class SlowToCheck {
 public:
  explicit SlowToCheck(const std::string& name) : origin(name) {
    origin.handle([this, name](const Message& request, Wire& wire) {
      if (request.start.starts_with("GET /healthz ")) {
        ++checks;
        support::wait_for([this] { return go.load(); }, std::chrono::seconds(30));
      } else {
        ++requests;
      }
      return wire.send(support::response(200, name));
    });
  }
  ~SlowToCheck() { go = true; }
  std::atomic<bool> go{false};
  std::atomic<int> checks{0};
  std::atomic<int> requests{0};
  Origin origin;
};

}  // namespace

TEST_CASE("scenario: a request waits until the names of its cluster are resolved", "[forwarder]") {
  const uint32_t count = workers();
  Names names;
  Origin a("a");
  Origin slow("slow");
  Proxy proxy(Setup{.svc = a.port()}.yaml(), count, patient(names));
  REQUIRE(proxy.apply(Setup{.svc = a.port(),
                            .sites = {{"slow", "slow"}},
                            .backends = {{"slow", slow.port(), "slow.test"}}}
                          .yaml()) == "");
  CHECK(warming(proxy, 1));
  Wire first = ask(proxy, "slow", "hello");
  Wire second = ask(proxy, "slow", std::string(200'000, 'x'));
  CHECK(waiting(proxy, 2));
  CHECK(support::wait_for([&] { return names.asked("slow.test") == 1; }));
  for (int i = 0; i < 20; ++i) CHECK(body(proxy, "svc") == "a");
  CHECK(slow.requests() == 0);
  names.answer("slow.test");
  CHECK(first.read().body == "slow");
  CHECK(second.read().body == "slow");
  size_t bytes = 0;
  for (const Message& request : slow.seen()) bytes += request.body.size();
  CHECK(bytes == 200'005);
  CHECK(waiting(proxy, 0));
  CHECK(warming(proxy, 0));
}

TEST_CASE("scenario: a request waits until the hosts of its cluster were checked", "[forwarder]") {
  const uint32_t count = workers();
  // What is spoken may depend on the request: then it waits for its variant of the cluster.
  const std::string protocol = GENERATE("", R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} })");
  Origin a("a");
  SlowToCheck slow("slow");
  Proxy proxy(Setup{.svc = a.port()}.yaml(), count, patient());
  REQUIRE(proxy.apply(Setup{
              .svc = a.port(),
              .sites = {{"slow", "slow"}},
              .backends = {{"slow", slow.origin.port(), "127.0.0.1", health_checks() + protocol}}}
                          .yaml()) == "");
  REQUIRE(support::wait_for([&] { return slow.checks == 1; }));
  Wire client = ask(proxy, "slow");
  CHECK(waiting(proxy, 1));
  for (int i = 0; i < 20; ++i) CHECK(body(proxy, "svc") == "a");
  CHECK(slow.requests == 0);
  slow.go = true;
  CHECK(client.read().body == "slow");
  CHECK(body(proxy, "slow") == "slow");
}

TEST_CASE("scenario: a request waits until the endpoints of its cluster are there", "[forwarder]") {
  const uint32_t count = workers();
  Origin a("a");
  SlowToCheck slow("slow");
  const support::TempDir folder;
  const auto read = xds::read_bootstrap(
      folder.write("bootstrap.yaml",
                   Setup{.svc = a.port(),
                         .sites = {{"slow", "slow"}},
                         .backends = {{"slow", slow.origin.port(), "127.0.0.1", health_checks()}}}
                       .yaml()));
  REQUIRE(read);
  // As a control plane gives it: the endpoints come by themselves, and may come later.
  auto without = std::make_shared<xds::Config>(read->config);
  auto by_eds = std::make_shared<xds::Cluster>(*without->clusters["slow"]);
  const auto endpoints = std::exchange(by_eds->load_assignment, nullptr);
  by_eds->discovery = xds::Cluster::Discovery::Eds;
  without->clusters["slow"] = by_eds;
  auto with = std::make_shared<xds::Config>(*without);
  with->endpoints["slow"] = endpoints;
  Proxy proxy(Setup{.svc = a.port()}.yaml(), count, patient());
  REQUIRE(proxy.apply(without) == "");
  Wire client = ask(proxy, "slow");
  CHECK(waiting(proxy, 1));
  REQUIRE(proxy.apply(with) == "");
  REQUIRE(support::wait_for([&] { return slow.checks == 1; }));
  CHECK(waiting(proxy, 1));
  slow.go = true;
  CHECK(client.read().body == "slow");
}

TEST_CASE("scenario: a first configuration serves at once what is ready", "[forwarder]") {
  const uint32_t count = workers();
  Names names;
  Origin a("a");
  Origin slow("slow");
  Proxy proxy(Setup{.svc = a.port(),
                    .sites = {{"slow", "slow"}},
                    .backends = {{"slow", slow.port(), "slow.test"}}}
                  .yaml(),
              count, patient(names));
  CHECK(body(proxy, "svc") == "a");
  Wire client = ask(proxy, "slow");
  CHECK(waiting(proxy, 1));
  names.answer("slow.test");
  CHECK(client.read().body == "slow");
}

TEST_CASE(
    "scenario: a cluster that does not get ready delays nobody else, and its requests for so long",
    "[forwarder]") {
  const uint32_t count = workers();
  support::TempDir folder;
  Names names;
  Origin a("a"), b("b"), c("c");
  Setup setup{.svc = a.port(),
              .sites = {{"changes", "b"}, {"goes", "b"}},
              .backends = {{"b", b.port()}},
              .hcm = R"(
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )" +
                     folder.file("access") + R"(
              log_format: { text_format_source: { inline_string: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n" } })"};
  Proxy proxy(setup.yaml(), count, {.lookup = names.lookup()});
  setup.sites = {{"changes", "c"}, {"goes", "b"}, {"slow", "slow"}};
  setup.backends = {{"b", b.port()}, {"c", c.port()}, {"slow", a.port(), "never.test"}};
  REQUIRE(proxy.apply(setup.yaml()) == "");
  Wire client = ask(proxy, "slow");
  CHECK(body(proxy, "changes") == "c");
  CHECK(body(proxy, "goes") == "b");
  // A withdrawal, and another cluster that nobody answers for: it has its own time.
  setup.sites = {{"changes", "b"}, {"slow", "slow"}, {"slower", "slower"}};
  setup.backends.push_back({"slower", a.port(), "neither.test"});
  REQUIRE(proxy.apply(setup.yaml()) == "");
  CHECK(body(proxy, "changes") == "b");
  CHECK(body(proxy, "goes") == "a");
  Wire other = ask(proxy, "slower");
  CHECK(client.read().status == 503);
  CHECK(other.read().status == 503);
  // From then on there is nothing to wait for.
  CHECK(support::get(proxy.port(), "/", "slow").status == 503);
  CHECK(warming(proxy, 0));
  CHECK(support::wait_for([&] {
    const auto log = file::read(folder.file("access"), 1 << 20);
    size_t lines = 0;
    for (size_t at = 0; log && (at = log->find("503 UH no_healthy_upstream\n", at)) != log->npos;
         ++at)
      ++lines;
    return lines == 3;
  }));
  // An answer is taken whenever it comes.
  names.answer("never.test");
  CHECK(support::wait_for([&] { return body(proxy, "slow") == "a"; }));
}

TEST_CASE("scenario: a route that moves to a cluster serves as before until that is ready",
          "[forwarder]") {
  const uint32_t count = workers();
  Names names;
  Origin a("a"), b("b"), slow("slow");
  Setup setup{
      .svc = a.port(), .sites = {{"moves", "b"}, {"goes", "b"}}, .backends = {{"b", b.port()}}};
  Proxy proxy(setup.yaml(), count, patient(names));
  setup.sites = {{"moves", "slow"}, {"comes", "b"}};
  setup.backends.push_back({"slow", slow.port(), "slow.test"});
  std::string error = "none yet";
  std::thread applying([&] { error = proxy.apply(setup.yaml()); });
  // All else is as the configuration says, which is not in force as a whole.
  CHECK(support::wait_for([&] { return body(proxy, "comes") == "b"; }));
  CHECK(body(proxy, "goes") == "a");
  for (int i = 0; i < 20; ++i) CHECK(body(proxy, "moves") == "b");
  CHECK(proxy.in_force() == 1);
  CHECK(waiting(proxy, 0));
  names.answer("slow.test");
  applying.join();
  CHECK(error == "");
  CHECK(body(proxy, "moves") == "slow");
}

TEST_CASE("scenario: a cluster that changes serves as before until it is ready", "[forwarder]") {
  const uint32_t count = workers();
  Names names;
  Origin a("a"), former("former"), fresh("fresh");
  Setup setup{.svc = a.port(),
              .sites = {{"svc-1", "one"}},
              .backends = {{"one", former.port(), "one.test"}}};
  names.answer("one.test");
  Proxy proxy(setup.yaml(), count, patient(names));
  CHECK(body(proxy, "svc-1") == "former");
  setup.backends = {{"one", fresh.port(), "other.test"}};
  REQUIRE(proxy.apply(setup.yaml()) == "");
  CHECK(warming(proxy, 1));
  for (int i = 0; i < 20; ++i) CHECK(body(proxy, "svc-1") == "former");
  CHECK(waiting(proxy, 0));
  names.answer("other.test");
  CHECK(support::wait_for([&] { return body(proxy, "svc-1") == "fresh"; }));
  // Taken away at once.
  setup.sites.clear();
  setup.backends.clear();
  REQUIRE(proxy.apply(setup.yaml()) == "");
  CHECK(body(proxy, "svc-1") == "a");
}

TEST_CASE("scenario: who goes while a cluster gets ready is forgotten", "[forwarder]") {
  const uint32_t count = workers();
  Names names;
  Origin a("a"), slow("slow");
  const Setup with{.svc = a.port(),
                   .sites = {{"slow", "slow"}},
                   .backends = {{"slow", slow.port(), "slow.test"}}};
  Proxy proxy(with.yaml(), count, patient(names));
  {
    Wire leaves = ask(proxy, "slow");
    CHECK(waiting(proxy, 1));
  }
  CHECK(waiting(proxy, 0));
  SECTION("the client") {
    names.answer("slow.test");
    CHECK(support::wait_for([&] { return body(proxy, "slow") == "slow"; }));
    CHECK(slow.requests() == 1);
  }
  SECTION("the cluster") {
    Wire client = ask(proxy, "slow");
    CHECK(waiting(proxy, 1));
    REQUIRE(proxy.apply(Setup{.svc = a.port()}.yaml()) == "");
    CHECK(client.read().status == 503);
  }
  SECTION("the forwarder") {
    Wire client = ask(proxy, "slow");
    CHECK(waiting(proxy, 1));
  }
}

TEST_CASE("scenario: a drain waits for requests that wait for a cluster", "[forwarder]") {
  const uint32_t count = workers();
  Names names;
  Origin a("a"), slow("slow");
  Proxy proxy(Setup{.svc = a.port(),
                    .sites = {{"slow", "slow"}},
                    .backends = {{"slow", slow.port(), "slow.test"}}}
                  .yaml(),
              count, patient(names));
  const uint16_t port = proxy.port();
  Wire client = ask(proxy, "slow");
  CHECK(waiting(proxy, 1));
  std::thread later([&] {
    support::wait_for([&] { return !Wire::try_connect(port).has_value(); });
    names.answer("slow.test");
  });
  CHECK(proxy.drain(std::chrono::seconds(20)));
  later.join();
  const Message answer = client.read();
  CHECK(answer.body == "slow");
  CHECK(answer.field("connection") == "close");
}

TEST_CASE("scenario: a TCP connection waits until its cluster is ready", "[forwarder]") {
  const uint32_t count = workers();
  Names names;
  const support::TcpOrigin echo;
  Proxy proxy(R"(static_resources:
  listeners:
  - name: front
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: slow
  clusters:
)" + cluster({"slow", echo.port(), "slow.test"}),
              count, patient(names));
  Wire client = Wire::connect(proxy.port());
  client.send("ping");
  {
    Wire leaves = Wire::connect(proxy.port());
    leaves.send("gone");
    CHECK(waiting(proxy, 2));
    leaves.reset();
  }
  CHECK(waiting(proxy, 1));
  CHECK(echo.connections() == 0);
  names.answer("slow.test");
  CHECK(support::read_some(client, 4) == "ping");
  CHECK(echo.connections() == 1);
}

TEST_CASE("scenario: so many requests wait for a cluster, and no more", "[forwarder]") {
  Names names;
  Origin a("a"), slow("slow");
  Proxy proxy(Setup{.svc = a.port(),
                    .sites = {{"slow", "slow"}},
                    .backends = {{"slow", slow.port(), "slow.test", R"(
    circuit_breakers: { thresholds: [ { max_pending_requests: 2 } ] })"}}}
                  .yaml(),
              2, patient(names));
  Wire first = ask(proxy, "slow");
  Wire second = ask(proxy, "slow");
  CHECK(waiting(proxy, 2));
  const Message over = support::get(proxy.port(), "/", "slow");
  CHECK(over.status == 503);
  CHECK(over.field("x-envoy-overloaded") == "true");
  names.answer("slow.test");
  CHECK(first.read().body == "slow");
  CHECK(second.read().body == "slow");
}

TEST_CASE("scenario: a successor serves once its clusters are ready, the former until then",
          "[forwarder]") {
  const support::TempDir folder;
  Origin a("a");
  SlowToCheck slow("slow");
  slow.go = true;
  Standalone alone(
      Setup{.svc = a.port(),
            .sites = {{"slow", "slow"}},
            .backends = {{"slow", slow.origin.port(), "127.0.0.1", health_checks()}}}
          .yaml(),
      {"--concurrency", "2", "--takeover", folder.file("next"), "--drain-time-s", "20"});
  const uint16_t port = alone.port();
  REQUIRE(support::wait_for([&] { return support::get(port, "/", "slow").body == "slow"; }));
  slow.go = false;
  const int before = slow.checks;
  int served = 0;
  std::thread meanwhile([&] {
    support::wait_for([&] { return slow.checks > before; });
    for (int i = 0; i < 10; ++i) served += support::get(port, "/", "slow").body == "slow" ? 1 : 0;
    slow.go = true;
  });
  const auto former = alone.succeed();
  meanwhile.join();
  CHECK(served == 10);
  for (int i = 0; i < 10; ++i) CHECK(support::get(port, "/", "slow").body == "slow");
  CHECK(former->wait_exit(std::chrono::seconds(20)) == 0);
}
