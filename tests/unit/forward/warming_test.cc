// Which clusters are ready to be used, and how long the others are waited for.
#include "forward/warming.h"

#include <catch2/catch.hpp>

namespace {

using namespace mesh;
using forward::Warming;
using std::chrono::milliseconds;
using upstream::ClusterSpec;
using upstream::SharedEndpoint;

constexpr Duration kMax = upstream::Cluster::kColdMax;
const Instant kStart = Instant{} + std::chrono::hours(1);

struct Spec {
  // With a host for each entry: checked, or not yet.
  explicit Spec(const std::string& name = "svc", std::vector<bool> checked = {},
                bool health_checks = true) {
    auto made = std::make_shared<xds::Cluster>();
    made->name = name;
    if (health_checks) made->health_checks.emplace_back();
    auto assignment = std::make_shared<xds::ClusterLoadAssignment>();
    assignment->endpoints.resize(checked.size());
    for (const bool one : checked) {
      auto& endpoint = spec.endpoints.emplace_back();
      endpoint.shared = std::make_shared<SharedEndpoint>();
      if (!one)
        endpoint.shared->check = SharedEndpoint::kFailedCheck | SharedEndpoint::kPendingCheck;
    }
    spec.config = made;
    spec.assignment = assignment;
  }
  ClusterSpec spec;
};

TEST_CASE("warming: what a cluster is not ready for") {
  struct Row {
    const char* what;
    std::vector<bool> checked;
    bool health_checks;
    bool known;
    bool ready;
  };
  const auto row = GENERATE(values<Row>({
      {"no hosts", {}, true, true, true},
      {"all were checked", {true, true}, true, true, true},
      {"one was not", {true, false}, true, true, false},
      {"nobody checks", {false}, false, true, true},
      {"endpoints are not known", {}, true, false, false},
      {"nor are these, and nobody checks", {}, false, false, false},
  }));
  INFO(row.what);
  Warming warming;
  const Spec next("svc", row.checked, row.health_checks);
  CHECK(warming.ready(next.spec, nullptr, row.known, kStart) == row.ready);
  CHECK(warming.names().empty() == row.ready);
  CHECK(warming.next().has_value() != row.ready);
}

TEST_CASE("warming: hosts that come to a cluster in use are not waited for") {
  Warming warming;
  Spec next("svc", {false});
  Spec now = next;
  CHECK(warming.ready(next.spec, &now.spec, true, kStart));
  // It is not in use where it is cold, and is another where it was changed.
  now.spec.cold = true;
  CHECK_FALSE(warming.ready(next.spec, &now.spec, true, kStart));
  now = Spec("svc", {true});
  CHECK_FALSE(warming.ready(next.spec, &now.spec, true, kStart));
  // As soon as it is ready it is, and a later change has all its time again.
  next.spec.endpoints[0].shared->check = 0;
  CHECK(warming.ready(next.spec, &now.spec, true, kStart + kMax - milliseconds(1)));
  CHECK_FALSE(warming.ready(next.spec, &now.spec, false, kStart + kMax));
  CHECK(warming.next() == kStart + 2 * kMax);
}

TEST_CASE("warming: each cluster has its own time, and changes do not prolong it") {
  Warming warming;
  const Spec slow("slow", {false}), other("other", {false});
  const Instant later = kStart + kMax / 2;
  CHECK_FALSE(warming.ready(slow.spec, nullptr, true, kStart));
  CHECK_FALSE(warming.ready(other.spec, nullptr, true, later));
  CHECK(warming.next() == kStart + kMax);
  const Spec changed("slow", {false});
  CHECK_FALSE(warming.ready(changed.spec, nullptr, true, kStart + kMax - milliseconds(1)));
  CHECK(warming.ready(changed.spec, nullptr, true, kStart + kMax));
  // That one was given up says nothing of the other, nor of one that comes then.
  CHECK_FALSE(warming.ready(other.spec, nullptr, true, kStart + kMax));
  CHECK_FALSE(warming.ready(Spec("third", {false}).spec, nullptr, true, kStart + kMax));
  CHECK(warming.names() == std::vector<std::string>{"other", "third"});
  CHECK(warming.next() == later + kMax);
}

TEST_CASE("warming: what is not there any more is not waited for") {
  Warming warming;
  const Spec one("one", {false}), two("two", {false});
  warming.ready(one.spec, nullptr, true, kStart);
  warming.ready(two.spec, nullptr, true, kStart);
  xds::Config config;
  config.clusters["two"] = two.spec.config;
  warming.keep_only(config);
  CHECK(warming.names() == std::vector<std::string>{"two"});
  warming.keep_only({});
  CHECK(!warming.next());
}

}  // namespace
