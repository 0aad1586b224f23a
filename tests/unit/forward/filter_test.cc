// The filters of a chain, and what the fault filter decides.
#include "forward/filter/filter.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::forward;

TEST_CASE("filters: known ones are built, others are refused by name", "[forward]") {
  const auto built = filter::build({"envoy.filters.http.fault", "envoy.filters.http.router"});
  REQUIRE(built);
  CHECK((*built).size() == 1);
  const auto refused = filter::build({"envoy.filters.http.lua"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("envoy.filters.http.lua") != std::string::npos);
}

TEST_CASE("fault: always, never, and nothing without a policy", "[forward]") {
  const auto built = filter::build({"envoy.filters.http.fault"});
  REQUIRE(built);
  const filter::Filter& fault = *(*built).front();
  http::RequestHead head;
  route::Route route;
  Random random(1);
  filter::Context context{
      .head = head, .route = route, .random = random, .secure = false, .peer_identity = {}};
  CHECK(fault.on_try(context).passes());

  route.fault = resilience::FaultPolicy{.delay_share = {1'000'000},
                                        .delay = std::chrono::milliseconds(5),
                                        .abort_share = {1'000'000},
                                        .abort_http_status = 418,
                                        .abort_grpc_status = {}};
  const filter::Verdict verdict = fault.on_try(context);
  CHECK(verdict.delay == std::chrono::milliseconds(5));
  CHECK(verdict.status == 418);
  CHECK(verdict.flags.has(telemetry::Flag::FaultInjected));
  CHECK(verdict.delay_flags.has(telemetry::Flag::DelayInjected));
  CHECK(fault.on_request(context).passes());

  route.fault->delay_share = {0};
  route.fault->abort_share = {0};
  CHECK(fault.on_try(context).passes());
}
