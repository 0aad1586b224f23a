// Tries and their timeouts, each condition and limit: mesh-routing(7), "RETRIES" and
// "TIMEOUTS".
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <sstream>

#include "scenario/proxy.h"
#include "support/http_peer.h"
#include "support/temp_dir.h"
#include "support/wait.h"

using namespace mesh;
using namespace mesh::scenario;
using support::Message;
using support::ms_since;
using support::Origin;
using support::Wire;

namespace {

std::string after(std::string yaml, const std::string& mark, const std::string& more) {
  const size_t at = yaml.find(mark);
  REQUIRE(at != std::string::npos);
  return yaml.insert(at + mark.size(), more);
}

// For all of the virtual host; JSON-like YAML.
std::string with_host(const std::string& yaml, const std::string& more) {
  return after(yaml, R"(domains: ["*"])", "\n              " + more);
}

std::string outbound(const std::string& yaml) {
  return after(yaml, "- name: front\n", "    traffic_direction: OUTBOUND\n");
}

std::string routed(const std::string& action) {
  return R"(
              - match: { prefix: "/" }
                route: { cluster: svc, )" +
         action + " }";
}

// An access log of status, flags and details, in a file of its own.
class Log {
 public:
  std::string hcm() const {
    return R"(
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: )" +
           path() + R"(
              log_format: { text_format_source: { inline_string: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n" } })";
  }
  bool has(const std::string& line) const {
    return support::wait_for([&] { return text().find(line + "\n") != std::string::npos; });
  }

 private:
  std::string path() const { return folder_.path() + "/access"; }
  std::string text() const {
    std::ostringstream all;
    all << std::ifstream(path()).rdbuf();
    return all.str();
  }
  support::TempDir folder_;
};

uint64_t counted(Proxy& proxy, const std::string& name) {
  uint64_t value = 0;
  proxy.run([&](forward::Forwarder& f) {
    for (const auto& [cluster, spec] : f.snapshot()->clusters)
      for (size_t i = 0; i < upstream::kClusterCounts; ++i)
        if (upstream::name(upstream::ClusterCount(i)) == name)
          value += spec->shared->stats.sum(upstream::ClusterCount(i));
  });
  return value;
}

// Answers once with `first`, then 200 with its name.
void fails_once(Origin& origin, std::string first) {
  origin.handle([&origin, first = std::move(first)](const Message&, Wire& wire) {
    if (origin.requests() == 1) {
      if (!first.empty()) return wire.send(first);
      wire.reset();
      return false;
    }
    return wire.send(support::response(200, origin.name()));
  });
}

void hangs(Origin& origin) {
  origin.handle([](const Message&, Wire& wire) { return !wire.closed(8000); });
}

constexpr const char* kGrpc = "content-type: application/grpc\r\n";

}  // namespace

TEST_CASE("scenario: each condition that is retried", "[forwarder]") {
  struct Row {
    const char* policy;
    std::string first;  // empty: a reset
    const char* fields;
  };
  const auto grpc = [](int status) {
    return support::response(
        200, "", std::string(kGrpc) + "grpc-status: " + std::to_string(status) + "\r\n");
  };
  const Row rows[] = {
      {R"(retry_on: "5xx")", support::response(500, "no"), ""},
      {R"(retry_on: "5xx")", "", ""},
      {R"(retry_on: "gateway-error")", support::response(502, "no"), ""},
      {R"(retry_on: "reset")", "", ""},
      {R"(retry_on: "retriable-4xx")", support::response(409, "no"), ""},
      {R"(retry_on: "retriable-status-codes", retriable_status_codes: [ 418 ])",
       support::response(418, "no"), ""},
      {R"(retry_on: "retriable-headers", retriable_headers: [ { name: x-again, string_match: { exact: "yes" } } ])",
       support::response(200, "no", "x-again: yes\r\n"), ""},
      {R"(retry_on: "envoy-ratelimited")",
       support::response(429, "no", "x-envoy-ratelimited: true\r\n"), ""},
      {R"(retry_on: "cancelled")", grpc(1), kGrpc},
      {R"(retry_on: "deadline-exceeded")", grpc(4), kGrpc},
      {R"(retry_on: "resource-exhausted")", grpc(8), kGrpc},
      {R"(retry_on: "internal")", grpc(13), kGrpc},
      {R"(retry_on: "unavailable")", grpc(14), kGrpc},
      {R"(retry_on: "5xx", retriable_request_headers: [ { name: x-safe, present_match: true } ])",
       support::response(503, "no"), "x-safe: 1\r\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.policy);
    Origin origin("good");
    fails_once(origin, row.first);
    Proxy proxy(Front{.route = routed(std::string("retry_policy: { num_retries: 1, ") + row.policy +
                                      ", retry_back_off: { base_interval: 0.001s } }"),
                      .endpoints = ports({origin.port()})}
                    .yaml(),
                1);
    CHECK(support::get(proxy.port(), "/", "svc", row.fields).body == "good");
    CHECK(origin.requests() == 2);
    CHECK(counted(proxy, "upstream_rq_retry") == 1);
    CHECK(counted(proxy, "upstream_rq_retry_success") == 1);
    CHECK(counted(proxy, "upstream_rq_retry_backoff_exponential") == 1);
  }
}

TEST_CASE("scenario: what is not retried", "[forwarder]") {
  struct Row {
    const char* policy;
    std::string first;
  };
  const Row rows[] = {
      {R"(retry_on: "5xx")", support::response(404, "no")},
      {R"(retry_on: "reset-before-request")", ""},
      {R"(retry_on: "connect-failure")", support::response(503, "no")},
      {R"(retry_on: "5xx")", support::response(503, "no", "x-envoy-ratelimited: true\r\n")},
      {R"(retry_on: "5xx", retriable_request_headers: [ { name: x-safe, present_match: true } ])",
       support::response(503, "no")},
      {R"(retry_on: "unavailable")", support::response(200, "", "grpc-status: 14\r\n")},
  };
  for (const Row& row : rows) {
    CAPTURE(row.policy);
    Origin origin("good");
    fails_once(origin, row.first);
    Proxy proxy(
        Front{.route = routed(std::string("retry_policy: { num_retries: 1, ") + row.policy + " }"),
              .endpoints = ports({origin.port()})}
            .yaml(),
        1);
    support::get(proxy.port());
    CHECK(origin.requests() == 1);
    CHECK(counted(proxy, "upstream_rq_retry") == 0);
  }
}

TEST_CASE("scenario: an answer says when to come again", "[forwarder]") {
  Origin origin("good");
  fails_once(origin, support::response(429, "later", "retry-after: 1\r\n"));
  Proxy proxy(Front{.route = routed(R"(retry_policy: { retry_on: "retriable-status-codes",
                    retriable_status_codes: [ 429 ],
                    rate_limited_retry_back_off: { reset_headers: [ { name: Retry-After, format: SECONDS },
                      { name: X-RateLimit-Reset, format: UNIX_TIMESTAMP } ], max_interval: 5s } })"),
                    .endpoints = ports({origin.port()})}
                  .yaml(),
              1);
  const auto start = std::chrono::steady_clock::now();
  CHECK(support::get(proxy.port()).body == "good");
  CHECK(ms_since(start) >= 999);
  CHECK(counted(proxy, "upstream_rq_retry_backoff_ratelimited") == 1);
}

TEST_CASE("scenario: retries end with URX, and a limit with UO", "[forwarder]") {
  const uint32_t count = workers();
  Origin bad("bad");
  bad.always(503);
  const Log log;
  SECTION("num_retries") {
    Proxy proxy(Front{.route = routed(R"(retry_policy: { retry_on: "5xx", num_retries: 2 })"),
                      .endpoints = ports({bad.port()}),
                      .hcm = log.hcm()}
                    .yaml(),
                count);
    CHECK(support::get(proxy.port()).status == 503);
    CHECK(bad.requests() == 3);
    CHECK(log.has("503 URX via_upstream"));
    CHECK(counted(proxy, "upstream_rq_retry_limit_exceeded") == 1);
  }
  SECTION("max_retries") {
    Proxy proxy(Front{.route = routed(R"(retry_policy: { retry_on: "5xx", num_retries: 2 })"),
                      .endpoints = ports({bad.port()}),
                      .cluster = R"(
    circuit_breakers: { thresholds: [ { max_retries: 0 } ] })",
                      .hcm = log.hcm()}
                    .yaml(),
                count);
    CHECK(support::get(proxy.port()).status == 503);
    CHECK(bad.requests() == 1);
    CHECK(log.has("503 UO via_upstream"));
    CHECK(counted(proxy, "upstream_rq_retry_overflow") == 1);
  }
}

TEST_CASE("scenario: a body over its limit is not sent again", "[forwarder]") {
  Origin bad("bad");
  bad.always(503);
  Proxy proxy(
      with_host(Front{.route = routed(R"(retry_policy: { retry_on: "5xx", num_retries: 2 })"),
                      .endpoints = ports({bad.port()})}
                    .yaml(),
                "per_request_buffer_limit_bytes: 4"),
      1);
  Wire client = Wire::connect(proxy.port());
  client.send("POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 8\r\n\r\n");
  // The first bytes are upstream before the rest comes, so that all must be kept.
  REQUIRE(support::wait_for([&] { return bad.connections() == 1; }));
  client.send("12345678");
  CHECK(client.read().status == 503);
  CHECK(bad.requests() == 1);
  CHECK(counted(proxy, "retry_or_shadow_abandoned") == 1);
}

TEST_CASE("scenario: the upstream is told of its try and its time", "[forwarder]") {
  Origin origin("good");
  std::vector<Message> seen;
  origin.handle([&](const Message& request, Wire& wire) {
    seen.push_back(request);
    return wire.send(support::response(seen.size() == 1 ? 503 : 200, "x"));
  });
  Proxy proxy(with_host(Front{.route = routed(R"(timeout: 7s, retry_policy: { retry_on: "5xx" })"),
                              .endpoints = ports({origin.port()})}
                            .yaml(),
                        "include_request_attempt_count: true\n"
                        "              include_attempt_count_in_response: true"),
              1);
  const Message answer = support::get(proxy.port(), "/", "svc", "x-envoy-attempt-count: 9\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.field("x-envoy-attempt-count") == "2");
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].field("x-envoy-attempt-count") == "1");
  CHECK(seen[1].field("x-envoy-attempt-count") == "2");
  CHECK(seen[0].field("x-envoy-expected-rq-timeout-ms") == "7000");
  CHECK(std::stoi(seen[1].field("x-envoy-expected-rq-timeout-ms")) <= 7000);
}

TEST_CASE("scenario: x-envoy-* fields steer the requests of local applications", "[forwarder]") {
  Origin slow("slow");
  slow.handle([](const Message&, Wire& wire) { return !wire.closed(8000); });
  const std::string yaml =
      Front{.route = routed("timeout: 5s"), .endpoints = ports({slow.port()})}.yaml();
  const char* const fields =
      "x-envoy-upstream-rq-timeout-ms: 200\r\nx-envoy-max-retries: 3\r\n"
      "x-envoy-retry-on: reset\r\nx-envoy-upstream-rq-per-try-timeout-ms: 50\r\n";
  SECTION("honoured on their way out") {
    Proxy proxy(outbound(yaml), 1);
    const auto start = std::chrono::steady_clock::now();
    CHECK(support::get(proxy.port(), "/", "svc", fields).status == 504);
    CHECK(ms_since(start) < 3000);
    CHECK(slow.requests() >= 2);
    const Message seen = slow.seen().front();
    CHECK(seen.field("x-envoy-retry-on").empty());
    CHECK(seen.field("x-envoy-max-retries").empty());
    CHECK(seen.field("x-envoy-expected-rq-timeout-ms") == "50");
  }
  SECTION("cleaned of anybody else") {
    Proxy proxy(Front{.route = routed("timeout: 1s"), .endpoints = ports({slow.port()})}.yaml(), 1);
    const auto start = std::chrono::steady_clock::now();
    CHECK(support::get(proxy.port(), "/", "svc", fields).status == 504);
    CHECK(ms_since(start) >= 999);
    CHECK(slow.requests() == 1);
    const Message seen = slow.seen().front();
    CHECK(seen.field("x-envoy-upstream-rq-timeout-ms").empty());
    CHECK(seen.field("x-envoy-expected-rq-timeout-ms") == "1000");
  }
}

TEST_CASE("scenario: hedging: the first good answer wins", "[forwarder]") {
  const uint32_t count = workers();
  const std::string policy =
      R"(timeout: 6s, hedge_policy: { hedge_on_per_try_timeout: true },
                  retry_policy: { retry_on: "5xx", num_retries: 2, per_try_timeout: 0.1s,
                    retry_back_off: { base_interval: 0.001s },
                    retry_host_predicate: [ { name: envoy.retry_host_predicates.previous_hosts,
                      typed_config: { "@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate } } ] })";
  Origin first("first");
  Origin second("second");
  std::atomic<size_t> asked{0};
  std::atomic<bool> cancelled{false};
  SECTION("the second, and the first is given up") {
    const auto handler = [&](const Message&, Wire& wire) {
      if (asked.fetch_add(1) > 0) return wire.send(support::response(200, "late"));
      cancelled = wire.closed(8000);
      return false;
    };
    first.handle(handler);
    second.handle(handler);
    Proxy proxy(
        Front{.route = routed(policy), .endpoints = ports({first.port(), second.port()})}.yaml(),
        count);
    CHECK(support::get(proxy.port()).body == "late");
    CHECK(asked == 2);
    CHECK(support::wait_for([&] { return cancelled.load(); }));
    CHECK(counted(proxy, "upstream_rq_per_try_timeout") == 1);
  }
  SECTION("the first, when it is the better one after all") {
    const auto handler = [&](const Message&, Wire& wire) {
      if (asked.fetch_add(1) == 0) {
        support::wait_for([&] { return asked.load() == 2; });
        return wire.send(support::response(200, "elder"));
      }
      cancelled = wire.closed(8000);
      return false;
    };
    first.handle(handler);
    second.handle(handler);
    Proxy proxy(
        Front{.route = routed(policy), .endpoints = ports({first.port(), second.port()})}.yaml(),
        count);
    CHECK(support::get(proxy.port()).body == "elder");
    CHECK(support::wait_for([&] { return cancelled.load(); }));
  }
  SECTION("a bad answer does not win while another is awaited") {
    const auto handler = [&](const Message&, Wire& wire) {
      if (asked.fetch_add(1) == 0) {
        support::wait_for([&] { return asked.load() == 3; });
        return wire.send(support::response(200, "elder"));
      }
      return wire.send(support::response(503, "bad"));
    };
    first.handle(handler);
    second.handle(handler);
    Proxy proxy(
        Front{.route = routed(policy), .endpoints = ports({first.port(), second.port()})}.yaml(),
        count);
    CHECK(support::get(proxy.port()).body == "elder");
  }
  SECTION("nobody answers: the route's timeout") {
    hangs(first);
    hangs(second);
    Proxy proxy(Front{.route = routed("timeout: 0.5s" + policy.substr(policy.find(','))),
                      .endpoints = ports({first.port(), second.port()})}
                    .yaml(),
                count);
    CHECK(support::get(proxy.port()).status == 504);
    CHECK(first.requests() + second.requests() == 3);
    CHECK(support::get(proxy.port()).status == 504);
  }
}

TEST_CASE("scenario: limits of time, with their flags and details", "[forwarder]") {
  struct Row {
    std::string action, hcm, cluster;
    int status;
    const char* line;
  };
  const Row rows[] = {
      {"timeout: 0.1s", "", "", 504, "504 UT response_timeout"},
      {R"(retry_policy: { retry_on: "connect-failure", per_try_timeout: 0.1s })", "", "", 504,
       "504 UT upstream_per_try_timeout"},
      {R"(retry_policy: { retry_on: "connect-failure", per_try_idle_timeout: 0.1s })", "", "", 504,
       "504 SI upstream_per_try_idle_timeout"},
      {"idle_timeout: 0.1s", "", "", 504, "504 SI stream_idle_timeout"},
      {"max_stream_duration: { max_stream_duration: 0.1s }", "", "", 504,
       "504 DT max_duration_timeout"},
      {"timeout: 9s", R"(
          common_http_protocol_options: { max_stream_duration: 0.1s })",
       "", 504, "504 DT max_duration_timeout"},
      {"timeout: 9s", "", R"(
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http_protocol_options: {} }
        common_http_protocol_options: { max_stream_duration: 0.1s })",
       504, "504 UMSDR upstream_max_stream_duration_reached"},
  };
  Origin slow("slow");
  hangs(slow);
  for (const Row& row : rows) {
    CAPTURE(row.line);
    const Log log;
    Proxy proxy(Front{.route = routed(row.action),
                      .endpoints = ports({slow.port()}),
                      .cluster = row.cluster,
                      .hcm = row.hcm + log.hcm()}
                    .yaml(),
                1);
    const auto start = std::chrono::steady_clock::now();
    CHECK(support::get(proxy.port()).status == row.status);
    CHECK(ms_since(start) >= 99);
    CHECK(ms_since(start) < 4000);
    CHECK(log.has(row.line));
  }
}

TEST_CASE("scenario: a request that does not arrive is answered 408", "[forwarder]") {
  Origin origin("a");
  const Log log;
  Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = R"(
          request_timeout: 0.2s)" + log.hcm()}
                  .yaml(),
              1);
  Wire client = Wire::connect(proxy.port());
  client.send("POST / HTTP/1.1\r\nhost: svc\r\ncontent-length: 10\r\n\r\nab");
  CHECK(client.read().status == 408);
  CHECK(client.closed());
  CHECK(log.has("408 - request_overall_timeout"));
}

TEST_CASE("scenario: a gRPC caller's deadline is the route's, and is told on", "[forwarder]") {
  Origin slow("slow");
  slow.handle([](const Message&, Wire& wire) { return !wire.closed(8000); });
  const std::string asking = std::string(kGrpc) + "grpc-timeout: 300m\r\n";
  SECTION("max_grpc_timeout: UNAVAILABLE, as Envoy maps 504") {
    Proxy proxy(
        Front{.route = routed("timeout: 0s, max_grpc_timeout: 0s, grpc_timeout_offset: 0.1s"),
              .endpoints = ports({slow.port()})}
            .yaml(),
        1);
    const Message answer = support::get(proxy.port(), "/", "svc", asking);
    CHECK(answer.status == 200);
    CHECK(answer.field("grpc-status") == "14");
    CHECK(slow.seen().front().field("grpc-timeout") == "200m");
  }
  SECTION("max_stream_duration: DEADLINE_EXCEEDED") {
    Proxy proxy(Front{.route = routed(
                          "timeout: 0s, max_stream_duration: { grpc_timeout_header_max: 0.1s }"),
                      .endpoints = ports({slow.port()})}
                    .yaml(),
                1);
    const Message answer = support::get(proxy.port(), "/", "svc", asking);
    CHECK(answer.status == 200);
    CHECK(answer.field("grpc-status") == "4");
  }
}

TEST_CASE("scenario: a client's connection has its requests and its time", "[forwarder]") {
  Origin origin("a");
  SECTION("max_requests_per_connection") {
    Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = R"(
          common_http_protocol_options: { max_requests_per_connection: 2 })"}
                    .yaml(),
                1);
    Wire client = Wire::connect(proxy.port());
    client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(client.read().field("connection") != "close");
    client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(client.read().field("connection") == "close");
    CHECK(client.closed());
  }
  SECTION("max_connection_duration") {
    Proxy proxy(Front{.endpoints = ports({origin.port()}), .hcm = R"(
          drain_timeout: 0.1s
          common_http_protocol_options: { max_connection_duration: 0.2s })"}
                    .yaml(),
                1);
    Wire client = Wire::connect(proxy.port());
    client.send("GET / HTTP/1.1\r\nhost: svc\r\n\r\n");
    CHECK(client.read().status == 200);
    CHECK(client.closed(5000));
  }
}
