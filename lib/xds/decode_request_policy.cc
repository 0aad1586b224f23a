// What a virtual host and its route say of time and tries (config.route.v3).
#include "xds/decode_request_policy.h"

#include "route/request_policy.h"
#include "xds/decode_common.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::config::route::v3;

constexpr uint64_t kBodyKeptMax = 16 << 20;
constexpr size_t kStatPrefixMax = 256;

Result<void> set(bool has, const google::protobuf::Duration& value, std::string path,
                 std::optional<Duration>& into) {
  if (!has) return {};
  MESH_TRY(into, decode_duration(value, path));
  return {};
}

Result<void> decode_times(const pb::RouteAction& action, std::string_view path,
                          route::RequestPolicy& into) {
  MESH_TRY_VOID(set(action.has_idle_timeout(), action.idle_timeout(), path_of(path, "idle_timeout"),
                    into.idle_timeout));
  MESH_TRY_VOID(set(action.has_max_grpc_timeout(), action.max_grpc_timeout(),
                    path_of(path, "max_grpc_timeout"), into.max_grpc_timeout));
  MESH_TRY(into.grpc_timeout_offset,
           decode_duration(action.grpc_timeout_offset(), path_of(path, "grpc_timeout_offset")));
  const auto& stream = action.max_stream_duration();
  const std::string at = path_of(path, "max_stream_duration");
  MESH_TRY_VOID(set(stream.has_max_stream_duration(), stream.max_stream_duration(),
                    path_of(at, "max_stream_duration"), into.max_stream_duration));
  MESH_TRY_VOID(set(stream.has_grpc_timeout_header_max(), stream.grpc_timeout_header_max(),
                    path_of(at, "grpc_timeout_header_max"), into.grpc_timeout_header_max));
  MESH_TRY(into.grpc_timeout_header_offset,
           decode_duration(stream.grpc_timeout_header_offset(),
                           path_of(at, "grpc_timeout_header_offset")));
  return {};
}

Result<route::FieldMatchers> decode_matchers(
    const google::protobuf::RepeatedPtrField<pb::HeaderMatcher>& headers, std::string_view path) {
  pb::RouteMatch match;
  match.set_prefix("/");
  *match.mutable_headers() = headers;
  MESH_TRY(auto decoded, decode_match(match, path));
  auto compiled = route::FieldMatchers::compile(std::move(decoded.fields));
  if (!compiled) return std::move(compiled).error().during(path);
  return compiled;
}

// The smaller name is the older one; either may be set, not both.
template <class Message>
Result<void> decode_body_max(const Message& from, std::string_view path,
                             std::optional<uint64_t>& into) {
  if (from.has_per_request_buffer_limit_bytes() && from.has_request_body_buffer_limit())
    return refuse(path_of(path, "request_body_buffer_limit"),
                  "is not for a place that has per_request_buffer_limit_bytes");
  if (from.has_per_request_buffer_limit_bytes())
    into = from.per_request_buffer_limit_bytes().value();
  if (from.has_request_body_buffer_limit()) into = from.request_body_buffer_limit().value();
  if (into && *into > kBodyKeptMax) return refuse(path, "a body is kept up to 16 MiB");
  return {};
}

bool says_anything(const pb::VirtualHost& host, const pb::Route& route) {
  const auto& action = route.route();
  const auto& retry = action.has_retry_policy() ? action.retry_policy() : host.retry_policy();
  return host.include_request_attempt_count() || host.include_attempt_count_in_response() ||
         host.has_per_request_buffer_limit_bytes() || host.has_request_body_buffer_limit() ||
         route.has_per_request_buffer_limit_bytes() || route.has_request_body_buffer_limit() ||
         host.has_hedge_policy() || action.has_hedge_policy() || action.has_idle_timeout() ||
         action.has_max_stream_duration() || action.has_max_grpc_timeout() ||
         !route.stat_prefix().empty() || retry.retriable_headers_size() > 0 ||
         retry.retriable_request_headers_size() > 0;
}

}  // namespace

Result<void> decode_request_policy(const pb::VirtualHost& host, std::string_view host_path,
                                   const pb::Route& route, std::string_view path,
                                   route::Route& into) {
  if (!route.has_route()) return {};
  const auto& action = route.route();
  const bool own_retry = action.has_retry_policy();
  const std::string at =
      own_retry ? path_of(path, "route.retry_policy") : path_of(host_path, "retry_policy");
  if (!own_retry && host.has_retry_policy()) {
    MESH_TRY(auto decoded, decode_retry(host.retry_policy(), at));
    into.retry = std::make_shared<const resilience::RetryPolicy>(std::move(decoded));
  }
  if (!says_anything(host, route)) return {};
  const auto& retry = own_retry ? action.retry_policy() : host.retry_policy();
  const auto& hedge = action.has_hedge_policy() ? action.hedge_policy() : host.hedge_policy();
  auto policy = std::make_shared<route::RequestPolicy>();
  MESH_TRY_VOID(decode_times(action, path_of(path, "route"), *policy));
  MESH_TRY(policy->retriable_headers,
           decode_matchers(retry.retriable_headers(), path_of(at, "retriable_headers")));
  MESH_TRY(
      policy->retriable_request_headers,
      decode_matchers(retry.retriable_request_headers(), path_of(at, "retriable_request_headers")));
  policy->hedge_on_per_try_timeout = hedge.hedge_on_per_try_timeout();
  MESH_TRY_VOID(decode_body_max(host, host_path, policy->body_kept_bytes_max));
  MESH_TRY_VOID(decode_body_max(route, path, policy->body_kept_bytes_max));
  policy->attempt_count_in_request = host.include_request_attempt_count();
  policy->attempt_count_in_response = host.include_attempt_count_in_response();
  if (const std::string& prefix = route.stat_prefix(); !prefix.empty()) {
    if (prefix.size() > kStatPrefixMax)
      return refuse(path_of(path, "stat_prefix"), "over 256 bytes");
    policy->stat = {.virtual_host = host.name(),
                    .prefix = prefix,
                    .name = "vhost." + host.name() + ".route." + prefix};
  }
  into.policy = std::move(policy);
  return {};
}

}  // namespace mesh::xds
