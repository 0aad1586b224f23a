// How many connections a listener takes: Envoy's connection_limit and local_ratelimit, over all
// workers; and what is counted of the PROXY protocol.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/tcp_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::connect_to;
using support::read_some;
using support::TcpOrigin;
using support::Wire;
using namespace std::chrono_literals;

namespace {

// `filters` before the relay; `listener` more fields.
std::string bootstrap(const TcpOrigin& origin, const std::string& filters,
                      const std::string& listener = "") {
  return R"(static_resources:
  listeners:
  - name: front
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
)" + listener +
         R"(    filter_chains:
    - filters:
)" + filters +
         R"(      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: svc
  clusters:
  - name: svc
    type: STATIC
    load_assignment:
      cluster_name: svc
      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: )" +
         std::to_string(origin.port()) + " } } } } ] } ]\n";
}

std::string limit(const std::string& fields) {
  return R"(      - name: limit
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit
          stat_prefix: doors
          )" +
         fields + "\n";
}

std::string rate(const std::string& bucket) {
  return R"(      - name: rate
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit
          stat_prefix: turnstile
          token_bucket: )" +
         bucket + "\n";
}

uint64_t number(Proxy& proxy, const std::string& name,
                std::vector<std::pair<std::string, std::string>> labels, bool gauge = false) {
  telemetry::Snapshot seen;
  proxy.run([&](forward::Forwarder& forwarder) { forwarder.collect(seen); });
  const auto found = seen.numbers.find({name, std::move(labels), gauge});
  return found == seen.numbers.end() ? UINT64_MAX : found->second;
}

bool works(Wire& wire) { return wire.send("hello") && read_some(wire, 5) == "hello"; }

}  // namespace

TEST_CASE("connection_limit: so many at once, over all workers and configurations") {
  TcpOrigin origin;
  Proxy proxy(bootstrap(origin, limit("max_connections: 3")), workers());
  const auto limited = [&] {
    return number(proxy, "envoy_connection_limit_limited_connections",
                  {{"envoy_connection_limit_prefix", "doors"}});
  };
  const auto active = [&] {
    return number(proxy, "envoy_connection_limit_active_connections",
                  {{"envoy_connection_limit_prefix", "doors"}}, true);
  };
  std::vector<Wire> taken;
  for (int i = 0; i < 3; ++i) {
    taken.push_back(connect_to("127.0.0.1", proxy.port()));
    CHECK(works(taken.back()));
  }
  CHECK(active() == 3);
  for (int i = 0; i < 5; ++i) CHECK(connect_to("127.0.0.1", proxy.port()).closed());
  CHECK(limited() == 5);

  // A place that was left is free.
  taken.erase(taken.begin());
  REQUIRE(support::wait_for([&] { return active() == 2; }));
  taken.push_back(connect_to("127.0.0.1", proxy.port()));
  CHECK(works(taken.back()));

  // Those that are open count under the next configuration as well.
  REQUIRE(proxy.apply(bootstrap(origin, limit("max_connections: 4"))).empty());
  REQUIRE(support::wait_for([&] { return proxy.in_force() == 2; }));
  taken.push_back(connect_to("127.0.0.1", proxy.port()));
  CHECK(works(taken.back()));
  CHECK(connect_to("127.0.0.1", proxy.port()).closed());
  for (Wire& wire : taken) CHECK(works(wire));
}

TEST_CASE("connection_limit: who is over it is closed after the delay, and takes no place") {
  TcpOrigin origin;
  Proxy proxy(bootstrap(origin, limit("max_connections: 1\n          delay: 0.3s")), workers());
  Wire first = connect_to("127.0.0.1", proxy.port());
  CHECK(works(first));
  const auto begun = std::chrono::steady_clock::now();
  Wire second = connect_to("127.0.0.1", proxy.port());
  CHECK(second.send("hello"));
  CHECK(read_some(second, 5).empty());
  CHECK(std::chrono::steady_clock::now() - begun >= 290ms);
  CHECK(proxy.connections() == 1);
  CHECK(works(first));
}

TEST_CASE("local_ratelimit: so many new connections in a time, and none gives its token back") {
  TcpOrigin origin;
  Proxy proxy(bootstrap(origin, limit("max_connections: 100") +
                                    rate("{ max_tokens: 2, tokens_per_fill: 1, fill_interval: "
                                         "3600s }")),
              workers());
  {
    Wire first = connect_to("127.0.0.1", proxy.port());
    Wire second = connect_to("127.0.0.1", proxy.port());
    CHECK(works(first));
    CHECK(works(second));
  }
  for (int i = 0; i < 3; ++i) CHECK(connect_to("127.0.0.1", proxy.port()).closed());
  CHECK(number(proxy, "envoy_local_rate_limit_rate_limited",
               {{"envoy_local_network_ratelimit_prefix", "turnstile"}}) == 3);
  // Who was refused for the rate holds no place of the limit.
  CHECK(support::wait_for([&] {
    return number(proxy, "envoy_connection_limit_active_connections",
                  {{"envoy_connection_limit_prefix", "doors"}}, true) == 0;
  }));
}

TEST_CASE("PROXY protocol: what came is counted as Envoy counts it") {
  TcpOrigin origin;
  Proxy proxy(bootstrap(origin, "", R"(    listener_filters:
    - name: proxy
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol
        disallowed_versions: [ V2 ]
)"),
              workers());
  const auto say = [&](std::string_view bytes) {
    Wire wire = connect_to("127.0.0.1", proxy.port());
    REQUIRE(wire.send(bytes));
    return wire;
  };
  Wire good = say("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
  CHECK(works(good));
  CHECK(say("PROXY nonsense\r\n").closed());
  CHECK(say("hello, hello, hello").closed());
  const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
  CHECK(say({v2, sizeof v2 - 1}).closed());
  const auto seen = [&](const std::string& name, const std::string& version) {
    std::vector<std::pair<std::string, std::string>> labels;
    if (!version.empty()) labels.emplace_back("envoy_proxy_protocol_version", version);
    return number(proxy, "envoy_proxy_proto_" + name, labels);
  };
  CHECK(seen("found", "1") == 1);
  CHECK(seen("error", "1") == 1);
  CHECK(seen("disallowed", "2") == 1);
  CHECK(seen("found", "2") == 0);
  CHECK(seen("not_found_disallowed", "") == 1);
  CHECK(number(proxy, "envoy_downstream_cx_proxy_proto_error", {}) == 3);
}
