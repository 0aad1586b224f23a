#include "xds/decode_ext_authz.h"
#include "authz/ext_authz.h"
#include "base/text.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb.h"
#include "http/syntax.h"
#include "route/match.h"
#include "xds/decode_common.h"
#include "xds/decode_filter.h"
#include "xds/decode_route.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace pb = envoy::extensions::filters::http::ext_authz::v3;
namespace core = envoy::config::core::v3;
namespace network = envoy::extensions::filters::network::ext_authz::v3;
using authz::ExtAuthz;
using envoy::type::matcher::v3::ListStringMatcher;

constexpr std::string_view kType = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz";
constexpr std::string_view kRbac = "envoy.filters.http.rbac";
constexpr std::string_view kNetworkRbac = "envoy.filters.network.rbac";
constexpr std::string_view kPolicyKey = "shadow_effective_policy_id";
constexpr std::string_view kResultKey = "shadow_engine_result";
constexpr uint32_t kBodyBytesMax = 8U << 20;
constexpr int kNamesMax = 1000;
constexpr Duration kGrpcTimeout = std::chrono::milliseconds(200);  // Envoy's default

Result<void> decode_names(const ListStringMatcher& from, const std::string& path,
                          authz::NameSet& into) {
  if (from.patterns_size() > kNamesMax) return refuse(path, "over 1000 patterns");
  for (int i = 0; i < from.patterns_size(); ++i) {
    const std::string at = path_of(path, "patterns", i);
    MESH_TRY(route::TextMatch match, decode_text(from.patterns(i), at));
    auto ready = route::compile(match);
    if (!ready) return refuse(at, ready.error().text);
    into.any.push_back(std::move(match));
  }
  return {};
}

Result<void> decode_values(const google::protobuf::RepeatedPtrField<core::HeaderValue>& from,
                           const std::string& path, std::string_view field, ExtAuthz::Pairs& into) {
  for (int i = 0; i < from.size(); ++i) {
    const std::string at = path_of(path, field, i);
    MESH_TRY_VOID(check_field(from[i].key(), from[i].value(), at));
    if (from[i].value().find('%') != std::string::npos)
      return refuse(path_of(at, "value"), "operators are not supported here");
    into.emplace_back(text::to_lower(from[i].key()), from[i].value());
  }
  return {};
}

Result<void> decode_grpc(const core::GrpcService& from, const std::string& path, ExtAuthz& into) {
  const std::string at = path_of(path, "envoy_grpc");
  if (!from.has_envoy_grpc()) return refuse(at, "is missing");
  into.grpc = true;
  into.cluster = from.envoy_grpc().cluster_name();
  if (into.cluster.empty()) return refuse(path_of(at, "cluster_name"), "is empty");
  if (from.envoy_grpc().has_max_receive_message_length())
    return refuse(path_of(at, "max_receive_message_length"), "an answer has at most 1 MiB");
  into.authority =
      from.envoy_grpc().authority().empty() ? into.cluster : from.envoy_grpc().authority();
  if (into.authority.find_first_of("|/ ") != std::string::npos)
    return refuse(path_of(at, "authority"), "a cluster's name that is no host needs one");
  into.timeout = kGrpcTimeout;
  if (from.has_timeout()) {
    MESH_TRY(into.timeout, decode_duration(from.timeout(), path_of(path, "timeout")));
  }
  return decode_values(from.initial_metadata(), path, "initial_metadata", into.metadata);
}

Result<void> decode_http(const pb::HttpService& from, const std::string& path, ExtAuthz& into) {
  const std::string uri = path_of(path, "server_uri");
  into.cluster = from.server_uri().cluster();
  if (into.cluster.empty()) return refuse(path_of(uri, "cluster"), "is empty");
  if (!from.server_uri().has_timeout()) return refuse(path_of(uri, "timeout"), "is missing");
  MESH_TRY(into.timeout, decode_duration(from.server_uri().timeout(), path_of(uri, "timeout")));
  into.path_prefix = from.path_prefix();
  if (!into.path_prefix.empty() &&
      (into.path_prefix.front() != '/' || !http::valid_target(into.path_prefix)))
    return refuse(path_of(path, "path_prefix"), "expected a path that begins with /");
  const auto& request = from.authorization_request();
  const std::string asked = path_of(path, "authorization_request");
  MESH_TRY_VOID(
      decode_names(request.allowed_headers(), path_of(asked, "allowed_headers"), into.allowed));
  MESH_TRY_VOID(
      decode_values(request.headers_to_add(), asked, "headers_to_add", into.headers_to_add));
  const auto& answer = from.authorization_response();
  const std::string told = path_of(path, "authorization_response");
  MESH_TRY_VOID(decode_names(answer.allowed_upstream_headers(),
                             path_of(told, "allowed_upstream_headers"), into.upstream));
  MESH_TRY_VOID(decode_names(answer.allowed_upstream_headers_to_append(),
                             path_of(told, "allowed_upstream_headers_to_append"),
                             into.upstream_append));
  MESH_TRY_VOID(decode_names(answer.allowed_client_headers(),
                             path_of(told, "allowed_client_headers"), into.client));
  return decode_names(answer.allowed_client_headers_on_success(),
                      path_of(told, "allowed_client_headers_on_success"), into.client_on_success);
}

// What `filter`, of access control, has found by its shadow rules, and nothing else.
Result<ExtAuthz::Condition> decode_condition(const envoy::type::matcher::v3::MetadataMatcher& from,
                                             std::string_view filter, const std::string& path) {
  if (from.filter() != filter)
    return refuse(path_of(path, "filter"), "only " + std::string(filter) + " is supported");
  const std::string key = from.path_size() == 1 ? from.path(0).key() : std::string();
  ExtAuthz::Condition result;
  result.invert = from.invert();
  result.about_result = key.ends_with(kResultKey);
  if (!result.about_result && !key.ends_with(kPolicyKey))
    return refuse(path_of(path, "path"), "is one key, [prefix]" + std::string(kPolicyKey) +
                                             " or [prefix]" + std::string(kResultKey));
  result.prefix =
      key.substr(0, key.size() - (result.about_result ? kResultKey : kPolicyKey).size());
  if (!from.value().has_string_match())
    return refuse(path_of(path, "value"), "only string_match is supported");
  const std::string at = path_of(path, "value.string_match");
  MESH_TRY(result.value, decode_text(from.value().string_match(), at));
  auto ready = route::compile(result.value);
  if (!ready) return refuse(at, ready.error().text);
  return result;
}

Result<void> decode_body(const pb::BufferSettings& from, const std::string& path, ExtAuthz& into) {
  if (from.max_request_bytes() == 0 || from.max_request_bytes() > kBodyBytesMax)
    return refuse(path_of(path, "max_request_bytes"), "is 1 to 8388608");
  into.body = {from.max_request_bytes(), from.allow_partial_message(), from.pack_as_bytes()};
  return {};
}

Result<ExtAuthz> decode_chain(const pb::ExtAuthz& from, const std::string& path) {
  ExtAuthz result;
  if (from.has_grpc_service()) {
    MESH_TRY_VOID(decode_grpc(from.grpc_service(), path_of(path, "grpc_service"), result));
  } else if (from.has_http_service()) {
    MESH_TRY_VOID(decode_http(from.http_service(), path_of(path, "http_service"), result));
  } else {
    return refuse(path, "expected grpc_service or http_service");
  }
  if (from.transport_api_version() == core::V2)
    return refuse(path_of(path, "transport_api_version"), "only V3 is supported");
  if (from.has_allowed_headers()) {
    if (!result.allowed.empty()) return refuse(path_of(path, "allowed_headers"), "is there twice");
    MESH_TRY_VOID(
        decode_names(from.allowed_headers(), path_of(path, "allowed_headers"), result.allowed));
  }
  MESH_TRY_VOID(decode_names(from.disallowed_headers(), path_of(path, "disallowed_headers"),
                             result.disallowed));
  if (from.has_with_request_body())
    MESH_TRY_VOID(
        decode_body(from.with_request_body(), path_of(path, "with_request_body"), result));
  if (from.has_filter_enabled_metadata()) {
    MESH_TRY(result.only, decode_condition(from.filter_enabled_metadata(), kRbac,
                                           path_of(path, "filter_enabled_metadata")));
  }
  result.raw_headers = from.encode_raw_headers();
  result.tls_session = from.include_tls_session();
  result.clear_route_cache = from.clear_route_cache();
  result.failure_allows = from.failure_mode_allow();
  result.failure_header = from.failure_mode_allow_header_add();
  result.stat_prefix = from.stat_prefix();
  if (from.status_on_error().code() != 0) {
    const int code = from.status_on_error().code();
    if (code < 200 || code > 599)
      return refuse(path_of(path, "status_on_error.code"), "is 200 to 599");
    result.status_on_error = uint16_t(code);
  }
  return result;
}

}  // namespace

Result<FilterConfigPtr> decode_ext_authz(const google::protobuf::Any& any, std::string_view path,
                                         FilterLevel level) {
  if (level == FilterLevel::Route) {
    MESH_TRY(const auto route, unpack<pb::ExtAuthzPerRoute>(any, path));
    if (!route.disabled()) return refuse(path, "expected disabled: true");
    // Nobody is asked where no cluster is named.
    return route::make_filter_config(kType, ExtAuthz());
  }
  MESH_TRY(const auto from, unpack<pb::ExtAuthz>(any, path));
  MESH_TRY(auto result, decode_chain(from, std::string(path)));
  return route::make_filter_config(kType, std::move(result));
}

Result<std::shared_ptr<const ExtAuthz>> decode_network_ext_authz(const network::ExtAuthz& from,
                                                                 std::string_view path) {
  ExtAuthz result;
  if (from.stat_prefix().empty()) return refuse(path_of(path, "stat_prefix"), "is empty");
  if (!from.has_grpc_service()) return refuse(path_of(path, "grpc_service"), "is missing");
  MESH_TRY_VOID(decode_grpc(from.grpc_service(), path_of(path, "grpc_service"), result));
  if (from.transport_api_version() == core::V2)
    return refuse(path_of(path, "transport_api_version"), "only V3 is supported");
  if (from.has_filter_enabled_metadata()) {
    MESH_TRY(result.only, decode_condition(from.filter_enabled_metadata(), kNetworkRbac,
                                           path_of(path, "filter_enabled_metadata")));
  }
  result.tls_session = from.include_tls_session();
  result.failure_allows = from.failure_mode_allow();
  result.stat_prefix = from.stat_prefix();
  return std::make_shared<const ExtAuthz>(std::move(result));
}

}  // namespace mesh::xds
