// Clusters that are not the same for all requests: hosts that the request names (ORIGINAL_DST
// with use_http_header), and the protocol that the client speaks. What the kernel redirects is
// in tests/ops/capture.bats.
#include <catch2/catch.hpp>

#include <mutex>

#include "scenario/proxy.h"
#include "support/http2_frames.h"
#include "support/http_peer.h"
#include "support/tcp_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
namespace h2 = support::h2;
using support::Message;
using support::Origin;
using support::TcpOrigin;
using support::Wire;

namespace {

std::string bootstrap(const std::string& cluster) {
  const std::string all = Front().yaml();
  return all.substr(0, all.find("  clusters:")) + "  clusters:\n  - name: svc\n" + cluster;
}

constexpr const char* kNamed = R"(    type: ORIGINAL_DST
    lb_policy: CLUSTER_PROVIDED
    connect_timeout: 2s
    original_dst_lb_config: { use_http_header: true }
)";

std::string to(uint16_t port) {
  return "x-envoy-original-dst-host: 127.0.0.1:" + std::to_string(port) + "\r\n";
}

}  // namespace

TEST_CASE("original destination: of each request, by the header that names it") {
  Origin a("a"), b("b");
  Proxy proxy(bootstrap(kNamed), workers());
  const auto ask = [&](const std::string& fields) {
    return support::get(proxy.port(), "/", "svc", fields);
  };
  for (int i = 0; i < 3; ++i) {
    CHECK(ask(to(a.port())).body == "a");
    CHECK(ask(to(b.port())).body == "b");
  }
  // Nobody redirected it, and it names nobody, or no address.
  for (const char* fields : {"", "x-envoy-original-dst-host: a.example:80\r\n",
                             "x-envoy-original-dst-host: 127.0.0.1\r\n"}) {
    INFO(fields);
    CHECK(ask(fields).status == 503);
  }
  CHECK(ask(to(support::unused_port())).status == 503);
  CHECK(ask(to(a.port())).body == "a");
}

TEST_CASE("original destination: connections are kept, over clients and in one") {
  Origin origin("o");
  Proxy proxy(bootstrap(kNamed), 1);
  Wire wire = Wire::connect(proxy.port());
  for (int i = 0; i < 5; ++i) {
    REQUIRE(wire.send("GET / HTTP/1.1\r\nhost: svc\r\n" + to(origin.port()) + "\r\n"));
    CHECK(wire.read().body == "o");
  }
  CHECK(origin.connections() == 1);
}

TEST_CASE("the upstream is spoken to as the client speaks") {
  std::mutex mutex;
  std::vector<std::string> begun;
  TcpOrigin origin([&](Wire& wire) {
    const std::string first = support::read_some(wire, 14);
    const std::lock_guard lock(mutex);
    begun.push_back(first);
  });
  Proxy proxy(bootstrap(R"(    type: STATIC
    connect_timeout: 2s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} }
    load_assignment:
      cluster_name: svc
      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: )" +
                        std::to_string(origin.port()) + " } } } } ] } ]\n"),
              workers());
  const auto seen = [&](size_t n) {
    return support::wait_for([&] {
      const std::lock_guard lock(mutex);
      return begun.size() >= n;
    });
  };
  Wire one = Wire::connect(proxy.port());
  REQUIRE(one.send("GET /1234567 HTTP/1.1\r\nhost: svc\r\n\r\n"));
  REQUIRE(seen(1));
  const size_t before = [&] {
    const std::lock_guard lock(mutex);
    CHECK(begun.back() == "GET /1234567 H");
    return begun.size();
  }();
  Wire two = Wire::connect(proxy.port());
  REQUIRE(two.send(h2::preface() + h2::get(1)));
  REQUIRE(seen(before + 1));
  const std::lock_guard lock(mutex);
  CHECK(begun.back() == "PRI * HTTP/2.0");
}
