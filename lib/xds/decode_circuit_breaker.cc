#include <set>

#include "base/text.h"
#include "mesh/xds/v1/circuit_breaker.pb.h"
#include "resilience/breaker_rule.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using v1::CircuitBreaker;

constexpr std::string_view kType = "mesh.xds.v1.CircuitBreaker";
constexpr int kBreakersMax = 100;
constexpr uint32_t kMillion = 1'000'000;
constexpr size_t kBodyMax = 4096;
constexpr int kHeadersMax = 32;

struct Times {
  Result<void> set(bool has, const google::protobuf::Duration& from, std::string_view field,
                   Duration least, Duration& to) const {
    if (!has) return {};
    MESH_TRY(to, decode_duration(from, path_of(path, field)));
    if (to < least) return refuse(path_of(path, field), "is too short");
    return {};
  }
  std::string_view path;
};

Result<resilience::BreakerPolicy> decode_policy(const CircuitBreaker::Breaker& from,
                                                std::string_view path) {
  resilience::BreakerPolicy result;
  const Times times{path};
  constexpr Duration kLeast = std::chrono::milliseconds(1);
  MESH_TRY_VOID(times.set(from.has_window(), from.window(), "window", kLeast, result.window));
  MESH_TRY_VOID(times.set(from.has_open(), from.open(), "open", kLeast, result.open));
  MESH_TRY_VOID(
      times.set(from.has_open_max(), from.open_max(), "open_max", kLeast, result.open_max));
  MESH_TRY_VOID(times.set(from.has_ramp(), from.ramp(), "ramp", Duration(0), result.ramp));
  MESH_TRY_VOID(times.set(from.has_slow_after(), from.slow_after(), "slow_after", Duration(1),
                          result.slow_after));
  for (const uint32_t share :
       {from.error_per_million(), from.timeout_per_million(), from.slow_per_million()})
    if (share > kMillion) return refuse(path, "a share is at most 1000000 of a million");
  result.error_share = {from.error_per_million()};
  result.timeout_share = {from.timeout_per_million()};
  result.slow_share = {from.slow_per_million()};
  if (from.error_per_million() + from.timeout_per_million() + from.slow_per_million() == 0)
    return refuse(path, "expected error_per_million, timeout_per_million or slow_per_million");
  if ((from.slow_per_million() > 0) != from.has_slow_after())
    return refuse(path, "slow_per_million and slow_after need each other");
  if (from.minimum_calls() > 0) result.minimum_calls = from.minimum_calls();
  if (from.trial_calls() > 1000) return refuse(path_of(path, "trial_calls"), "is at most 1000");
  if (from.trial_calls() > 0) result.trial_calls = from.trial_calls();
  return result;
}

Result<resilience::BreakerFallback> decode_fallback(const CircuitBreaker::Fallback& from,
                                                    std::string_view path) {
  resilience::BreakerFallback result;
  result.cluster = from.cluster();
  if (!from.has_response()) {
    if (result.cluster.empty()) return refuse(path, "expected response or cluster");
    return result;
  }
  const auto& response = from.response();
  if (response.status() < 200 || response.status() > 599)
    return refuse(path_of(path, "response.status"), "a status is 200 to 599");
  result.status = uint16_t(response.status());
  if (response.body().size() > kBodyMax)
    return refuse(path_of(path, "response.body"), "over 4096 bytes");
  result.body = response.body();
  if (response.headers_size() > kHeadersMax)
    return refuse(path_of(path, "response.headers"), "over 32");
  for (int i = 0; i < response.headers_size(); ++i) {
    const auto& header = response.headers(i);
    const std::string at = path_of(path, "response.headers", i);
    MESH_TRY_VOID(check_field(header.name(), header.value(), at));
    result.headers.emplace_back(text::to_lower(header.name()), header.value());
  }
  return result;
}

Result<resilience::BreakerRule> decode_breaker(const CircuitBreaker::Breaker& from,
                                               std::string_view path) {
  resilience::BreakerRule rule;
  rule.name = from.name();
  if (rule.name.empty()) return refuse(path_of(path, "name"), "is empty");
  rule.method = from.method();
  rule.prefix = from.path_specifier_case() == CircuitBreaker::Breaker::kPrefix;
  rule.path = rule.prefix ? from.prefix() : from.path();
  MESH_TRY(rule.policy, decode_policy(from, path));
  for (const uint32_t status : from.error_statuses()) {
    if (status < 400 || status > 599)
      return refuse(path_of(path, "error_statuses"), "are 400 to 599");
    rule.error_statuses.push_back(uint16_t(status));
  }
  if (from.grpc_error_statuses_size() > 0) rule.grpc_errors.reset();
  for (const uint32_t status : from.grpc_error_statuses()) {
    if (status < 1 || status > 16)
      return refuse(path_of(path, "grpc_error_statuses"), "are 1 to 16");
    rule.grpc_errors.set(status);
  }
  if (from.has_fallback()) {
    MESH_TRY(rule.fallback, decode_fallback(from.fallback(), path_of(path, "fallback")));
  }
  return rule;
}

}  // namespace

Result<FilterConfigPtr> decode_circuit_breaker(const google::protobuf::Any& any,
                                               std::string_view path, FilterLevel) {
  MESH_TRY(const auto from, unpack<CircuitBreaker>(any, path));
  if (from.breakers_size() > kBreakersMax) return refuse(path_of(path, "breakers"), "over 100");
  resilience::BreakerRules rules;
  std::set<std::string> names;
  for (int i = 0; i < from.breakers_size(); ++i) {
    const std::string at = path_of(path, "breakers", i);
    MESH_TRY(auto rule, decode_breaker(from.breakers(i), at));
    if (!names.insert(rule.name).second)
      return refuse(path_of(at, "name"), text::quoted(rule.name) + " is there already");
    rules.push_back(std::move(rule));
  }
  return route::make_filter_config(kType, std::move(rules));
}

}  // namespace mesh::xds
