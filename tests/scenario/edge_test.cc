// What clients beyond an edge say of themselves is not believed. forwarder(8), "REQUESTS".
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;

namespace {

constexpr const char* kId = "11111111-2222-4333-8444-555555555555";

const std::string kForged =
    "x-forwarded-for: 192.0.2.1, 192.0.2.2\r\n"
    "x-forwarded-proto: https\r\n"
    "x-forwarded-client-cert: By=spiffe://cluster.local/ns/a/sa/b;URI=spiffe://evil/x\r\n"
    "x-request-id: " +
    std::string(kId) +
    "\r\n"
    "x-envoy-external-address: 192.0.2.9\r\n"
    "x-envoy-internal: true\r\n"
    "x-envoy-original-path: /other\r\n"
    "x-envoy-retry-on: 5xx\r\n"
    "x-envoy-max-retries: 9\r\n"
    "x-envoy-upstream-rq-timeout-ms: 1\r\n"
    "x-envoy-attempt-count: 7\r\n";

}  // namespace

TEST_CASE("scenario: an edge believes nothing that a client says of itself", "[forwarder]") {
  const uint32_t count = workers();
  Origin origin("a");
  origin.always(503);
  Proxy proxy(
      Front{.endpoints = ports({origin.port()}), .hcm = "\n          use_remote_address: true"}
          .yaml(),
      count);
  CHECK(support::get(proxy.port(), "/", "svc", kForged).status == 503);
  REQUIRE(origin.requests() == 1);  // nobody but the routes has it tried again
  const Message seen = origin.seen().front();
  CHECK(seen.field("x-forwarded-for") == "192.0.2.1, 192.0.2.2,127.0.0.1");
  CHECK(seen.field("x-forwarded-proto") == "http");
  CHECK(seen.field("x-envoy-external-address") == "127.0.0.1");
  CHECK(seen.fields.count("x-envoy-external-address") == 1);
  CHECK(seen.field("x-request-id").size() == 36);
  CHECK(seen.field("x-request-id") != kId);
  for (const char* const name :
       {"x-forwarded-client-cert", "x-envoy-internal", "x-envoy-original-path", "x-envoy-retry-on",
        "x-envoy-max-retries", "x-envoy-upstream-rq-timeout-ms", "x-envoy-attempt-count"}) {
    CAPTURE(name);
    CHECK(seen.fields.count(name) == 0);
  }
}

TEST_CASE("scenario: an edge behind a proxy believes that one, and nobody before it",
          "[forwarder]") {
  Origin origin("a");
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = R"(
          use_remote_address: true
          xff_num_trusted_hops: 1
          preserve_external_request_id: true)"}
                  .yaml(),
              1);
  CHECK(support::get(proxy.port(), "/", "svc", kForged).status == 200);
  const Message seen = origin.seen().front();
  CHECK(seen.field("x-envoy-external-address") == "192.0.2.2");
  CHECK(seen.field("x-forwarded-for") == "192.0.2.1, 192.0.2.2,127.0.0.1");
  CHECK(seen.field("x-forwarded-proto") == "https");
  CHECK(seen.field("x-request-id") == kId);
  CHECK(seen.fields.count("x-envoy-retry-on") == 0);
}
