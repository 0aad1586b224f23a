// What statsd remembers: statsd(8), "COUNTING".

#include "stats/store.h"

#include <catch2/catch.hpp>

#include "mesh/statsd.pb.h"
#include "stats/pairs.h"
#include "stats/wire.h"
#include "telemetry/prometheus.h"

using namespace mesh;
using namespace mesh::stats;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using telemetry::Label;
using telemetry::Labels;
using telemetry::Snapshot;

namespace {

const WallTime kNow{seconds(1'700'000'000)};

Labels labels(std::string_view source, std::string_view destination, std::string_view code,
              std::string_view reporter = "source") {
  Labels l;
  l[Label::Reporter] = reporter;
  l[Label::SourceWorkload] = source;
  l[Label::DestinationService] = destination;
  l[Label::ResponseCode] = code;
  l[Label::ResponseFlags] = "-";
  return l;
}

Snapshot counted(uint64_t n, const Labels& l = labels("web", "reviews", "200")) {
  Snapshot totals;
  telemetry::RequestTotals& requests = totals.requests[l];
  requests.requests = n;
  requests.duration.buckets[3] = n;
  requests.duration.sum_thousandths = n * 7250;
  return totals;
}

Report report(std::string name, uint64_t boot, uint64_t seq, Snapshot totals) {
  return {std::move(name), 1000, boot, seq, std::move(totals)};
}

bool took(Store& store, Report r, WallTime now = kNow) {
  const auto result = store.take(std::move(r), now);
  if (!result) FAIL(result.error().text);
  return *result;
}

uint64_t requests(const Store& store) {
  uint64_t sum = 0;
  for (const auto& [l, totals] : store.sum().requests) sum += totals.requests;
  return sum;
}

}  // namespace

TEST_CASE("store: the newest report of a life counts", "[stats]") {
  Store store{{}};
  CHECK(took(store, report("web@h", 7, 1, counted(10))));
  CHECK(took(store, report("web@h", 7, 3, counted(30))));  // 2 was lost: healed
  CHECK(requests(store) == 30);
  CHECK_FALSE(took(store, report("web@h", 7, 2, counted(20))));
  CHECK_FALSE(took(store, report("web@h", 7, 3, counted(99))));
  CHECK(requests(store) == 30);
}

TEST_CASE("store: lives are added up and the past is not heard again", "[stats]") {
  Store store{{}};
  took(store, report("web@h", 7, 5, counted(10)));
  CHECK(took(store, report("web@h", 8, 1, counted(1))));
  CHECK(requests(store) == 11);
  CHECK_FALSE(took(store, report("web@h", 7, 6, counted(100))));
  CHECK(took(store, report("web@h", 8, 2, counted(2))));
  CHECK(requests(store) == 12);
}

TEST_CASE("store: forwarders are apart by name and by user", "[stats]") {
  Store store{{}};
  took(store, report("web@h", 7, 1, counted(1)));
  took(store, report("reviews@h", 9, 1, counted(2)));
  Report other = report("web@h", 11, 1, counted(4));
  other.uid = 2000;
  took(store, other);
  CHECK(requests(store) == 7);
  CHECK(store.size() == 3);
  CHECK(store.series() == 1);
}

TEST_CASE("store: a report without a name, life or number is refused", "[stats]") {
  Store store{{}};
  CHECK_FALSE(store.take(report("", 1, 1, {}), kNow));
  CHECK_FALSE(store.take(report("a b", 1, 1, {}), kNow));
  CHECK_FALSE(store.take(report(std::string(256, 'a'), 1, 1, {}), kNow));
  CHECK_FALSE(store.take(report("a", 0, 1, {}), kNow));
  CHECK_FALSE(store.take(report("a", 1, 0, {}), kNow));
  CHECK(store.size() == 0);
}

TEST_CASE("store: label sets are bounded, counts are not", "[stats]") {
  Store store{{.series_max = 3}};
  for (int i = 0; i < 10; ++i)
    took(store, report("f" + std::to_string(i), 1, 1,
                       counted(1, labels("web", "s" + std::to_string(i), "200"))));
  CHECK(store.series() == 3);
  CHECK(store.series_overflow() == 7);
  CHECK(requests(store) == 10);
  CHECK(store.sum().requests.size() == 4);
  const Snapshot sum = store.sum();
  Labels overflow;
  for (std::string& value : overflow.values) value = "overflow";
  overflow[Label::Reporter] = "source";
  CHECK(sum.requests.at(overflow).requests == 7);
  // A set that was admitted stays.
  took(store, report("f0", 1, 2, counted(5, labels("web", "s0", "200"))));
  CHECK(store.sum().requests.at(labels("web", "s0", "200")).requests == 5);
}

TEST_CASE("store: the silent give their place, their counts stay", "[stats]") {
  Store store{{.forwarders_max = 2}};
  took(store, report("a", 1, 1, counted(1)));
  took(store, report("b", 2, 1, counted(2)), kNow + hours(1));
  const auto refused = store.take(report("c", 3, 1, counted(4)), kNow + hours(1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == Errc::TooBig);
  CHECK(took(store, report("c", 3, 1, counted(4)), kNow + hours(1) + seconds(1)));
  CHECK(store.size() == 2);
  CHECK(requests(store) == 7);
  // The one that gave its place comes back: its life was counted already.
  CHECK_FALSE(took(store, report("a", 1, 2, counted(1)), kNow + hours(3)));
  CHECK(requests(store) == 7);
  CHECK(took(store, report("a", 5, 1, counted(8)), kNow + hours(3)));
  CHECK(requests(store) == 15);
}

TEST_CASE("store: gauges are of the present", "[stats]") {
  Store store{{}};
  Snapshot totals;
  totals.numbers[{"mesh_forwarder_connections", {}, true}] = 5;
  totals.numbers[{"mesh_forwarder_reloads_total", {}, false}] = 2;
  took(store, report("a", 1, 1, totals));
  took(store, report("a", 2, 1, totals));
  const Snapshot sum = store.sum();
  CHECK(sum.numbers.at({"mesh_forwarder_connections", {}, true}) == 5);
  CHECK(sum.numbers.at({"mesh_forwarder_reloads_total", {}, false}) == 4);
}

TEST_CASE("store: saved and restored it is the same", "[stats]") {
  Store store{{.forwarders_max = 2}};
  Snapshot totals = counted(10);
  totals.tcp[labels("web", "db", "")] = {3, 2, 100, 200};
  totals.numbers[{"mesh_forwarder_reloads_total", {{"a", "b"}}, false}] = 2;
  took(store, report("old", 40, 1, counted(100)), kNow - hours(2));
  took(store, report("web@h", 7, 1, totals));
  took(store, report("web@h", 8, 4, counted(1)));
  took(store, report("b", 9, 1, counted(1)));  // "old" goes

  statsd::v1::State state;
  store.save(state);
  statsd::v1::State read;
  REQUIRE(read.ParseFromString(state.SerializeAsString()));
  Store again{{.forwarders_max = 2}};
  REQUIRE(again.restore(read));
  CHECK(requests(again) == 112);
  CHECK(prometheus_page(again.sum()) == telemetry::prometheus_page(store.sum()));
  CHECK_FALSE(took(again, report("web@h", 7, 2, counted(10))));
  CHECK_FALSE(took(again, report("web@h", 8, 4, counted(10))));
  CHECK(took(again, report("web@h", 8, 5, counted(2))));
  CHECK_FALSE(took(again, report("old", 40, 2, counted(10)), kNow + hours(9)));
  CHECK(requests(again) == 113);
}

TEST_CASE("store: a state that does not hold together is refused whole", "[stats]") {
  Store store{{}};
  took(store, report("a", 1, 1, counted(1)));
  statsd::v1::State state;
  store.save(state);
  state.mutable_forwarders(0)->mutable_current()->mutable_requests(0)->set_labels(1, 99);
  Store again{{}};
  CHECK_FALSE(again.restore(state));
  CHECK(again.size() == 0);
  CHECK(requests(again) == 0);
}

TEST_CASE("wire: what is not well-formed is refused", "[stats]") {
  const auto refused = [](auto change) {
    statsd::v1::Totals message;
    Snapshot totals = counted(1);
    totals.numbers[{"mesh_x_total", {{"a", "b"}}, false}] = 1;
    encode(totals, message);
    REQUIRE(decode(message));
    change(message);
    const auto result = decode(message);
    return result ? std::string("accepted") : result.error().text;
  };
  CHECK_THAT(refused([](auto& m) { m.mutable_requests(0)->add_labels(1); }),
             Catch::Contains("without a value"));
  CHECK_THAT(refused([](auto& m) { m.mutable_requests(0)->set_labels(0, 1000); }),
             Catch::Contains("no string"));
  CHECK_THAT(refused([](auto& m) {
               for (int i = 0; i < 40; ++i) m.mutable_requests(0)->add_labels(0);
               for (int i = 0; i < 40; ++i) m.mutable_requests(0)->add_labels(0);
             }),
             Catch::Contains("over 32"));
  CHECK_THAT(refused([](auto& m) {
               for (int i = 0; i < 30; ++i)
                 m.mutable_requests(0)->mutable_duration_ms()->add_buckets(1);
             }),
             Catch::Contains("buckets"));
  CHECK_THAT(refused([](auto& m) { m.mutable_numbers(0)->set_name(1000); }),
             Catch::Contains("nowhere"));
  CHECK_THAT(refused([](auto& m) {
               *m.add_strings() = "bad name";
               m.mutable_numbers(0)->set_name(uint32_t(m.strings_size() - 1));
             }),
             Catch::Contains("\"mesh_\""));
  CHECK_THAT(refused([](auto& m) {
               *m.add_strings() = "bad label";
               m.mutable_numbers(0)->set_labels(0, uint32_t(m.strings_size() - 1));
             }),
             Catch::Contains("no valid name"));
  CHECK_THAT(refused([](auto& m) {
               for (int i = 0; i < 20001; ++i) m.add_tcp();
             }),
             Catch::Contains("over 20000"));
}

TEST_CASE("wire: long values are cut between characters, unknown labels dropped", "[stats]") {
  statsd::v1::Totals message;
  encode(counted(1, labels(std::string(1023, 'a') + "\xc3\xa9", "x", "200")), message);
  *message.add_strings() = "label_of_tomorrow";
  message.mutable_requests(0)->add_labels(uint32_t(message.strings_size() - 1));
  message.mutable_requests(0)->add_labels(0);
  const auto totals = decode(message);
  REQUIRE(totals);
  CHECK(totals->requests.begin()->first[Label::SourceWorkload] == std::string(1023, 'a'));
}

TEST_CASE("prometheus: the page of one series", "[stats]") {
  Labels l = labels("web", "reviews", "503");
  l[Label::ResponseFlags] = "UF,URX";
  l[Label::SourcePrincipal] = "spiffe://a/\"b\"\\\n";
  Snapshot totals = counted(3, l);
  totals.tcp[labels("web", "db", "")] = {3, 2, 100, 200};
  totals.numbers[{"mesh_forwarder_reloads_total", {{"a", "b"}}, false}] = 2;
  totals.numbers[{"mesh_forwarder_connections", {}, true}] = 9;
  const std::string page = telemetry::prometheus_page(totals);
  for (const char* want : {
           "# TYPE istio_requests_total counter\n",
           "istio_requests_total{reporter=\"source\",source_workload=\"web\","
           "source_workload_namespace=\"unknown\",source_principal="
           "\"spiffe://a/\\\"b\\\"\\\\\\n\",",
           "response_code=\"503\",grpc_response_status=\"\",response_flags=\"UF,URX\",",
           "connection_security_policy=\"unknown\"} 3\n",
           "# TYPE istio_request_duration_milliseconds histogram\n",
           ",le=\"0.5\"} 0\n",
           ",le=\"10\"} 3\n",
           ",le=\"+Inf\"} 3\n",
           "connection_security_policy=\"unknown\"} 21.75\n",
           "istio_request_duration_milliseconds_count{reporter=\"source\",",
           "istio_tcp_connections_opened_total{reporter=\"source\",",
           "} 200\n",
           "# TYPE mesh_forwarder_connections gauge\n",
           "mesh_forwarder_connections 9\n",
           "mesh_forwarder_reloads_total{a=\"b\"} 2\n",
       })
    CHECK_THAT(page, Catch::Contains(want));
  CHECK(page.find("istio_tcp_sent_bytes_total{reporter=\"source\",response_code") ==
        std::string::npos);
  CHECK(page.back() == '\n');
}

TEST_CASE("pairs: each request counts once", "[stats]") {
  Snapshot totals;
  Labels sent = labels("web", "reviews", "200");
  sent[Label::SourcePrincipal] = "spiffe://x/ns/default/sa/web";
  Store::add(totals, counted(10, sent));
  Labels failed_too = sent;
  failed_too[Label::ResponseCode] = "503";
  Store::add(totals, counted(2, failed_too));
  // The same requests, as the other end saw them.
  Labels received = labels("", "reviews", "200", "destination");
  received[Label::SourcePrincipal] = "spiffe://x/ns/default/sa/web";
  Store::add(totals, counted(10, received));
  // And clients that report nothing.
  Store::add(totals, counted(5, labels("", "reviews", "200", "destination")));
  Labels far = labels("", "reviews", "200", "destination");
  far[Label::SourcePrincipal] = "spiffe://x/ns/default/sa/far";
  Store::add(totals, counted(4, far));

  const Pairs pairs = pairs_of(totals);
  REQUIRE(pairs.size() == 3);
  const PairTotals& web = pairs.at({"web", "unknown", "reviews", "unknown"});
  CHECK(web.requests == 12);
  CHECK(web.failures == 2);
  CHECK(web.duration.count() == 12);
  CHECK(pairs.at({"unknown", "unknown", "reviews", "unknown"}).requests == 5);
  CHECK(pairs.at({"far", "unknown", "reviews", "unknown"}).requests == 4);
}

TEST_CASE("pairs: what a failure is", "[stats]") {
  for (const auto* code : {"500", "503", "599", "0"}) CHECK(failed(labels("a", "b", code)));
  for (const auto* code : {"200", "302", "404", "499"}) CHECK_FALSE(failed(labels("a", "b", code)));
  Labels grpc = labels("a", "b", "200");
  grpc[Label::GrpcResponseStatus] = "0";
  CHECK_FALSE(failed(grpc));
  grpc[Label::GrpcResponseStatus] = "14";
  CHECK(failed(grpc));
}

TEST_CASE("window: what is new since ten seconds", "[stats]") {
  Window window;
  ManualClock clock;
  CHECK(window.age(clock.now()) == Duration::zero());
  CHECK(window.oldest().empty());
  const PairKey key{"web", "", "reviews", ""};
  for (uint64_t second = 0; second <= 30; ++second) {
    Pairs pairs;
    pairs[key].requests = second * 5;
    window.add(pairs, clock.now());
    clock.advance(seconds(1));
  }
  CHECK(window.age(clock.now()) >= seconds(10));
  CHECK(window.age(clock.now()) <= seconds(12));
  PairTotals now;
  now.requests = 155;
  const PairTotals fresh = since(now, window.oldest().at(key));
  CHECK(fresh.requests == uint64_t(window.age(clock.now()) / seconds(1)) * 5);
  // A restart with an older state file: no wrap-around.
  CHECK(since({}, now).requests == 0);
}

TEST_CASE("wire: what Telemetry chose travels, and shows on the page", "[stats]") {
  Snapshot totals;
  Labels chosen = labels("web", "reviews", "");
  chosen.left_out = 1U << unsigned(Label::ResponseCode);
  chosen.tags = {{"method", "GET"}, {"zone", "b"}};
  totals.requests[chosen].requests = 4;
  totals.requests[chosen].hidden = 0b1110;
  totals.tcp[labels("web", "db", "")] = {.opened = 3, .hidden = 0b0010};
  statsd::v1::Totals message;
  encode(totals, message);
  const auto decoded = decode(message);
  REQUIRE(decoded);
  CHECK(decoded->requests.begin()->first == chosen);
  Store store({});
  CHECK(took(store, report("web@h", 1, 1, *decoded)));
  // A second one of the same labels that shows all.
  Snapshot other;
  other.requests[chosen].requests = 1;
  CHECK(took(store, report("web@i", 2, 1, other)));
  const std::string page = telemetry::prometheus_page(store.sum());
  CHECK(page.find("method=\"GET\",zone=\"b\"} 5\n") != std::string::npos);
  CHECK(page.find("response_code=") == std::string::npos);
  CHECK(page.find("istio_tcp_connections_opened_total{") != std::string::npos);
  CHECK(page.find("istio_tcp_connections_closed_total{") == std::string::npos);

  for (const char* const name : {"reporter", "le", "a-b", ""}) {
    INFO(name);
    statsd::v1::Totals bad;
    bad.add_strings(name);
    auto& series = *bad.add_requests();
    series.add_tags(0);
    series.add_tags(0);
    CHECK_FALSE(decode(bad));
  }
}
