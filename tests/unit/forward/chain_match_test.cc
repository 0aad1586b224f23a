// The filter chain of a connection: the most specific one, in Envoy's order.
#include <catch2/catch.hpp>

#include "forward/chain_match.h"

using namespace mesh;
using namespace mesh::forward;
using Source = xds::FilterChainMatch::Source;

namespace {

// A FilterChainMatch of which a test sets a part.
struct Wanted {
  uint16_t port = 0;
  std::vector<xds::CidrRange> to{};
  std::vector<std::string> names{};
  std::string transport{};
  std::vector<std::string> protocols{};
  Source source = Source::Any;
  std::vector<xds::CidrRange> from{};
  std::vector<uint16_t> source_ports{};
};

std::vector<xds::FilterChain> chains(const std::vector<Wanted>& list) {
  std::vector<xds::FilterChain> out;
  for (const Wanted& one : list) {
    xds::FilterChainMatch& match = out.emplace_back().match;
    match.destination_port = one.port;
    match.prefix_ranges = one.to;
    match.server_names = one.names;
    match.transport_protocol = one.transport;
    match.application_protocols = one.protocols;
    match.source = one.source;
    match.source_prefix_ranges = one.from;
    match.source_ports = one.source_ports;
  }
  return out;
}

ConnectionFacts facts(const char* destination, const char* source) {
  ConnectionFacts out;
  out.destination = *net::Address::parse(destination);
  out.source = out.direct_source = *net::Address::parse(source);
  return out;
}

}  // namespace

TEST_CASE("the server name: exact, then the longest suffix, then chains without") {
  const auto list = chains({{},
                            {.names = {"*.example"}},
                            {.names = {"*.a.example"}},
                            {.names = {"b.a.example", "c.example"}}});
  const auto match = *ChainMatch::make(list);
  auto f = facts("10.0.0.1:443", "10.0.0.2:5");
  const auto at = [&](const char* name) {
    f.server_name = name;
    return match.find(f);
  };
  CHECK(at("b.a.example") == 3);
  CHECK(at("x.a.example") == 2);
  CHECK(at("x.y.a.example") == 2);
  CHECK(at("a.example") == 1);
  CHECK(at("example") == 0);
  CHECK(at("") == 0);
}

TEST_CASE("earlier criteria rule over later ones, and are never taken back") {
  const auto list = chains({{.port = 443},
                            {.transport = "tls"},
                            {.to = {{"10.0.0.0", 8}}},
                            {.to = {{"10.1.0.0", 16}}, .source_ports = {7}}});
  const auto match = *ChainMatch::make(list);
  auto f = facts("10.1.0.1:443", "192.0.2.1:9");
  f.tls = true;
  CHECK(match.find(f) == 0);
  f.destination = *net::Address::parse("192.0.2.9:80");
  CHECK(match.find(f) == 1);
  f.destination = *net::Address::parse("10.2.0.1:80");
  CHECK(match.find(f) == 2);
  // The more specific range wins and its source port does not fit: no chain.
  f.destination = *net::Address::parse("10.1.0.1:80");
  CHECK(match.find(f) == ChainMatch::kNone);
  f.source = *net::Address::parse("192.0.2.1:7");
  CHECK(match.find(f) == 3);
}

TEST_CASE("protocols by the client's order, and whence a connection comes") {
  const auto list = chains({{.protocols = {"http/1.1"}},
                            {.protocols = {"h2", "h2c"}},
                            {.source = Source::SameIpOrLoopback},
                            {.from = {{"192.0.2.0", 24}}}});
  const auto match = *ChainMatch::make(list);
  auto f = facts("10.0.0.1:80", "127.0.0.1:9");
  const std::vector<std::string> both = {"h2", "http/1.1"};
  f.application_protocols = both;
  CHECK(match.find(f) == 1);
  f.application_protocols = {};
  CHECK(match.find(f) == 2);
  f.source = *net::Address::parse("10.0.0.1:9");  // the same address
  CHECK(match.find(f) == 2);
  f.source = *net::Address::parse("192.0.2.5:9");
  CHECK(match.find(f) == 3);
  f.source = *net::Address::parse("198.51.100.1:9");
  CHECK(match.find(f) == ChainMatch::kNone);
}
