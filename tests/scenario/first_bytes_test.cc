// Chains chosen by what a connection begins with: SNI, protocols, PROXY headers.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "net/proxy_protocol.h"
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

std::string counted(size_t bytes, const std::string& body) {
  std::string out;
  for (size_t i = bytes; i-- > 0;) out += char(body.size() >> (8 * i));
  return out + body;
}

// A ClientHello for the name, in records of at most `piece` bytes.
std::string client_hello(const std::string& name, size_t piece = 16384) {
  const std::string sni =
      std::string(2, '\0') + counted(2, counted(2, std::string(1, '\0') + counted(2, name)));
  const std::string body = "\x03\x03" + std::string(32, 'r') + counted(1, "") +
                           counted(2, "\x13\x01") + counted(1, std::string(1, '\0')) +
                           counted(2, sni);
  const std::string hello = "\x01" + counted(3, body);
  std::string out;
  for (size_t at = 0; at < hello.size(); at += piece)
    out += "\x16\x03\x01" + counted(2, hello.substr(at, piece));
  return out;
}

std::string chain(const std::string& match, const std::string& cluster, const std::string& log) {
  return "    - filter_chain_match: " + match + R"(
      filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: )" +
         cluster + R"(
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )" +
         log + R"(
              log_format: { text_format_source: { inline_string: "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %UPSTREAM_CLUSTER%\n" } }
)";
}

struct Setup {
  std::string filters;                                      // listener filters and beside them
  std::vector<std::pair<std::string, std::string>> chains;  // match, cluster
  std::string more{};
  std::vector<std::pair<std::string, uint16_t>> clusters;

  std::string yaml(const std::string& log) const {
    std::string out = R"(static_resources:
  listeners:
  - name: front
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
)" + filters + "    filter_chains:\n";
    for (const auto& [match, cluster] : chains) out += chain(match, cluster, log);
    out += more + "  clusters:\n";
    for (const auto& [name, port] : clusters)
      out += "  - name: " + name +
             "\n    type: STATIC\n    load_assignment:\n      cluster_name: " + name +
             "\n      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { "
             "address: 127.0.0.1, port_value: " +
             std::to_string(port) + " } } } } ] } ]\n";
    return out;
  }
};

constexpr const char* kInspector = R"(    listener_filters:
    - name: tls
      typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector }
)";

TcpOrigin::Script named(const std::string& name) {
  return [name](Wire& wire) {
    wire.send(name);
    TcpOrigin::echo(wire);
  };
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("sni: TLS passes through to the cluster of its name, whole and untouched") {
  const support::TempDir folder;
  TcpOrigin a(named("a")), b(named("b")), other(named("o"));
  const Setup setup{.filters = kInspector,
                    .chains = {{"{ server_names: [ a.example ] }", "a"},
                               {"{ server_names: [ \"*.b.example\" ] }", "b"},
                               {"{ transport_protocol: raw_buffer }", "other"}},
                    .clusters = {{"a", a.port()}, {"b", b.port()}, {"other", other.port()}}};
  for (const uint32_t workers : kWorkers) {
    Proxy proxy(setup.yaml(folder.file("log")), workers);
    const auto answer = [&](const std::string& said) {
      Wire client = connect_to("127.0.0.1", proxy.port());
      REQUIRE(client.send(said));
      return read_some(client, said.size() + 1);
    };
    for (const size_t piece : {16384, 20, 1}) {
      CHECK(answer(client_hello("a.example", piece)) == "a" + client_hello("a.example", piece));
      CHECK(answer(client_hello("X.B.example", piece)) == "b" + client_hello("X.B.example", piece));
    }
    CHECK(answer("hello in clear text") == "ohello in clear text");
    // A name that no chain has.
    Wire stranger = connect_to("127.0.0.1", proxy.port());
    REQUIRE(stranger.send(client_hello("c.example")));
    CHECK(stranger.closed());
    // In two segments.
    Wire slow = connect_to("127.0.0.1", proxy.port());
    const std::string hello = client_hello("a.example");
    REQUIRE(slow.send(hello.substr(0, 30)));
    CHECK(support::wait_for([&] { return proxy.connections() > 0; }));
    REQUIRE(slow.send(hello.substr(30)));
    CHECK(read_some(slow, 1) == "a");
  }
}

TEST_CASE("a server that speaks first is not waited for twice") {
  const support::TempDir folder;
  TcpOrigin banner(named("220 ready"));
  const Setup setup{.filters = std::string(kInspector) +
                               "    listener_filters_timeout: 0.2s\n"
                               "    continue_on_listener_filters_timeout: true\n",
                    .chains = {{"{ server_names: [ a.example ] }", "banner"}},
                    .more = "    default_filter_chain:\n" +
                            chain("{}", "banner", folder.file("log")).replace(4, 1, " "),
                    .clusters = {{"banner", banner.port()}}};
  Proxy proxy(setup.yaml(folder.file("log")), 1);
  const auto learned = [&] {
    bool known = false;
    proxy.run([&](forward::Forwarder& f) {
      known = !f.snapshot()->listener("front")->learned->server_first_ports().empty();
    });
    return known;
  };
  CHECK_FALSE(learned());
  for (int i = 0; i < 2; ++i) {
    Wire client = connect_to("127.0.0.1", proxy.port());
    CHECK(read_some(client, 9) == "220 ready");
    CHECK(support::wait_for(learned));
  }
  // Those who say nothing are let go where nothing can be done without.
  Setup strict = setup;
  strict.filters = std::string(kInspector) + "    listener_filters_timeout: 0.1s\n";
  Proxy other(strict.yaml(folder.file("log")), 1);
  CHECK(connect_to("127.0.0.1", other.port()).closed());
}

TEST_CASE("http_inspector: HTTP and other protocols on one port") {
  const support::TempDir folder;
  TcpOrigin http(named("h")), http2(named("2")), other(named("o"));
  const Setup setup{
      .filters = R"(    listener_filters:
    - name: http
      typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector }
)",
      .chains = {{"{ application_protocols: [ http/1.1, http/1.0 ] }", "http"},
                 {"{ application_protocols: [ h2c ] }", "http2"},
                 {"{}", "other"}},
      .clusters = {{"http", http.port()}, {"http2", http2.port()}, {"other", other.port()}}};
  Proxy proxy(setup.yaml(folder.file("log")), 1);
  const auto first = [&](std::string_view said) {
    Wire client = connect_to("127.0.0.1", proxy.port());
    REQUIRE(client.send(said));
    return read_some(client, 1);
  };
  CHECK(first("GET / HTTP/1.1\r\n") == "h");
  CHECK(first("POST /x HTTP/1.0\r\n") == "h");
  CHECK(first("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == "2");
  CHECK(first("EHLO mail.example\r\n") == "o");
  CHECK(first("\x01\x02\x03") == "o");
}

TEST_CASE("PROXY protocol: allowed peers say whose connection it is, and nobody else") {
  const support::TempDir folder;
  TcpOrigin local(named("l")), far(named("f"));
  const auto setup = [&](const std::string& peers) {
    return Setup{
        .filters = R"(    listener_filters:
    - name: proxy
      typed_config:
        "@type": type.googleapis.com/mesh.xds.v1.ProxyProtocol
        settings: {}
        allowed_peers: [ { address_prefix: )" +
                   peers + R"(, prefix_len: 8 } ]
)",
        .chains = {{"{ source_prefix_ranges: [ { address_prefix: 192.0.2.0, prefix_len: 24 } ] }",
                    "far"},
                   {"{}", "local"}},
        .clusters = {{"local", local.port()}, {"far", far.port()}}};
  };
  const auto header = [](uint8_t version) {
    return net::ProxyHeader::make(version, *net::Address::parse("192.0.2.7:4000"),
                                  *net::Address::parse("198.51.100.1:443"));
  };
  for (const uint8_t version : {uint8_t(1), uint8_t(2)}) {
    const std::string log = folder.file("log" + std::to_string(version));
    Proxy proxy(setup("127.0.0.0").yaml(log), 1);
    {
      Wire client = connect_to("127.0.0.1", proxy.port());
      const std::string bytes = header(version) + "hello";
      REQUIRE(client.send(bytes.substr(0, 9)));
      CHECK(support::wait_for([&] { return proxy.connections() == 1; }));
      REQUIRE(client.send(bytes.substr(9)));
      CHECK(read_some(client, 6) == "fhello");
    }
    CHECK(
        support::wait_for([&] { return text_of(log) == "192.0.2.7:4000 198.51.100.1:443 far\n"; }));
    Wire liar = connect_to("127.0.0.1", proxy.port());
    REQUIRE(liar.send("PROXY TCP4 nonsense\r\n"));
    CHECK(liar.closed());
    Wire without = connect_to("127.0.0.1", proxy.port());
    REQUIRE(without.send("hello"));
    CHECK(without.closed());
  }
  // Who is not in the list speaks for itself; the header is its first bytes.
  Proxy proxy(setup("10.0.0.0").yaml(folder.file("other")), 1);
  Wire client = connect_to("127.0.0.1", proxy.port());
  REQUIRE(client.send(header(1)));
  CHECK(read_some(client, 1 + header(1).size()) == "l" + header(1));
}

TEST_CASE("PROXY protocol: the upstream is told whose connection it is") {
  const support::TempDir folder;
  TcpOrigin origin;  // echoes what it is told
  for (const std::string version : {"V1", "V2"}) {
    const Setup setup{.filters = "", .chains = {{"{}", "x"}}, .clusters = {{"x", origin.port()}}};
    std::string yaml = setup.yaml(folder.file("log"));
    yaml += R"(    transport_socket:
      name: proxy
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        config: { version: )" +
            version + R"( }
        transport_socket:
          name: raw
          typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer }
)";
    Proxy proxy(yaml, 1);
    Wire client = connect_to("127.0.0.1", proxy.port());
    const auto own = net::Address::local_of(client.fd());
    const auto front = net::Address::peer_of(client.fd());
    const std::string header = net::ProxyHeader::make(version == "V1" ? 1 : 2, own, front);
    REQUIRE(client.send("hello"));
    client.shutdown_write();
    CHECK(client.read_all() == header + "hello");
  }
}

TEST_CASE("an IPv6 listener takes IPv4 where it is told so") {
  const support::TempDir folder;
  TcpOrigin origin(named("x"));
  const Setup setup{.filters = "", .chains = {{"{}", "x"}}, .clusters = {{"x", origin.port()}}};
  std::string yaml = setup.yaml(folder.file("log"));
  const std::string plain = "{ address: 127.0.0.1, port_value: 0 } }\n    filter_chains";
  REQUIRE(yaml.find(plain) != std::string::npos);
  yaml.replace(yaml.find(plain), plain.size(),
               "{ address: \"::\", port_value: 0, ipv4_compat: true } }\n    filter_chains");
  Proxy proxy(yaml, 1);
  CHECK(read_some(*std::make_unique<Wire>(connect_to("127.0.0.1", proxy.port())), 1) == "x");
  CHECK(read_some(*std::make_unique<Wire>(connect_to("::1", proxy.port())), 1) == "x");
}
