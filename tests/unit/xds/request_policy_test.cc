// What virtual hosts, routes and connection managers say of time, tries and trust.
#include "route/request_policy.h"

#include <catch2/catch.hpp>

#include "config/reader.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "xds/decode.h"
#include "xds/decode_edge.h"

using namespace mesh;
using namespace mesh::xds;
using namespace std::chrono_literals;

namespace {

using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;

Result<std::shared_ptr<const route::Table>> table(const std::string& host) {
  envoy::config::route::v3::RouteConfiguration message;
  const auto read = config::read_text(
      "{name: r, virtualHosts: [{name: h, domains: ['*'], " + host + "}]}", "test", message);
  if (!read) FAIL(read.error().text);
  return decode_route_configuration(message.SerializeAsString());
}

route::Route first(const std::string& host) {
  const auto decoded = table(host);
  if (!decoded) FAIL(decoded.error().text);
  return (*decoded)->hosts().at(0).routes.at(0);
}

std::string refused(const std::string& host) {
  const auto decoded = table(host);
  return decoded ? "no error" : decoded.error().text;
}

FilterChain chain(const std::string& yaml) {
  HttpConnectionManager manager;
  const auto read = config::read_text(yaml, "test", manager);
  if (!read) FAIL(read.error().text);
  FilterChain result;
  auto edge = decode_edge(manager, "", result);
  if (!edge) FAIL(edge.error().text);
  auto times = decode_times(manager, "", result);
  if (!times) FAIL(times.error().text);
  return result;
}

}  // namespace

TEST_CASE("a route that says nothing of it has no policy") {
  CHECK_FALSE(first("routes: [{match: {prefix: /}, route: {cluster: c}}]").policy);
}

TEST_CASE("a route's stat_prefix is of its virtual host") {
  const route::Route route =
      first("routes: [{match: {prefix: /}, statPrefix: p, route: {cluster: c}}]");
  REQUIRE(route.policy);
  REQUIRE(route.policy->stat);
  CHECK(route.policy->stat->name == "vhost.h.route.p");
}

TEST_CASE("times and tries of a route") {
  const route::Route route = first(R"(routes: [{match: {prefix: /}, requestBodyBufferLimit: 9,
    route: {cluster: c, idleTimeout: 3s, maxGrpcTimeout: 0s, grpcTimeoutOffset: 0.1s,
      maxStreamDuration: {maxStreamDuration: 5s, grpcTimeoutHeaderMax: 7s, grpcTimeoutHeaderOffset: 0.2s},
      hedgePolicy: {hedgeOnPerTryTimeout: true},
      retryPolicy: {retryOn: "envoy-ratelimited,retriable-headers", perTryIdleTimeout: 2s,
        retriableHeaders: [{name: x-again, presentMatch: true}],
        retriableRequestHeaders: [{name: ":method", stringMatch: {exact: GET}}],
        rateLimitedRetryBackOff: {maxInterval: 9s, resetHeaders: [{name: Retry-After},
          {name: X-RateLimit-Reset, format: UNIX_TIMESTAMP}]}}}}])");
  REQUIRE(route.policy);
  const route::RequestPolicy& policy = *route.policy;
  CHECK(policy.idle_timeout == 3s);
  CHECK(policy.max_grpc_timeout == 0s);
  CHECK(policy.grpc_timeout_offset == 100ms);
  CHECK(policy.max_stream_duration == 5s);
  CHECK(policy.grpc_timeout_header_max == 7s);
  CHECK(policy.grpc_timeout_header_offset == 200ms);
  CHECK(policy.hedge_on_per_try_timeout);
  CHECK(policy.body_kept_bytes_max == 9U);
  http::ResponseHead answer;
  CHECK_FALSE(policy.retriable_headers.any_holds(answer));
  answer.fields.add("x-again", "1");
  CHECK(policy.retriable_headers.any_holds(answer));
  http::RequestHead request;
  request.method = "POST";
  CHECK_FALSE(policy.retriable_request_headers.any_holds(request));
  request.method = "GET";
  CHECK(policy.retriable_request_headers.any_holds(request));
  REQUIRE(route.retry);
  CHECK(route.retry->per_try_idle_timeout == 2s);
  CHECK(route.retry->reset_interval_max == 9s);
  REQUIRE(route.retry->reset_headers.size() == 2);
  CHECK(route.retry->reset_headers[0].name == "retry-after");
  CHECK(route.retry->reset_headers[1].format == resilience::ResetHeader::Format::UnixTimestamp);
}

TEST_CASE("a virtual host's policies are those of routes that have none") {
  const std::string host = R"(retryPolicy: {retryOn: reset, numRetries: 4},
    hedgePolicy: {hedgeOnPerTryTimeout: true}, includeRequestAttemptCount: true,
    includeAttemptCountInResponse: true, perRequestBufferLimitBytes: 7, )";
  const route::Route plain = first(host + "routes: [{match: {prefix: /}, route: {cluster: c}}]");
  REQUIRE(plain.retry);
  CHECK(plain.retry->num_retries == 4);
  REQUIRE(plain.policy);
  CHECK(plain.policy->hedge_on_per_try_timeout);
  CHECK(plain.policy->attempt_count_in_request);
  CHECK(plain.policy->attempt_count_in_response);
  CHECK(plain.policy->body_kept_bytes_max == 7U);
  const route::Route own =
      first(host + R"(routes: [{match: {prefix: /}, perRequestBufferLimitBytes: 8,
    route: {cluster: c, hedgePolicy: {}, retryPolicy: {retryOn: 5xx}}}])");
  CHECK(own.retry->num_retries == 1);
  CHECK_FALSE(own.policy->hedge_on_per_try_timeout);
  CHECK(own.policy->body_kept_bytes_max == 8U);
}

TEST_CASE("what tries may not be") {
  const auto action = [](const std::string& fields) {
    return refused("routes: [{match: {prefix: /}, route: {cluster: c, " + fields + "}}]");
  };
  const std::string at = "virtual_hosts[0].routes[0].route.";
  CHECK(action("hedgePolicy: {initialRequests: 2}") ==
        at + "hedge_policy.initial_requests: is not supported");
  CHECK(action("retryPolicy: {retryOn: http3-post-connect-failure}")
            .starts_with(at + "retry_policy.retry_on: retry condition "
                              "\"http3-post-connect-failure\" is not supported"));
  CHECK(action("retryPolicy: {rateLimitedRetryBackOff: {}}") ==
        at + "retry_policy.rate_limited_retry_back_off.reset_headers: is empty");
  CHECK(action("retryPolicy: {retryPriority: {name: p, typedConfig: {\"@type\": "
               "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3."
               "PreviousPrioritiesConfig}}}") ==
        at + "retry_policy.retry_priority.update_frequency: is 1 to 100");
  CHECK(refused("routes: [{match: {prefix: /}, route: {cluster: c}, perRequestBufferLimitBytes: "
                "99999999}]") == "virtual_hosts[0].routes[0]: a body is kept up to 16 MiB");
}

TEST_CASE("what a connection manager believes, and its limits of time") {
  const FilterChain plain = chain("{}");
  CHECK(plain.edge == Edge{});
  CHECK(plain.request_timeout == 0s);
  const FilterChain all =
      chain(R"({requestTimeout: 4s, useRemoteAddress: true, xffNumTrustedHops: 2,
    skipXffAppend: true, preserveExternalRequestId: true, alwaysSetRequestIdInResponse: true,
    forwardClientCertDetails: SANITIZE_SET, setCurrentClientCertDetails: {subject: true, dns: true, uri: true},
    commonHttpProtocolOptions: {maxConnectionDuration: 60s, maxStreamDuration: 30s, maxRequestsPerConnection: 5}})");
  CHECK(all.request_timeout == 4s);
  CHECK(all.max_connection_duration == 60s);
  CHECK(all.max_stream_duration == 30s);
  CHECK(all.max_requests_per_connection == 5);
  CHECK(all.edge.use_remote_address);
  CHECK(all.edge.xff_num_trusted_hops == 2);
  CHECK(all.edge.skip_xff_append);
  CHECK(all.edge.preserve_external_request_id);
  CHECK(all.edge.always_set_request_id_in_response);
  CHECK(all.edge.client_cert == Edge::ClientCert::SanitizeSet);
  CHECK(all.edge.cert_subject);
  CHECK(all.edge.cert_dns);
  CHECK(all.edge.cert_uri);
}
