// Counting requests: mesh-metrics(7).

#include "telemetry/registry.h"

#include <catch2/catch.hpp>
#include <thread>

using namespace mesh;
using namespace mesh::telemetry;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

Labels to_reviews() {
  Labels labels;
  labels[Label::Reporter] = "source";
  labels[Label::SourceWorkload] = "web";
  labels[Label::DestinationService] = "reviews.default";
  return labels;
}

RequestFacts ok(milliseconds duration) {
  RequestFacts facts;
  facts.status = 200;
  facts.duration = duration;
  facts.response_bytes = 1000;
  return facts;
}

uint64_t requests(const Registry& registry) {
  Snapshot snapshot;
  registry.collect(snapshot);
  uint64_t sum = 0;
  for (const auto& [labels, totals] : snapshot.requests) sum += totals.requests;
  return sum;
}

}  // namespace

TEST_CASE("registry: principals are labels of mutual TLS alone", "[telemetry]") {
  const std::string reporter = GENERATE("source", "destination");
  const bool source = reporter == "source";
  Registry registry;
  Labels fixed;
  fixed[Label::Reporter] = reporter;
  fixed[source ? Label::SourcePrincipal : Label::DestinationPrincipal] = "spiffe://x/own";
  Scope& scope = registry.scope(fixed);
  RequestFacts facts = ok(milliseconds(1));
  facts.peer = registry.peer({.principal = "spiffe://x/peer", .workload = "peer-1"});
  facts.security = Security::None;
  scope.record(facts);
  facts.security = Security::MutualTls;
  scope.record(facts);
  scope.record(facts);
  Snapshot snapshot;
  registry.collect(snapshot);
  REQUIRE(snapshot.requests.size() == 2);
  for (const auto& [labels, totals] : snapshot.requests) {
    const bool secure = totals.requests == 2;
    CHECK(labels[source ? Label::SourcePrincipal : Label::DestinationPrincipal] ==
          (secure ? "spiffe://x/own" : ""));
    CHECK(labels[source ? Label::DestinationPrincipal : Label::SourcePrincipal] ==
          (secure ? "spiffe://x/peer" : ""));
    CHECK(labels[source ? Label::DestinationWorkload : Label::SourceWorkload] == "peer-1");
    const std::string policy = source ? "unknown" : secure ? "mutual_tls" : "none";
    CHECK(labels[Label::ConnectionSecurityPolicy] == policy);
  }
}

TEST_CASE("registry: a series for each combination of what varies", "[telemetry]") {
  Registry registry;
  Scope& scope = registry.scope(to_reviews());
  CHECK(&registry.scope(to_reviews()) == &scope);
  const PeerId v1 = registry.peer({.principal = "spiffe://x/v1", .workload = "reviews-v1"});
  CHECK(registry.peer({.principal = "spiffe://x/v1", .workload = "reviews-v1"}) == v1);

  scope.record(ok(milliseconds(3)));
  scope.record(ok(milliseconds(7)));
  RequestFacts failed = ok(milliseconds(1));
  failed.status = 503;
  failed.flags.add(Flag::NoHealthyUpstream);
  scope.record(failed);
  RequestFacts grpc = ok(milliseconds(1));
  grpc.protocol = RequestProtocol::Grpc;
  grpc.grpc_status = uint8_t(14);
  grpc.peer = v1;
  grpc.security = Security::MutualTls;
  scope.record(grpc);

  Snapshot snapshot;
  registry.collect(snapshot);
  REQUIRE(snapshot.requests.size() == 3);

  Labels want = to_reviews();
  want[Label::RequestProtocol] = "http";
  want[Label::ResponseCode] = "200";
  want[Label::ResponseFlags] = "-";
  want[Label::ConnectionSecurityPolicy] = "unknown";
  REQUIRE(snapshot.requests.contains(want));
  const RequestTotals& totals = snapshot.requests.at(want);
  CHECK(totals.requests == 2);
  CHECK(totals.duration.count() == 2);
  CHECK(totals.duration.sum_thousandths == 10000);
  CHECK(totals.response_bytes.sum_thousandths == 2'000'000);

  want[Label::ResponseCode] = "503";
  want[Label::ResponseFlags] = "UH";
  CHECK(snapshot.requests.at(want).requests == 1);

  want[Label::ResponseCode] = "200";
  want[Label::ResponseFlags] = "-";
  want[Label::RequestProtocol] = "grpc";
  want[Label::GrpcResponseStatus] = "14";
  want[Label::DestinationPrincipal] = "spiffe://x/v1";
  want[Label::DestinationWorkload] = "reviews-v1";
  CHECK(snapshot.requests.at(want).requests == 1);
}

TEST_CASE("registry: the peer of a destination's report is the source", "[telemetry]") {
  Registry registry;
  Labels labels;
  labels[Label::Reporter] = "destination";
  RequestFacts facts = ok(milliseconds(1));
  facts.peer = registry.peer({.workload = "web"});
  registry.scope(labels).record(facts);
  Snapshot snapshot;
  registry.collect(snapshot);
  CHECK(snapshot.requests.begin()->first[Label::SourceWorkload] == "web");
}

TEST_CASE("registry: workers are summed label by label", "[telemetry]") {
  Registry a;
  Registry b;
  for (Registry* registry : {&a, &b}) {
    Scope& scope = registry->scope(to_reviews());
    scope.record(ok(milliseconds(3)));
    scope.tcp_opened(kUnknownPeer, Security::None);
    scope.tcp_bytes(kUnknownPeer, Security::None, 10, 20);
    scope.tcp_closed(kUnknownPeer, Security::None);
    registry->number("mesh_forwarder_reloads_total").add();
    registry->number("mesh_forwarder_connections", {{"listener", "outbound"}}, true).set(7);
  }
  Snapshot snapshot;
  a.collect(snapshot);
  b.collect(snapshot);
  REQUIRE(snapshot.requests.size() == 1);
  CHECK(snapshot.requests.begin()->second.requests == 2);
  REQUIRE(snapshot.tcp.size() == 1);
  const auto& [labels, tcp] = *snapshot.tcp.begin();
  CHECK(labels[Label::RequestProtocol] == "tcp");
  CHECK(labels[Label::ResponseCode].empty());
  CHECK((tcp.opened == 2 && tcp.closed == 2 && tcp.sent_bytes == 20 && tcp.received_bytes == 40));
  CHECK(snapshot.numbers.at({"mesh_forwarder_reloads_total", {}, false}) == 2);
  CHECK(snapshot.numbers.at({"mesh_forwarder_connections", {{"listener", "outbound"}}, true}) ==
        14);
}

TEST_CASE("registry: past the bound nothing is lost, only its labels", "[telemetry]") {
  Registry registry;
  Scope& scope = registry.scope(to_reviews());
  const uint64_t all = Registry::kSeriesMax + 500;
  RequestFacts facts = ok(milliseconds(1));
  for (uint64_t i = 0; i < all; ++i) {
    facts.status = uint16_t(100 + i % 500);
    facts.peer = PeerId(i / 500);
    scope.record(facts);
  }
  CHECK(requests(registry) == all);
  Snapshot snapshot;
  registry.collect(snapshot);
  uint64_t overflow = 0;
  for (const auto& [labels, totals] : snapshot.requests)
    if (labels[Label::ResponseCode] == "overflow") overflow += totals.requests;
  CHECK(overflow == 500);
}

TEST_CASE("registry: past the bound of scopes and peers one takes the rest", "[telemetry]") {
  Registry registry;
  Labels labels;
  Scope* last = nullptr;
  for (size_t i = 0; i < Registry::kScopesMax + 10; ++i) {
    labels[Label::DestinationService] = std::to_string(i);
    last = &registry.scope(labels);
  }
  labels[Label::DestinationService] = "one more";
  CHECK(&registry.scope(labels) == last);
  labels[Label::DestinationService] = "5";
  CHECK(&registry.scope(labels) != last);
  for (size_t i = 0; i < Registry::kPeersMax + 10; ++i)
    registry.peer({.principal = std::to_string(i)});
  CHECK(registry.peer({.principal = "one more"}) == kUnknownPeer);
  CHECK(registry.peer({.principal = "7"}) != kUnknownPeer);
}

TEST_CASE("registry: collected while a worker counts, nothing goes back", "[telemetry]") {
  Registry registry;
  std::atomic<bool> done{false};
  std::thread worker([&] {
    Scope& scope = registry.scope(to_reviews());
    RequestFacts facts = ok(milliseconds(1));
    for (int i = 0; i < 20000; ++i) {
      facts.status = uint16_t(200 + i % 300);
      scope.record(facts);
    }
    done = true;
  });
  uint64_t before = 0;
  while (!done) {
    const uint64_t now = requests(registry);
    CHECK(now >= before);
    before = now;
  }
  worker.join();
  CHECK(requests(registry) == 20000);
}

TEST_CASE("histogram: Istio's buckets, bounds inclusive", "[telemetry]") {
  CHECK(bucket_of(0) == 0);
  CHECK(bucket_of(500) == 0);
  CHECK(bucket_of(501) == 1);
  CHECK(bucket_of(1000) == 1);
  CHECK(bucket_of(5000) == 2);
  CHECK(bucket_of(3'600'000'000) == kBucketBounds.size() - 1);
  CHECK(bucket_of(3'600'000'001) == kBucketBounds.size());
  CHECK(bucket_of(UINT64_MAX) == kBucketBounds.size());
  for (size_t i = 0; i < kBucketBounds.size(); ++i) {
    const auto bound = uint64_t(kBucketBounds[i] * 1000);
    CHECK(bucket_of(bound - 1) == i);
    CHECK(bucket_of(bound) == i);
    CHECK(bucket_of(bound + 1) == i + 1);
  }
  Histogram histogram;
  histogram.record(microseconds(-5));
  histogram.record(milliseconds(7));
  histogram.record_bytes(UINT64_MAX);
  const HistogramTotals totals = histogram.totals();
  CHECK(totals.count() == 3);
  CHECK(totals.buckets[0] == 1);
  CHECK(totals.buckets[3] == 1);
  CHECK(totals.buckets.back() == 1);
}

TEST_CASE("histogram: quantiles are interpolated as Prometheus does", "[telemetry]") {
  HistogramTotals totals;
  CHECK(totals.quantile(0.5) == 0);
  totals.buckets[3] = 100;  // 5 to 10 ms
  CHECK(totals.quantile(0.5) == Approx(7.5));
  totals.buckets[4] = 100;  // 10 to 25 ms
  CHECK(totals.quantile(0.5) == Approx(10));
  CHECK(totals.quantile(0.75) == Approx(17.5));
  CHECK(totals.quantile(1) == Approx(25));
  totals.buckets.back() = 1000;
  CHECK(totals.quantile(0.99) == Approx(3'600'000));
}
