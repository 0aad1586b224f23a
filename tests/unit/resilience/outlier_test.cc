// Which host is ejected, and for how long: mesh-routing(7), "EJECTION".

#include "resilience/outlier.h"

#include <array>
#include <catch2/catch.hpp>
#include <thread>

using namespace mesh;
using namespace mesh::resilience;
using std::chrono::seconds;

namespace {

struct Cluster {
  std::array<HostHealth, 4> hosts;
  Outlier outlier;
  OutlierPolicy policy;
  ManualClock clock;
  Random random{1};
  std::array<HostTotals, 4> totals{};

  Cluster() {
    policy.max_ejection_percent = 50;
    policy.max_ejection_time = seconds(100);
    outlier.set_hosts({&hosts[0], &hosts[1], &hosts[2], &hosts[3]});
  }
  bool result(size_t host, uint16_t status) {
    return outlier.on_answer(policy, hosts[host], status, clock.now(), random);
  }
  bool no_answer(size_t host, int times) {
    bool ejected = false;
    for (int i = 0; i < times; ++i)
      ejected |= outlier.on_no_answer(policy, hosts[host], clock.now(), random);
    return ejected;
  }
  // An interval ends in which each host had so many answers, so many of them good.
  bool interval(std::array<HostTotals, 4> counts) {
    for (size_t i = 0; i < 4; ++i) {
      totals[i].answers += counts[i].answers;
      totals[i].good_answers += counts[i].good_answers;
      totals[i].no_answers += counts[i].no_answers;
      totals[i].connected += counts[i].connected;
    }
    return outlier.evaluate(policy, totals, clock.now(), random);
  }
  bool fail(size_t host, int times, uint16_t status = 503) {
    bool ejected = false;
    for (int i = 0; i < times; ++i) ejected |= result(host, status);
    return ejected;
  }
  // How long it stays away, in seconds, by sweeps of one second.
  int away(size_t host) {
    int n = 0;
    for (; hosts[host].ejected() && n < 1000; ++n) {
      clock.advance(seconds(1));
      outlier.sweep(clock.now(), false);
    }
    return n;
  }
};

}  // namespace

TEST_CASE("outlier: five failures in a row eject", "[resilience]") {
  Cluster c;
  CHECK_FALSE(c.fail(0, 4));
  CHECK_FALSE(c.hosts[0].ejected());
  CHECK(c.fail(0, 1));
  CHECK(c.hosts[0].ejected());
  CHECK(c.outlier.ejected() == 1);
}

TEST_CASE("outlier: a success begins the row anew", "[resilience]") {
  Cluster c;
  c.fail(0, 4);
  c.result(0, 404);  // the client's fault is no failure of the host
  CHECK_FALSE(c.fail(0, 4));
}

TEST_CASE("outlier: no answer is a failure", "[resilience]") {
  Cluster c;
  CHECK_FALSE(c.no_answer(0, 4));
  CHECK(c.no_answer(0, 1));
}

TEST_CASE("outlier: gateway failures have a row of their own", "[resilience]") {
  Cluster c;
  c.policy.consecutive_5xx = 0;
  c.policy.consecutive_gateway_failure = 3;
  c.policy.enforcing_consecutive_gateway_failure = 100;
  CHECK_FALSE(c.fail(0, 10, 500));
  c.fail(0, 2, 502);
  c.result(0, 500);  // not the gateway's: ends the row
  CHECK_FALSE(c.fail(0, 2, 503));
  CHECK(c.fail(0, 1, 504));
}

TEST_CASE("outlier: each ejection is longer, up to the maximum", "[resilience]") {
  Cluster c;
  for (const int want : {30, 60, 90, 100, 100}) {
    REQUIRE(c.fail(0, 5));
    CHECK(c.away(0) == want);
  }
  CHECK(c.hosts[0].ejections_total == 5);
}

TEST_CASE("outlier: good behaviour shortens the next ejection", "[resilience]") {
  Cluster c;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(c.fail(0, 5));
    c.away(0);
  }
  for (int i = 0; i < 2; ++i) c.outlier.sweep(c.clock.now(), true);
  REQUIRE(c.fail(0, 5));
  CHECK(c.away(0) == 30);
}

TEST_CASE("outlier: at most the given share is ejected", "[resilience]") {
  Cluster c;
  CHECK(c.fail(0, 5));
  CHECK(c.fail(1, 5));
  CHECK_FALSE(c.fail(2, 50));
  CHECK(c.outlier.ejected() == 2);
  c.away(0);
  CHECK_FALSE(c.hosts[0].ejected());
  CHECK(c.fail(2, 5));
  c.policy.max_ejection_percent = 10;  // 1 of 4 would be 25
  CHECK_FALSE(c.fail(3, 50));
}

TEST_CASE("outlier: a host that returns starts with a clean row", "[resilience]") {
  Cluster c;
  c.fail(0, 5);
  c.fail(0, 4);  // late answers of requests that were in flight
  c.away(0);
  CHECK_FALSE(c.fail(0, 4));
  CHECK(c.fail(0, 1));
}

TEST_CASE("outlier: the epoch tells workers to look", "[resilience]") {
  Cluster c;
  const uint64_t before = c.outlier.epoch();
  c.fail(0, 4);
  CHECK(c.outlier.epoch() == before);
  CHECK(c.outlier.next_return() == Instant::max());
  c.fail(0, 1);
  CHECK(c.outlier.epoch() == before + 1);
  CHECK(c.outlier.next_return() == c.clock.now() + seconds(30));
  c.away(0);
  CHECK(c.outlier.epoch() == before + 2);
}

TEST_CASE("outlier: ejected hosts are counted anew when hosts change", "[resilience]") {
  Cluster c;
  c.fail(0, 5);
  c.outlier.set_hosts({&c.hosts[1], &c.hosts[2]});
  CHECK(c.outlier.ejected() == 0);
  c.outlier.set_hosts({&c.hosts[0], &c.hosts[1]});
  CHECK(c.outlier.ejected() == 1);
}

TEST_CASE("outlier: a host ejected after it left takes no place for good", "[resilience]") {
  Cluster c;
  c.outlier.set_hosts({&c.hosts[1], &c.hosts[2]});
  CHECK(c.fail(0, 5));  // a late answer
  CHECK_FALSE(c.fail(1, 5));
  c.outlier.sweep(c.clock.now(), true);
  CHECK(c.outlier.ejected() == 0);
  CHECK(c.fail(1, 5));
}

TEST_CASE("outlier: two workers eject a host once and never pass the maximum", "[resilience]") {
  for (int round = 0; round < 50; ++round) {
    Cluster c;
    std::atomic<int> ejections{0};
    const auto work = [&] {
      Random random(2);
      for (int i = 0; i < 400; ++i)
        if (c.outlier.on_answer(c.policy, c.hosts[size_t(i) % 4], 503, c.clock.now(), random))
          ++ejections;
    };
    std::thread other(work);
    work();
    other.join();
    CHECK(ejections == 2);
    CHECK(c.outlier.ejected() == 2);
  }
}

TEST_CASE("outlier: failures of local origin count apart where they are split", "[resilience]") {
  Cluster c;
  c.policy.split_external_local_origin_errors = true;
  c.policy.consecutive_local_origin_failure = 3;
  c.fail(0, 4);
  CHECK_FALSE(c.no_answer(0, 2));  // neither row is full
  Outlier::on_connected(c.policy, c.hosts[0]);
  CHECK_FALSE(c.no_answer(0, 2));
  CHECK(c.no_answer(0, 1));
  CHECK(c.hosts[0].cause.load() == EjectionCause::ConsecutiveLocalOriginFailure);
  // Answers do not end the row of local failures, nor the other way about.
  c.no_answer(1, 2);
  c.result(1, 200);
  CHECK(c.no_answer(1, 1));
}

TEST_CASE("outlier: what is not enforced is only counted", "[resilience]") {
  Cluster c;
  c.policy.enforcing_consecutive_5xx = 0;
  CHECK_FALSE(c.fail(0, 10));
  CHECK(c.outlier.counts().detected[size_t(EjectionCause::Consecutive5xx)] == 2);
  CHECK(c.outlier.counts().enforced[size_t(EjectionCause::Consecutive5xx)] == 0);
  // A share is enforced in that share of cases.
  c.policy.enforcing_consecutive_5xx = 50;
  int ejected = 0;
  for (int i = 0; i < 200; ++i) {
    if (!c.fail(0, 5)) continue;
    ++ejected;
    c.outlier.uneject(c.hosts[0], c.clock.now());
    c.outlier.sweep(c.clock.now(), false);
  }
  CHECK(ejected > 60);
  CHECK(ejected < 140);
}

TEST_CASE("outlier: jitter makes an ejection longer", "[resilience]") {
  Cluster c;
  c.policy.max_ejection_time_jitter = seconds(10);
  REQUIRE(c.fail(0, 5));
  REQUIRE(c.fail(1, 5));
  CHECK(c.hosts[0].ejected_until_ns != c.hosts[1].ejected_until_ns);
  const int away = c.away(0);
  CHECK(away >= 30);
  CHECK(away <= 41);
}

TEST_CASE("outlier: one host may always be ejected where the policy says so", "[resilience]") {
  Cluster c;
  c.policy.max_ejection_percent = 0;
  CHECK_FALSE(c.fail(0, 5));
  CHECK(c.outlier.counts().overflow == 1);
  c.policy.always_eject_one_host = true;
  CHECK(c.fail(0, 5));
  CHECK_FALSE(c.fail(1, 5));
}

TEST_CASE("outlier: a success rate far below the mean ejects", "[resilience]") {
  Cluster c;
  c.policy.success_rate_minimum_hosts = 4;
  c.policy.success_rate_request_volume = 100;
  c.policy.max_ejection_percent = 100;
  struct Row {
    const char* what;
    std::array<uint64_t, 4> good;  // of `of` each
    uint64_t of;
    uint32_t minimum_hosts;
    uint32_t factor;
    bool ejected;
  };
  // Rates 100, 100, 100, 60: mean 90, deviation 17.3; least at factor 1.5: 64.
  const Row rows[] = {
      {"one is far off", {100, 100, 100, 60}, 100, 4, 1500, true},
      {"within the factor", {100, 100, 100, 60}, 100, 4, 1900, false},
      {"all alike", {60, 60, 60, 60}, 100, 4, 1500, false},
      {"too few requests", {99, 99, 99, 50}, 99, 4, 1500, false},
      {"too few hosts", {100, 100, 100, 60}, 100, 5, 1500, false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Cluster d;
    d.policy = c.policy;
    d.policy.success_rate_minimum_hosts = row.minimum_hosts;
    d.policy.success_rate_stdev_factor = row.factor;
    std::array<HostTotals, 4> counts{};
    for (size_t i = 0; i < 4; ++i) counts[i] = {.answers = row.of, .good_answers = row.good[i]};
    CHECK(d.interval(counts) == row.ejected);
    CHECK(d.hosts[3].ejected() == row.ejected);
    CHECK_FALSE(d.hosts[0].ejected());
    if (row.ejected) CHECK(d.hosts[3].cause.load() == EjectionCause::SuccessRate);
    CHECK(d.hosts[0].success_rate == (row.of >= 100 ? double(row.good[0]) : -1));
  }
}

TEST_CASE("outlier: only the interval counts, not what was before", "[resilience]") {
  Cluster c;
  c.policy.success_rate_minimum_hosts = 4;
  c.policy.success_rate_stdev_factor = 1500;
  c.policy.enforcing_success_rate = 0;
  const std::array<HostTotals, 4> bad = {{{.answers = 100, .good_answers = 100},
                                          {.answers = 100, .good_answers = 100},
                                          {.answers = 100, .good_answers = 100},
                                          {.answers = 100, .good_answers = 60}}};
  const auto detected = [&] {
    return c.outlier.counts().detected[size_t(EjectionCause::SuccessRate)].load();
  };
  c.interval(bad);
  CHECK(detected() == 1);
  c.interval({});
  CHECK(detected() == 1);
  c.interval(bad);
  CHECK(detected() == 2);
}

TEST_CASE("outlier: a failure percentage over its threshold ejects", "[resilience]") {
  struct Row {
    const char* what;
    uint64_t good;
    uint64_t of;
    uint32_t minimum_hosts;
    uint32_t enforcing;
    bool ejected;
  };
  const Row rows[] = {
      {"at the threshold", 15, 100, 4, 100, true}, {"below", 16, 100, 4, 100, false},
      {"too few requests", 0, 49, 4, 100, false},  {"too few hosts", 0, 100, 5, 100, false},
      {"not enforced", 0, 100, 4, 0, false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Cluster c;
    c.policy.enforcing_success_rate = 0;
    c.policy.failure_percentage_minimum_hosts = row.minimum_hosts;
    c.policy.enforcing_failure_percentage = row.enforcing;
    std::array<HostTotals, 4> counts{};
    for (auto& one : counts) one = {.answers = row.of, .good_answers = row.of};
    counts[2].good_answers = row.good;
    CHECK(c.interval(counts) == row.ejected);
    CHECK(c.hosts[2].ejected() == row.ejected);
  }
}

TEST_CASE("outlier: rates of local origin are judged apart where they are split", "[resilience]") {
  Cluster c;
  c.policy.split_external_local_origin_errors = true;
  c.policy.enforcing_success_rate = 0;
  c.policy.enforcing_local_origin_success_rate = 0;
  c.policy.failure_percentage_minimum_hosts = 4;
  c.policy.enforcing_failure_percentage = 100;
  c.policy.enforcing_failure_percentage_local_origin = 100;
  std::array<HostTotals, 4> counts{};
  for (auto& one : counts) one = {.answers = 100, .good_answers = 100, .connected = 100};
  counts[1] = {.no_answers = 90, .connected = 10};
  CHECK(c.interval(counts));
  CHECK(c.hosts[1].cause.load() == EjectionCause::FailurePercentageLocalOrigin);
}

TEST_CASE("outlier: each ejection and each return is told once", "[resilience]") {
  Cluster c;
  std::vector<OutlierEvent> events;
  c.fail(1, 5);
  c.outlier.sweep(c.clock.now(), false, &events);
  c.outlier.sweep(c.clock.now(), false, &events);
  REQUIRE(events.size() == 1);
  CHECK(events[0].host == 1);
  CHECK(events[0].ejected);
  CHECK(events[0].cause == EjectionCause::Consecutive5xx);
  CHECK(events[0].ejections == 1);
  c.clock.advance(seconds(31));
  c.outlier.sweep(c.clock.now(), false, &events);
  REQUIRE(events.size() == 2);
  CHECK_FALSE(events[1].ejected);
  CHECK(c.hosts[1].returned() == c.clock.now());
}

TEST_CASE("outlier: a health check may bring a host back before its time", "[resilience]") {
  Cluster c;
  c.fail(0, 5);
  CHECK(c.outlier.uneject(c.hosts[0], c.clock.now()));
  CHECK(c.outlier.sweep(c.clock.now(), false));
  CHECK_FALSE(c.hosts[0].ejected());
  CHECK_FALSE(c.outlier.uneject(c.hosts[0], c.clock.now()));
}
