// Faults that a request asks for itself: x-envoy-fault-*, where the filter allows them.
#include <catch2/catch.hpp>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::Origin;

TEST_CASE("scenario: faults by header, as far as the filter allows them", "[forwarder]") {
  Origin origin("a");
  const auto front = [&](const std::string& fault) {
    return Front{.endpoints = ports({origin.port()}),
                 .filters = R"(
          - name: envoy.filters.http.fault
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault)" +
                            fault}
        .yaml();
  };
  const std::string by_header = R"(
              delay: { header_delay: {}, percentage: { numerator: 100 } }
              abort: { header_abort: {}, percentage: { numerator: 50 } }
              max_active_faults: 5)";
  Proxy proxy(front(by_header), workers());
  const auto ask = [&](const std::string& fields) {
    return support::get(proxy.port(), "/", "svc", fields);
  };
  CHECK(ask("").body == "a");
  // A percentage of the request's own is never over the filter's.
  int aborted = 0;
  for (int i = 0; i < 100; ++i)
    aborted += ask("x-envoy-fault-abort-request: 418\r\n"
                   "x-envoy-fault-abort-request-percentage: 100\r\n")
                   .status == 418;
  CHECK(aborted > 20);
  CHECK(aborted < 80);
  CHECK(ask("x-envoy-fault-abort-request: 418\r\nx-envoy-fault-abort-request-percentage: 0\r\n")
            .status == 200);
  CHECK(ask("x-envoy-fault-abort-request: many\r\n").status == 200);
  const auto start = std::chrono::steady_clock::now();
  CHECK(ask("x-envoy-fault-delay-request: 120\r\n").status == 200);
  CHECK(support::ms_since(start) >= 119);

  // Without the words of the filter those of a request do nothing.
  REQUIRE(proxy.apply(front("")) == "");
  CHECK(ask("x-envoy-fault-abort-request: 418\r\n").status == 200);
  REQUIRE(proxy.apply(front(R"(
              abort: { header_abort: {}, percentage: { numerator: 100 } })")) == "");
  const Message grpc =
      ask("content-type: application/grpc\r\nx-envoy-fault-abort-grpc-request: 8\r\n");
  CHECK(grpc.status == 200);
  CHECK(grpc.field("grpc-status") == "8");
  CHECK(ask("x-envoy-fault-abort-request: 503\r\n").body == "fault filter abort");
}
