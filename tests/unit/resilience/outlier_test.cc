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

  Cluster() {
    policy.max_ejection_percent = 50;
    policy.max_ejection_time = seconds(100);
    outlier.set_hosts({&hosts[0], &hosts[1], &hosts[2], &hosts[3]});
  }
  bool result(size_t host, uint16_t status) {
    return outlier.on_result(policy, hosts[host], status, clock.now());
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
  CHECK(c.fail(0, 5, 0));
}

TEST_CASE("outlier: gateway failures have a row of their own", "[resilience]") {
  Cluster c;
  c.policy.consecutive_5xx = 0;
  c.policy.consecutive_gateway_failure = 3;
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
      for (int i = 0; i < 400; ++i)
        if (c.outlier.on_result(c.policy, c.hosts[size_t(i) % 4], 503, c.clock.now())) ++ejections;
    };
    std::thread other(work);
    work();
    other.join();
    CHECK(ejections == 2);
    CHECK(c.outlier.ejected() == 2);
  }
}
