// What a row of health checks makes of a host, and when it is checked again:
// mesh-routing(7), "HEALTH CHECKS".

#include "resilience/health_check.h"

#include <catch2/catch.hpp>
#include <string_view>

#include "resilience/gradual_return.h"

using namespace mesh;
using namespace mesh::resilience;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Transition = HealthRow::Transition;

namespace {

// A letter each: + well, d degraded, - not well, r retriable, n network, t timeout.
CheckResult result(char c) {
  switch (c) {
    case '+': return CheckResult::Healthy;
    case 'd': return CheckResult::Degraded;
    case '-': return CheckResult::Failed;
    case 'r': return CheckResult::Retriable;
    case 'n': return CheckResult::Network;
    default: return CheckResult::Timeout;
  }
}

}  // namespace

TEST_CASE("health: rows of checks", "[resilience]") {
  struct Row {
    const char* what;
    const char* checks;
    const char* states;  // after each: U unhealthy, H healthy, D degraded
  };
  // healthy_threshold 3, unhealthy_threshold 2.
  const Row rows[] = {
      {"the first good check is enough", "+", "H"},
      {"after that three in a row bring back", "-++n+++", "UUUUUUH"},
      {"one lost check is forgiven", "+n+n+", "HHHHH"},
      {"two lost ones in a row are not", "+nn", "HHU"},
      {"a timeout is a lost check", "+tn", "HHU"},
      {"a plain no takes out at once", "+-", "HU"},
      {"a retriable no counts as lost", "+rr", "HHU"},
      {"degraded is well", "+d+", "HDH"},
      {"a failed host that fails stays", "n--t", "UUUU"},
  };
  HealthCheckPolicy policy;
  policy.healthy_threshold = 3;
  policy.unhealthy_threshold = 2;
  for (const Row& row : rows) {
    INFO(row.what);
    HealthRow host;
    std::string seen;
    for (const char check : std::string_view(row.checks)) {
      host.on_result(policy, result(check));
      seen += host.degraded() ? 'D' : host.healthy() ? 'H' : 'U';
    }
    CHECK(seen == row.states);
  }
}

TEST_CASE("health: an answer to a request may fail a host at once", "[resilience]") {
  HealthCheckPolicy policy;
  policy.healthy_threshold = 2;
  HealthRow host;
  host.on_result(policy, CheckResult::Healthy);
  CHECK(host.fail_now() == Transition::Changed);
  CHECK_FALSE(host.healthy());
  CHECK(host.on_result(policy, CheckResult::Healthy) == Transition::ChangePending);
  CHECK(host.on_result(policy, CheckResult::Healthy) == Transition::Changed);
}

TEST_CASE("health: when the next check is due", "[resilience]") {
  HealthCheckPolicy policy;
  policy.interval = seconds(10);
  policy.unhealthy_interval = seconds(20);
  policy.unhealthy_edge_interval = seconds(2);
  policy.healthy_edge_interval = seconds(1);
  policy.no_traffic_interval = seconds(60);
  policy.no_traffic_healthy_interval = seconds(90);
  Random random(1);
  struct Row {
    bool healthy;
    Transition transition;
    bool traffic;
    int seconds;
  };
  const Row rows[] = {
      {true, Transition::Unchanged, true, 10},    {true, Transition::Changed, true, 10},
      {true, Transition::ChangePending, true, 1}, {false, Transition::Unchanged, true, 20},
      {false, Transition::Changed, true, 20},     {false, Transition::ChangePending, true, 2},
      {true, Transition::Unchanged, false, 90},   {false, Transition::ChangePending, false, 60},
  };
  for (const Row& row : rows)
    CHECK(next_check(policy, row.healthy, row.transition, row.traffic, random) ==
          seconds(row.seconds));
}

TEST_CASE("health: jitter is added, never taken away", "[resilience]") {
  HealthCheckPolicy policy;
  policy.interval = seconds(10);
  policy.interval_jitter = seconds(1);
  policy.interval_jitter_percent = 10;
  policy.initial_jitter = seconds(3);
  Random random(1);
  Duration least = seconds(100), most = seconds(0);
  for (int i = 0; i < 1000; ++i) {
    const Duration d = next_check(policy, true, Transition::Unchanged, true, random);
    least = std::min(least, d);
    most = std::max(most, d);
    CHECK(first_check(policy, random) < seconds(3));
  }
  CHECK(least >= seconds(10));
  CHECK(least < milliseconds(10100));
  CHECK(most < seconds(12));
  CHECK(most > milliseconds(11900));
  CHECK(first_check({}, random) == Duration::zero());
}

TEST_CASE("return: a probing share, then a ramp to the whole", "[resilience]") {
  GradualReturn policy;
  const Instant back = Instant{} + seconds(1000);
  CHECK(weight_factor(policy, back, back) == 1);  // not enabled
  policy = {.enabled = true, .probe_share = 0.1, .probe_time = seconds(10), .ramp = seconds(20)};
  struct Row {
    int after;
    double factor;
  };
  for (const Row& row : {Row{0, 0.1}, Row{9, 0.1}, Row{10, 0.1}, Row{20, 0.55}, Row{25, 0.775},
                         Row{30, 1}, Row{1000, 1}})
    CHECK(weight_factor(policy, back, back + seconds(row.after)) == Approx(row.factor));
  CHECK(weight_factor(policy, Instant{}, back) == 1);  // it never was away
  CHECK(next_change(policy, back, back) == back + seconds(10));
  CHECK(next_change(policy, back, back + seconds(10)) == back + seconds(11));
  CHECK(next_change(policy, back, back + milliseconds(29500)) == back + seconds(30));
  CHECK(next_change(policy, back, back + seconds(30)) == Instant::max());
}
