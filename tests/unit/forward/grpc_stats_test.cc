// gRPC requests by method and status.

#include "forward/grpc_stats.h"

#include <catch2/catch.hpp>

using namespace mesh;

namespace {

uint64_t count(const telemetry::Registry& registry, const std::string& service,
               const std::string& method, const std::string& status) {
  telemetry::Snapshot snapshot;
  registry.collect(snapshot);
  for (const auto& [key, value] : snapshot.numbers)
    if (key.labels ==
        std::vector<std::pair<std::string, std::string>>{
            {"grpc_service", service}, {"grpc_method", method}, {"grpc_response_status", status}})
      return value;
  return 0;
}

}  // namespace

TEST_CASE("grpc stats: by service, method and status", "[forward]") {
  telemetry::Registry registry;
  forward::GrpcStats stats(registry);
  for (int i = 0; i < 3; ++i) stats.record("/shop.Cart/Add", 0);
  stats.record("/shop.Cart/Add", 14);
  stats.record("/shop.Cart/Add", -1);
  stats.record("/shop.Cart/Add", 99);
  stats.record("", 0);
  stats.record("/no-method", 0);
  stats.record("/a/b/c", 0);
  CHECK(count(registry, "shop.Cart", "Add", "0") == 3);
  CHECK(count(registry, "shop.Cart", "Add", "14") == 1);
  CHECK(count(registry, "shop.Cart", "Add", "none") == 2);
  CHECK(count(registry, "", "", "0") == 1);
  CHECK(count(registry, "other", "other", "0") == 2);
}

TEST_CASE("grpc stats: methods that clients make up are bounded", "[forward]") {
  telemetry::Registry registry;
  forward::GrpcStats stats(registry);
  for (int i = 0; i < 10'000; ++i) stats.record("/s/m" + std::to_string(i), 0);
  telemetry::Snapshot snapshot;
  registry.collect(snapshot);
  CHECK(snapshot.numbers.size() <= forward::GrpcStats::kMethodsMax + 1);
  CHECK(count(registry, "other", "other", "0") >= 10'000 - forward::GrpcStats::kMethodsMax);
}
