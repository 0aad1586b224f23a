#include "base/text.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h"
#include "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities.pb.h"
#include "resilience/retry.h"
#include "xds/decode_common.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;
using envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;

using envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;

constexpr uint32_t kRetriesMax = 100;

Result<void> decode_reset(const pb::RetryPolicy::RateLimitedRetryBackOff& back_off,
                          std::string_view path, resilience::RetryPolicy& into) {
  using Format = resilience::ResetHeader::Format;
  if (back_off.reset_headers_size() == 0) return refuse(path_of(path, "reset_headers"), "is empty");
  for (const auto& header : back_off.reset_headers()) {
    if (header.name().empty()) return refuse(path_of(path, "reset_headers"), "a name is empty");
    into.reset_headers.push_back({.format = header.format() == pb::RetryPolicy::UNIX_TIMESTAMP
                                                ? Format::UnixTimestamp
                                                : Format::Seconds,
                                  .name = text::to_lower(header.name())});
  }
  if (!back_off.has_max_interval()) return {};
  MESH_TRY(into.reset_interval_max,
           decode_duration(back_off.max_interval(), path_of(path, "max_interval")));
  if (into.reset_interval_max <= Duration::zero())
    return refuse(path_of(path, "max_interval"), "is over 0");
  return {};
}

Result<void> decode_back_off(const pb::RetryPolicy::RetryBackOff& back_off, std::string_view path,
                             resilience::RetryPolicy& into) {
  MESH_TRY(into.base_interval,
           decode_duration(back_off.base_interval(), path_of(path, "base_interval")));
  if (into.base_interval < std::chrono::milliseconds(1))
    return refuse(path_of(path, "base_interval"), "is at least 1 ms");
  into.max_interval = 10 * into.base_interval;
  if (back_off.has_max_interval()) {
    MESH_TRY(into.max_interval,
             decode_duration(back_off.max_interval(), path_of(path, "max_interval")));
    if (into.max_interval < into.base_interval)
      return refuse(path_of(path, "max_interval"), "is below base_interval");
  }
  return {};
}

}  // namespace

Result<resilience::RetryPolicy> decode_retry(const pb::RetryPolicy& policy, std::string_view path) {
  resilience::RetryPolicy result;
  const std::string on = path_of(path, "retry_on");
  auto conditions = resilience::parse_retry_on(policy.retry_on());
  if (!conditions) return refuse(on, conditions.error().text);
  if (!conditions->status_codes.empty())
    return refuse(on, "status codes are given by retriable_status_codes");
  result.retry_on = conditions->retry_on;
  if (policy.has_num_retries()) result.num_retries = policy.num_retries().value();
  if (result.num_retries > kRetriesMax) return refuse(path_of(path, "num_retries"), "over 100");
  MESH_TRY(result.per_try_timeout,
           decode_duration(policy.per_try_timeout(), path_of(path, "per_try_timeout")));
  for (int i = 0; i < policy.retriable_status_codes_size(); ++i) {
    const uint32_t status = policy.retriable_status_codes(i);
    if (status < 100 || status > 599)
      return refuse(path_of(path, "retriable_status_codes", i), "a status is 100 to 599");
    result.retriable_status_codes.push_back(uint16_t(status));
  }
  if (policy.has_retry_back_off())
    MESH_TRY_VOID(
        decode_back_off(policy.retry_back_off(), path_of(path, "retry_back_off"), result));
  MESH_TRY(result.per_try_idle_timeout,
           decode_duration(policy.per_try_idle_timeout(), path_of(path, "per_try_idle_timeout")));
  if (policy.has_rate_limited_retry_back_off())
    MESH_TRY_VOID(decode_reset(policy.rate_limited_retry_back_off(),
                               path_of(path, "rate_limited_retry_back_off"), result));
  if (policy.has_retry_priority()) {
    const std::string at = path_of(path, "retry_priority");
    MESH_TRY(const auto priority,
             unpack<PreviousPrioritiesConfig>(policy.retry_priority().typed_config(), at));
    if (priority.update_frequency() < 1 || uint32_t(priority.update_frequency()) > kRetriesMax)
      return refuse(path_of(at, "update_frequency"), "is 1 to 100");
    result.previous_priorities_every = uint32_t(priority.update_frequency());
  }
  result.avoid_tried_hosts = policy.retry_host_predicate_size() > 0;
  for (int i = 0; i < policy.retry_host_predicate_size(); ++i)
    MESH_TRY_VOID(unpack<PreviousHostsPredicate>(policy.retry_host_predicate(i).typed_config(),
                                                 path_of(path, "retry_host_predicate", i)));
  return result;
}

}  // namespace mesh::xds
