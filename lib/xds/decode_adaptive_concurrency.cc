#include "envoy/extensions/filters/http/adaptive_concurrency/v3/adaptive_concurrency.pb.h"
#include "resilience/adaptive_rule.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::extensions::filters::http::adaptive_concurrency::v3;

constexpr std::string_view kType =
    "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency";

Result<double> decode_percent(bool has, const envoy::type::v3::Percent& from, double otherwise,
                              const std::string& path) {
  if (!has) return otherwise;
  if (!(from.value() >= 0 && from.value() <= 100)) return refuse(path, "is 0 to 100");
  return from.value() / 100;
}

Result<void> decode_count(bool has, uint32_t from, const std::string& path, uint32_t& into) {
  if (!has) return {};
  if (from == 0) return refuse(path, "is at least 1");
  into = from;
  return {};
}

Result<Duration> decode_positive(const google::protobuf::Duration& from, const std::string& path) {
  MESH_TRY(const Duration value, decode_duration(from, path));
  if (value < std::chrono::milliseconds(1)) return refuse(path, "is at least 1ms");
  return value;
}

Result<resilience::AdaptivePolicy> decode_policy(const pb::GradientControllerConfig& from,
                                                 const std::string& path) {
  resilience::AdaptivePolicy policy;
  const auto& limit = from.concurrency_limit_params();
  const auto& rtt = from.min_rtt_calc_params();
  const std::string limit_at = path_of(path, "concurrency_limit_params");
  const std::string rtt_at = path_of(path, "min_rtt_calc_params");
  MESH_TRY(policy.percentile, decode_percent(from.has_sample_aggregate_percentile(),
                                             from.sample_aggregate_percentile(), policy.percentile,
                                             path_of(path, "sample_aggregate_percentile")));
  MESH_TRY_VOID(decode_count(limit.has_max_concurrency_limit(),
                             limit.max_concurrency_limit().value(),
                             path_of(limit_at, "max_concurrency_limit"), policy.limit_max));
  MESH_TRY(policy.update_interval,
           decode_positive(limit.concurrency_update_interval(),
                           path_of(limit_at, "concurrency_update_interval")));
  if (rtt.has_fixed_value()) {
    MESH_TRY(policy.fixed_min_rtt,
             decode_positive(rtt.fixed_value(), path_of(rtt_at, "fixed_value")));
  } else {
    MESH_TRY(policy.min_rtt_interval, decode_positive(rtt.interval(), path_of(rtt_at, "interval")));
  }
  MESH_TRY_VOID(decode_count(rtt.has_request_count(), rtt.request_count().value(),
                             path_of(rtt_at, "request_count"), policy.min_rtt_requests));
  MESH_TRY_VOID(decode_count(rtt.has_min_concurrency(), rtt.min_concurrency().value(),
                             path_of(rtt_at, "min_concurrency"), policy.limit_min));
  MESH_TRY(policy.jitter, decode_percent(rtt.has_jitter(), rtt.jitter(), policy.jitter,
                                         path_of(rtt_at, "jitter")));
  MESH_TRY(policy.buffer, decode_percent(rtt.has_buffer(), rtt.buffer(), policy.buffer,
                                         path_of(rtt_at, "buffer")));
  if (policy.limit_min > policy.limit_max)
    return refuse(path_of(rtt_at, "min_concurrency"), "is over max_concurrency_limit");
  return policy;
}

}  // namespace

Result<FilterConfigPtr> decode_adaptive_concurrency(const google::protobuf::Any& any,
                                                    std::string_view path, FilterLevel level) {
  if (level == FilterLevel::Route) return refuse(path, "the filter has no settings of a route");
  MESH_TRY(const auto from, unpack<pb::AdaptiveConcurrency>(any, path));
  if (!from.has_gradient_controller_config())
    return refuse(path, "expected gradient_controller_config");
  resilience::AdaptiveRule rule;
  MESH_TRY(rule.policy, decode_policy(from.gradient_controller_config(),
                                      path_of(path, "gradient_controller_config")));
  if (from.enabled().has_default_value()) rule.enabled = from.enabled().default_value().value();
  // Below 400 it would not be an error: 503 then, as Envoy.
  const int status = from.concurrency_limit_exceeded_status().code();
  if (status >= 400) rule.status = uint16_t(status);
  return route::make_filter_config(kType, std::move(rule));
}

}  // namespace mesh::xds
