#include "mesh/v1/circuit_breaker.pb.h"

#include <set>

#include "base/text.h"
#include "config/grpc_status.h"
#include "config/validate/validate.h"

namespace mesh::config {
namespace {

using ::istio::networking::v1alpha3::StringMatch;
using ::mesh::v1::CircuitBreaker;

constexpr int kMatchesMax = 100;
constexpr size_t kBodyBytesMax = 4096;

void check_thresholds(const CircuitBreaker& breaker, Checker& checker) {
  const std::string path = "spec.thresholds";
  const auto& thresholds = breaker.thresholds();
  checker.range(path + ".errorPercent", thresholds.error_percent(), 0, 100);
  checker.range(path + ".timeoutPercent", thresholds.timeout_percent(), 0, 100);
  checker.range(path + ".slowPercent", thresholds.slow_percent(), 0, 100);
  if (thresholds.has_slow_after())
    checker.duration(path + ".slowAfter", thresholds.slow_after(), false);
  checker.expect((thresholds.slow_percent() > 0) == thresholds.has_slow_after(), path,
                 "expected slowPercent and slowAfter together");
  checker.expect(thresholds.error_percent() > 0 || thresholds.timeout_percent() > 0 ||
                     thresholds.slow_percent() > 0,
                 path, "expected errorPercent, timeoutPercent or slowPercent");
}

void check_match(const CircuitBreaker::Match& match, const std::string& path, Checker& checker) {
  checker.dns_name(path + ".name", match.name());
  if (match.has_uri()) {
    const auto kind = match.uri().match_type_case();
    const std::string& text =
        kind == StringMatch::kExact ? match.uri().exact() : match.uri().prefix();
    if (checker.expect(kind == StringMatch::kExact || kind == StringMatch::kPrefix, path + ".uri",
                       "expected exact or prefix"))
      checker.expect(text.starts_with('/') && text.find_first_of("?#") == std::string::npos &&
                         text.size() <= Checker::kPatternBytesMax,
                     path + ".uri", "expected a path that begins with /, without its query");
  }
  if (match.grpc_method().empty()) return;
  checker.expect(!match.has_uri(), path + ".grpcMethod", "is instead of uri");
  checker.expect(!match.grpc_method().starts_with('/') && !match.grpc_method().ends_with('/'),
                 path + ".grpcMethod", "expected SERVICE/METHOD, or SERVICE");
}

void check_fallback(const CircuitBreaker::Fallback& fallback, Checker& checker) {
  const std::string path = "spec.fallback";
  if (fallback.has_destination()) {
    checker.host(path + ".destination.host", fallback.destination().host(), false);
    if (!fallback.destination().subset().empty())
      checker.label_name(path + ".destination.subset", fallback.destination().subset());
    if (fallback.destination().has_port())
      checker.port(path + ".destination.port.number", fallback.destination().port().number());
    return;
  }
  if (!checker.expect(fallback.has_response(), path, "expected response or destination")) return;
  const auto& response = fallback.response();
  checker.range(path + ".response.status", response.status(), 200, 599);
  checker.expect(response.body().size() <= kBodyBytesMax, path + ".response.body",
                 "longer than 4096 bytes");
  checker.expect(response.headers_size() <= 32, path + ".response.headers", "over 32 headers");
  for (const auto& [name, value] : response.headers()) {
    const std::string at = at_key(path + ".response.headers", name);
    checker.expect(is_field_name(name), at, "expected the name of a header");
    checker.expect(value.find_first_of("\r\n") == std::string::npos, at, "expected one line");
    const std::string lower = text::to_lower(name);
    for (const char* own : {"host", "content-length", "transfer-encoding", "connection",
                            "keep-alive", "proxy-connection", "te", "upgrade"})
      checker.expect(lower != own, at, "is the forwarder's own to set");
  }
}

}  // namespace

void validate(const CircuitBreaker& breaker, Checker& checker) {
  checker.host("spec.host", breaker.host(), false);
  checker.expect(breaker.match_size() <= kMatchesMax, "spec.match", "over 100 entries");
  std::set<std::string> names;
  for (int i = 0; i < breaker.match_size(); ++i) {
    const std::string path = at_index("spec.match", i);
    check_match(breaker.match(i), path, checker);
    checker.expect(names.insert(breaker.match(i).name()).second, path + ".name",
                   "is there already: each has a breaker of its own");
  }
  check_thresholds(breaker, checker);
  if (breaker.has_window()) checker.duration("spec.window", breaker.window(), false);
  if (breaker.has_open_duration())
    checker.duration("spec.openDuration", breaker.open_duration(), false);
  if (breaker.has_max_open_duration())
    checker.duration("spec.maxOpenDuration", breaker.max_open_duration(), false);
  if (breaker.has_ramp()) checker.duration("spec.ramp", breaker.ramp(), true);
  checker.range("spec.trialCalls", breaker.trial_calls(), 0, 1000);
  for (int i = 0; i < breaker.error_statuses_size(); ++i)
    checker.range(at_index("spec.errorStatuses", i), breaker.error_statuses(i), 400, 599);
  for (int i = 0; i < breaker.grpc_error_statuses_size(); ++i) {
    const auto status = grpc_status(breaker.grpc_error_statuses(i));
    checker.expect(status && *status > 0, at_index("spec.grpcErrorStatuses", i),
                   "expected a gRPC status such as UNAVAILABLE, got " +
                       text::quoted(breaker.grpc_error_statuses(i)));
  }
  if (breaker.has_fallback()) check_fallback(breaker.fallback(), checker);
}

}  // namespace mesh::config
