// Which tunnels are to be had, and WebSocket's key between the HTTPs.

#include "forward/upgrade.h"

#include <catch2/catch.hpp>

using namespace mesh;
using forward::TunnelRule;

namespace {

http::RequestHead asking(std::string_view what) {
  http::RequestHead head;
  head.method = what == "CONNECT" ? "CONNECT" : "GET";
  if (what != "CONNECT") head.upgrade = what;
  return head;
}

}  // namespace

TEST_CASE("upgrades: what is not listed is not to be had", "[forward]") {
  xds::FilterChain chain;
  chain.upgrades = {{.type = "websocket"}, {.type = "connect", .enabled = false}};
  struct Row {
    std::string_view asks;
    TunnelRule want;
  };
  for (const Row& row :
       {Row{"websocket", TunnelRule::Pass}, Row{"WebSocket", TunnelRule::Pass},
        Row{"CONNECT", TunnelRule::Disabled}, Row{"spdy", TunnelRule::Unknown},
        Row{"websocket, spdy", TunnelRule::Unknown}, Row{"connect", TunnelRule::Disabled}}) {
    INFO(row.asks);
    CHECK(forward::tunnel_rule(asking(row.asks), nullptr, chain) == row.want);
  }
}

TEST_CASE("upgrades: the route's word goes first", "[forward]") {
  xds::FilterChain chain;
  chain.upgrades = {{.type = "websocket"}, {.type = "connect", .enabled = false}};
  route::Route route;
  route.upgrades = {{.type = "websocket", .enabled = false},
                    {.type = "connect", .terminate_connect = true},
                    {.type = "spdy"}};
  CHECK(forward::tunnel_rule(asking("websocket"), &route, chain) == TunnelRule::Disabled);
  CHECK(forward::tunnel_rule(asking("CONNECT"), &route, chain) == TunnelRule::Terminate);
  CHECK(forward::tunnel_rule(asking("spdy"), &route, chain) == TunnelRule::Pass);
  CHECK(forward::tunnel_rule(asking("h3"), &route, chain) == TunnelRule::Unknown);
}

TEST_CASE("upgrades: WebSocket's key crosses between HTTP/1.1 and HTTP/2", "[forward]") {
  forward::Scratch scratch;
  Random random(1);
  http::RequestHead head = asking("websocket");
  SECTION("a client of HTTP/1.1 whose upstream answered over HTTP/2 (RFC 6455 section 1.3)") {
    head.fields.add("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    CHECK_FALSE(forward::add_websocket_key(head, random, scratch));
    http::ResponseHead response;
    response.status = 101;
    forward::settle_websocket_accept(head, false, response, scratch);
    CHECK(response.fields.get("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    forward::settle_websocket_accept(head, false, response, scratch);
    CHECK(response.fields.size() == 1);
  }
  SECTION("a client of HTTP/2 has none, and hears none") {
    head.protocol = http::Protocol::Http2;
    CHECK(forward::add_websocket_key(head, random, scratch));
    const auto key = head.fields.get("sec-websocket-key");
    REQUIRE(key);
    CHECK(key->size() == 24);
    CHECK(key->ends_with("=="));
    http::ResponseHead response;
    response.fields.add("sec-websocket-accept", "x");
    forward::settle_websocket_accept(head, true, response, scratch);
    CHECK(response.fields.empty());
  }
  SECTION("other protocols have no key") {
    http::RequestHead other = asking("spdy");
    CHECK_FALSE(forward::add_websocket_key(other, random, scratch));
    CHECK(other.fields.empty());
  }
}
