// Connections that a chain takes: in the order of its filters, and over configurations.
#include "forward/admission.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::forward;
using Verdict = Admission::Verdict;

namespace {

constexpr Instant kNow{std::chrono::hours(1)};

xds::FilterChain chain(uint64_t most, uint32_t tokens, bool rate_first = false) {
  xds::FilterChain chain;
  if (most > 0) chain.connection_limit = xds::ConnectionLimit{.stat_prefix = "l", .most = most};
  if (tokens > 0) {
    auto& rate = chain.connection_rate.emplace();
    rate.stat_prefix = "r";
    rate.tokens_max = tokens;
    rate.fill_interval = std::chrono::seconds(1);
  }
  chain.rate_before_limit = rate_first;
  return chain;
}

uint64_t limited(const Admissions& all, const char* name, const char* label, const char* prefix) {
  telemetry::Snapshot seen;
  all.add_numbers(seen);
  const auto found = seen.numbers.find({name, {{label, prefix}}, false});
  return found == seen.numbers.end() ? UINT64_MAX : found->second;
}

TEST_CASE("admission: a chain without limits has none") {
  Admissions all;
  CHECK(all.of(xds::FilterChain(), "a") == nullptr);
}

TEST_CASE("admission: the first filter that refuses ends it") {
  for (const bool rate_first : {false, true}) {
    INFO(rate_first);
    Admissions all;
    const auto limits = all.of(chain(1, 2, rate_first), "a");
    ConnectionPlace one, two, three;
    CHECK(limits->admit(kNow, one) == Verdict::Taken);
    CHECK(limits->admit(kNow, two) == Verdict::OverLimit);
    // Who was over the limit has taken a token only where the rate came before it.
    one.leave();
    CHECK(limits->admit(kNow, three) == (rate_first ? Verdict::OverRate : Verdict::Taken));
  }
}

TEST_CASE("admission: who is over the rate gives its place back") {
  Admissions all;
  const auto limits = all.of(chain(1, 1), "a");
  ConnectionPlace one, two, three;
  CHECK(limits->admit(kNow, one) == Verdict::Taken);
  one.leave();
  CHECK(limits->admit(kNow, two) == Verdict::OverRate);
  CHECK(limits->admit(kNow + std::chrono::seconds(1), three) == Verdict::Taken);
  CHECK(limited(all, "envoy_local_rate_limit_rate_limited", "envoy_local_network_ratelimit_prefix",
                "r") == 1);
}

TEST_CASE("admission: what is counted outlives a configuration, and is each chain's own") {
  Admissions all;
  auto before = all.of(chain(1, 0), "a");
  ConnectionPlace one, two, three;
  CHECK(before->admit(kNow, one) == Verdict::Taken);
  const auto after = all.of(chain(1, 0), "a");
  before.reset();
  CHECK(after->admit(kNow, two) == Verdict::OverLimit);
  CHECK(all.of(chain(1, 0), "b")->admit(kNow, three) == Verdict::Taken);
  one = ConnectionPlace();
  CHECK(after->admit(kNow, two) == Verdict::Taken);
  CHECK(limited(all, "envoy_connection_limit_limited_connections", "envoy_connection_limit_prefix",
                "l") == 1);
}

TEST_CASE("admission: chains with one share_key share a bucket") {
  Admissions all;
  xds::FilterChain shared = chain(0, 1);
  shared.connection_rate->share_key = "k";
  const auto a = all.of(shared, "a"), b = all.of(shared, "b");
  ConnectionPlace place;
  CHECK(a->admit(kNow, place) == Verdict::Taken);
  CHECK(b->admit(kNow, place) == Verdict::OverRate);
}

}  // namespace
