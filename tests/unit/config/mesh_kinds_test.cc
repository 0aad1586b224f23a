// What our own kinds may say: mesh-config(5), "KINDS".
#include <catch2/catch.hpp>

#include "unit/config/said.h"

using namespace mesh;

namespace {

using Row = testing::Saying;

void check(const std::string& kind, std::span<const Row> rows) {
  testing::check_sayings("mesh/v1", kind, rows);
}

}  // namespace

TEST_CASE("object: CircuitBreaker", "[config]") {
  const std::string least = "host: a, thresholds: {errorPercent: 50}";
  const auto match = [&](const std::string& m) { return least + ", match: [{" + m + "}]"; };
  const auto answer = [&](const std::string& r) { return least + ", fallback: {" + r + "}"; };
  const Row rows[] = {
      {"the least", least, ""},
      {"all of it",
       "host: a, match: [{name: pay, route: r, method: POST, uri: {prefix: /pay}}, {name: g, "
       "grpcMethod: a.B/C}], thresholds: {errorPercent: 50, timeoutPercent: 20, slowPercent: 90, "
       "slowAfter: 500ms}, window: 30s, minimumCalls: 5, openDuration: 2s, maxOpenDuration: 1m, "
       "trialCalls: 2, ramp: 0s, errorStatuses: [429], grpcErrorStatuses: [INTERNAL], fallback: "
       "{response: {status: 200, headers: {x-a: b}, body: c}}",
       ""},
      {"no threshold", "host: a",
       "spec.thresholds: expected errorPercent, timeoutPercent or slowPercent"},
      {"a share of over all", "host: a, thresholds: {errorPercent: 101}",
       "spec.thresholds.errorPercent: expected a number from 0 to 100"},
      {"slow without a time", "host: a, thresholds: {slowPercent: 5}",
       "spec.thresholds: expected slowPercent and slowAfter together"},
      {"a match without a name", match("method: GET"),
       "spec.match[0].name: expected a name of lower-case letters, digits, - and ., got \"\""},
      {"a path with a query", match("name: a, uri: {prefix: '/a?b'}"),
       "spec.match[0].uri: expected a path that begins with /, without its query"},
      {"a match by regex", match("name: a, uri: {regex: x}"),
       "spec.match[0].uri: expected exact or prefix"},
      {"names twice", match("name: a}, {name: a"),
       "spec.match[1].name: is there already: each has a breaker of its own"},
      {"a gRPC method and a path", match("name: a, uri: {exact: /x}, grpcMethod: a.B/C"),
       "spec.match[0].grpcMethod: is instead of uri"},
      {"a window of nothing", least + ", window: 0s", "spec.window: expected at least 1ms"},
      {"an error that is none", least + ", errorStatuses: [200]",
       "spec.errorStatuses[0]: expected a number from 400 to 599"},
      {"a gRPC status that is none", least + ", grpcErrorStatuses: [OK]",
       "spec.grpcErrorStatuses[0]: expected a gRPC status such as UNAVAILABLE, got \"OK\""},
      {"a fallback to another host", answer("destination: {host: b, subset: v1}"), ""},
      {"a fallback of nothing", least + ", fallback: {}",
       "spec.fallback: expected response or destination"},
      {"an answer's status", answer("response: {status: 99}"),
       "spec.fallback.response.status: expected a number from 200 to 599"},
      {"an answer's framing", answer("response: {status: 200, headers: {Content-Length: \"5\"}}"),
       "spec.fallback.response.headers[\"Content-Length\"]: is the forwarder's own to set"},
  };
  check("CircuitBreaker", rows);
}

TEST_CASE("object: RateLimit", "[config]") {
  const auto limit = [](const std::string& l) { return "host: a, limits: [{" + l + "}]"; };
  const std::string least = "name: l, requests: 10";
  const Row rows[] = {
      {"the least", limit(least), ""},
      {"all of it",
       limit(least + ", match: {method: GET, uri: {prefix: /a}, headers: {x-a: {exact: b}}}, each: "
                     "{header: x-user, bucketsMax: 500}, per: 1m, burst: 20") +
           ", responseHeaders: true, status: 503",
       ""},
      {"no limits", "host: a", "spec.limits: expected at least one limit"},
      {"nothing passes", limit("name: l"), "spec.limits[0].requests: expected at least 1"},
      {"too short", limit(least + ", per: 10ms"), "spec.limits[0].per: expected at least 50ms"},
      {"a bucket for each of nothing", limit(least + ", each: {}"),
       "spec.limits[0].each: expected header, peerIdentity or sourceAddress"},
      {"too many buckets", limit(least + ", each: {peerIdentity: true, bucketsMax: 2000000}"),
       "spec.limits[0].each.bucketsMax: expected a number from 0 to 1048576"},
      {"a path by regex", limit(least + ", match: {uri: {regex: x}}"),
       "spec.limits[0].match.uri: expected exact or prefix"},
      {"a path with a query", limit(least + ", match: {uri: {exact: '/a?b'}}"),
       "spec.limits[0].match.uri: expected a path that begins with /, without its query"},
      {"a path that is a book",
       limit(least + ", match: {uri: {exact: /" + std::string(1024, 'a') + "}}"),
       "spec.limits[0].match.uri: expected a path that begins with /, without its query"},
      {"a header by a broken regex", limit(least + ", match: {headers: {x-a: {regex: '('}}}"),
       "spec.limits[0].match.headers[\"x-a\"]: regex \"(\": missing ): ("},
      {"a header that is there", limit(least + ", match: {headers: {x-a: {}}}"), ""},
      {"names twice", limit(least + "}, {" + least), "spec.limits[1].name: is there already"},
      {"a status", limit(least) + ", status: 200", "spec.status: expected 429 or 503"},
  };
  check("RateLimit", rows);
}
