// Which buckets a request meets, and what it is told.
#include "forward/filter/local_ratelimit.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::forward;
using namespace std::chrono_literals;
using Kind = route::RateLimitAction::Kind;

namespace {

struct Bench {
  route::LocalRateLimit config{.stat_prefix = "t",
                               .has_bucket = true,
                               .bucket = {.burst = 3, .tokens = 3, .per = 3s},
                               .enabled = {1'000'000},
                               .enforced = {1'000'000}};
  std::shared_ptr<filter::RateLimitState> state;
  std::shared_ptr<const filter::Filter> filter;
  http::RequestHead head;
  route::Route route;
  Random random{3};
  Scratch scratch;
  http::Fields answer;
  ManualClock clock;
  std::string peer, host = "10.0.0.1";

  // The status that a request is refused with; 0: it passes.
  filter::Verdict ask(http::ResponseHead* response = nullptr) {
    if (filter == nullptr) {
      auto shared = std::make_shared<const route::LocalRateLimit>(config);
      state = filter::make_state(*shared, random);
      filter = filter::LocalRateLimit::make(shared, state);
      REQUIRE(filter != nullptr);
    }
    answer.clear();
    filter::Context context{.head = head,
                            .route = route,
                            .random = random,
                            .scratch = scratch,
                            .answer = answer,
                            .now = clock.now(),
                            .peer_identity = peer,
                            .remote_host = host};
    filter::Slot slot{};
    const auto verdict = filter->on_request(context, slot);
    if (response != nullptr) filter->on_response(context, slot, *response);
    return verdict;
  }
  int passed(int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) sum += ask().status == 0 ? 1 : 0;
    return sum;
  }
  void describe(std::vector<route::RateLimitAction> actions,
                std::vector<route::RateLimitEntry> entries, uint32_t burst) {
    config.actions.push_back({0, std::move(actions)});
    config.descriptors.push_back({std::move(entries), {.burst = burst, .tokens = 1, .per = 1h}});
  }
};

}  // namespace

TEST_CASE("rate limit: the default bucket, and what the client is told", "[forward]") {
  Bench bench;
  bench.config.rate_headers = true;
  bench.config.response_headers = {{"x-why", "too many"}};
  http::ResponseHead first;
  CHECK(bench.ask(&first).status == 0);
  CHECK(first.fields.get("x-ratelimit-limit") == "3");
  CHECK(first.fields.get("x-ratelimit-remaining") == "2");
  CHECK(bench.passed(5) == 2);
  http::ResponseHead refused;
  const auto verdict = bench.ask(&refused);
  CHECK(verdict.status == 429);
  CHECK(verdict.details == "local_rate_limited");
  CHECK(verdict.flags == telemetry::Flag::RateLimited);
  CHECK(bench.answer.get("x-why") == "too many");
  CHECK(bench.answer.get("retry-after") == "1");
  CHECK(refused.fields.get("x-ratelimit-remaining") == "0");
  CHECK(refused.fields.get("x-ratelimit-reset") == "1");
  bench.clock.advance(1s);
  CHECK(bench.passed(5) == 1);
  CHECK(bench.state->ok == 4);
  CHECK(bench.state->enforced == 8);
}

TEST_CASE("rate limit: shares of enabled and enforced", "[forward]") {
  SECTION("counted, not enforced") {
    Bench bench;
    bench.config.enforced = {0};
    CHECK(bench.passed(10) == 10);
    CHECK(bench.state->limited == 7);
    CHECK(bench.state->enforced == 0);
  }
  SECTION("not enabled is no filter") {
    auto config = std::make_shared<route::LocalRateLimit>(Bench().config);
    config->enabled = {0};
    CHECK(filter::LocalRateLimit::make(config, nullptr) == nullptr);
  }
}

TEST_CASE("rate limit: descriptors", "[forward]") {
  Bench bench;
  bench.config.has_bucket = false;
  SECTION("a fixed key") {
    bench.describe({{.kind = Kind::GenericKey, .key = "k", .value = "v"}}, {{"k", "v"}}, 2);
    CHECK(bench.passed(5) == 2);
  }
  SECTION("one that no limit is for") {
    bench.describe({{.kind = Kind::GenericKey, .key = "k", .value = "other"}}, {{"k", "v"}}, 2);
    CHECK(bench.passed(5) == 5);
  }
  SECTION("each value of a header") {
    bench.describe({{.kind = Kind::RequestHeader, .key = "u", .header = "x-user"}}, {{"u", ""}}, 2);
    CHECK(bench.passed(5) == 5);  // without the header there is no descriptor
    bench.head.fields.add("x-user", "ann");
    CHECK(bench.passed(5) == 2);
    bench.head.fields.set("x-user", "bob");
    CHECK(bench.passed(5) == 2);
  }
  SECTION("each peer, and each address") {
    bench.describe({{.kind = Kind::PeerIdentity, .key = "p"}}, {{"p", ""}}, 1);
    bench.describe({{.kind = Kind::RemoteAddress, .key = "a"}}, {{"a", ""}}, 3);
    CHECK(bench.passed(2) == 2);  // no peer yet
    bench.peer = "spiffe://a";
    CHECK(bench.passed(2) == 1);
    bench.peer = "spiffe://b";
    CHECK(bench.passed(2) == 0);  // the address has none left; the peer's is given back
    bench.host = "10.0.0.2";
    CHECK(bench.passed(2) == 1);
  }
  SECTION("what matches") {
    route::RateLimitAction action{.kind = Kind::FieldsMatch, .key = "m", .value = "w"};
    action.match.fields = {{.name = ":method", .value = {.text = "POST"}}};
    bench.describe({action}, {{"m", "w"}}, 2);
    bench.head.path = "/a";
    bench.head.method = "GET";
    CHECK(bench.passed(5) == 5);
    bench.head.method = "POST";
    CHECK(bench.passed(5) == 2);
  }
  SECTION("the default bucket beside them, or instead") {
    bench.config.has_bucket = true;
    bench.describe({{.kind = Kind::RequestHeader, .key = "u", .header = "x-user"}}, {{"u", ""}}, 9);
    bench.head.fields.add("x-user", "ann");
    SECTION("beside") { CHECK(bench.passed(20) == 3); }
    SECTION("instead") {
      bench.config.always_take_default = false;
      CHECK(bench.passed(20) == 9);
    }
  }
}
