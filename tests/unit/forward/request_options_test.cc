// What a route, its chain and a trusted request make of tries and timeouts.
#include "forward/request_options.h"

#include <catch2/catch.hpp>

using namespace mesh;
using namespace mesh::forward;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

route::Route retrying() {
  route::Route route;
  route.timeout = seconds(10);
  auto retry = std::make_shared<resilience::RetryPolicy>();
  retry->retry_on = resilience::kRetryOnReset;
  retry->num_retries = 2;
  retry->per_try_timeout = seconds(3);
  route.retry = std::move(retry);
  return route;
}

}  // namespace

TEST_CASE("options: a route's own", "[forward]") {
  const route::Route route = retrying();
  xds::FilterChain chain;
  chain.request_timeout = seconds(30);
  chain.max_stream_duration = seconds(60);
  const RequestOptions options = options_of(route, chain);
  CHECK(options.timeout == seconds(10));
  CHECK(options.per_try_timeout == seconds(3));
  CHECK(options.idle_timeout == chain.stream_idle_timeout);
  CHECK(options.max_stream_duration == seconds(60));
  CHECK(options.request_timeout == seconds(30));
  CHECK(options.retry == &*route.retry);
  CHECK(options.body_kept_max == RequestOptions::kBodyKeptMax);
  CHECK_FALSE(options.hedge);
}

TEST_CASE("options: a route's policy stands before the chain's", "[forward]") {
  route::Route route = retrying();
  auto policy = std::make_shared<route::RequestPolicy>();
  policy->idle_timeout = Duration::zero();
  policy->max_stream_duration = seconds(5);
  policy->body_kept_bytes_max = 10;
  policy->hedge_on_per_try_timeout = true;
  route.policy = std::move(policy);
  xds::FilterChain chain;
  chain.max_stream_duration = seconds(60);
  const RequestOptions options = options_of(route, chain);
  CHECK(options.idle_timeout == Duration::zero());
  CHECK(options.max_stream_duration == seconds(5));
  CHECK(options.body_kept_max == 10);
  CHECK(options.hedge);
}

TEST_CASE("options: grpc-timeout where the route asks for it", "[forward]") {
  route::Route route = retrying();
  http::RequestHead head;
  head.fields.add("grpc-timeout", "2S");
  const xds::FilterChain chain;
  RequestOptions options = options_of(route, chain);
  use_grpc_timeout(head, route, chain, options);
  CHECK(options.timeout == seconds(10));  // nobody asked
  auto policy = std::make_shared<route::RequestPolicy>();
  policy->max_grpc_timeout = Duration::zero();
  policy->grpc_timeout_header_max = seconds(1);
  route.policy = std::move(policy);
  options = options_of(route, chain);
  use_grpc_timeout(head, route, chain, options);
  CHECK(options.timeout == seconds(2));
  CHECK(options.max_stream_duration == seconds(1));
}

TEST_CASE("options: a trusted request's fields, which it loses", "[forward]") {
  const route::Route route = retrying();
  const xds::FilterChain chain;
  http::RequestHead head;
  head.fields.add("x-envoy-upstream-rq-timeout-ms", "4000");
  head.fields.add("x-envoy-upstream-rq-per-try-timeout-ms", "500");
  head.fields.add("x-envoy-retry-on", "5xx,retriable-headers");
  head.fields.add("x-envoy-retry-grpc-on", "unavailable");
  head.fields.add("x-envoy-max-retries", "7");
  head.fields.add("x-envoy-retriable-status-codes", "418, nonsense, 425");
  head.fields.add("x-envoy-retriable-header-names", "x-again, x-later");
  head.fields.add("x-envoy-hedge-on-per-try-timeout", "true");
  head.fields.add("user-agent", "curl");
  RequestOptions options = options_of(route, chain);
  AskedRetries asked;
  use_request_fields(head, false, route, chain, asked, options);
  CHECK(options.timeout == seconds(4));
  CHECK(options.per_try_timeout == milliseconds(500));
  CHECK(options.hedge);
  REQUIRE(options.retry == &asked.policy);
  CHECK(options.retry->num_retries == 7);
  CHECK(options.retry->retry_on ==
        (resilience::kRetryOnReset | resilience::kRetryOn5xx |
         resilience::kRetryOnRetriableHeaders | resilience::kRetryOnUnavailable));
  CHECK(options.retry->retriable_status_codes == std::vector<uint16_t>{418, 425});
  REQUIRE(asked.header_names.size() == 2);
  http::Fields answer;
  CHECK_FALSE(has_any(answer, asked.header_names));
  answer.add("x-later", "1");
  CHECK(has_any(answer, asked.header_names));
  CHECK(head.fields.size() == 1);
}

TEST_CASE("options: a request that asks for nothing has the route's tries", "[forward]") {
  const route::Route route = retrying();
  http::RequestHead head;
  head.fields.add("x-envoy-upstream-rq-timeout-ms", "soon");
  head.fields.add("x-envoy-expected-rq-timeout-ms", "9000");
  xds::FilterChain chain;
  AskedRetries asked;
  RequestOptions options = options_of(route, chain);
  use_request_fields(head, false, route, chain, asked, options);
  CHECK(options.timeout == seconds(10));
  CHECK(options.retry == &*route.retry);
  chain.respect_expected_rq_timeout = true;
  use_request_fields(head, false, route, chain, asked, options);
  CHECK(options.timeout == seconds(9));
}
