#include "xds/decode_tracing.h"

#include <cmath>
#include <cstdlib>

#include "base/text.h"
#include "envoy/config/trace/v3/trace.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
#include "http/syntax.h"
#include "xds/decode_common.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

using envoy::config::trace::v3::OpenTelemetryConfig;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;
using envoy::type::tracing::v3::CustomTag;

constexpr int kTagsMax = 64;
constexpr size_t kTextMax = 4096;
constexpr uint32_t kPathBytesMax = 4096;

Result<void> decode_share(bool has, const envoy::type::v3::Percent& percent,
                          const std::string& path, uint16_t& share) {
  if (!has) return {};
  if (!(percent.value() >= 0 && percent.value() <= 100)) return refuse(path, "is 0 to 100");
  share = uint16_t(std::lround(percent.value() * 100));
  return {};
}

Result<TraceSampling> decode_sampling(const HttpConnectionManager& manager,
                                      const std::string& manager_path) {
  const HttpConnectionManager::Tracing& tracing = manager.tracing();
  const std::string path = path_of(manager_path, "tracing");
  TraceSampling sampling;
  MESH_TRY_VOID(decode_share(tracing.has_client_sampling(), tracing.client_sampling(),
                             path_of(path, "client_sampling"), sampling.client));
  MESH_TRY_VOID(decode_share(tracing.has_random_sampling(), tracing.random_sampling(),
                             path_of(path, "random_sampling"), sampling.random));
  MESH_TRY_VOID(decode_share(tracing.has_overall_sampling(), tracing.overall_sampling(),
                             path_of(path, "overall_sampling"), sampling.overall));
  if (!manager.has_request_id_extension()) return sampling;
  MESH_TRY(const auto config,
           unpack<UuidRequestIdConfig>(manager.request_id_extension().typed_config(),
                                       path_of(manager_path, "request_id_extension.typed_config")));
  if (config.has_use_request_id_for_trace_sampling())
    sampling.by_request_id = config.use_request_id_for_trace_sampling().value();
  return sampling;
}

Result<SpanTag> decode_tag(const CustomTag& tag, const std::string& path) {
  SpanTag result{.name = tag.tag(), .text = {}, .otherwise = {}, .format = {}};
  if (result.name.empty()) return refuse(path_of(path, "tag"), "is empty");
  switch (tag.type_case()) {
    case CustomTag::kLiteral:
      if (tag.literal().value().empty()) return refuse(path_of(path, "literal.value"), "is empty");
      result.text = tag.literal().value();
      break;
    case CustomTag::kEnvironment: {
      if (tag.environment().name().empty())
        return refuse(path_of(path, "environment.name"), "is empty");
      const char* const value = std::getenv(tag.environment().name().c_str());
      result.text = value != nullptr ? value : tag.environment().default_value();
      break;
    }
    case CustomTag::kRequestHeader:
      result.kind = SpanTag::Kind::Header;
      result.text = text::to_lower(tag.request_header().name());
      if (!http::valid_token(result.text))
        return refuse(path_of(path, "request_header.name"), "is no name of a field");
      result.otherwise = tag.request_header().default_value();
      break;
    case CustomTag::kValue: {
      result.kind = SpanTag::Kind::Format;
      if (tag.value().empty()) return refuse(path_of(path, "value"), "is empty");
      auto format =
          telemetry::AccessFormat::parse(tag.value(), telemetry::AccessFormat::Use::Header);
      if (!format) return std::move(format).error().during(path_of(path, "value"));
      result.format = *std::move(format);
      break;
    }
    default: return refuse(path, "expected literal, environment, request_header or value");
  }
  if (std::max({result.name.size(), result.text.size(), result.otherwise.size()}) > kTextMax)
    return refuse(path, "over " + std::to_string(kTextMax) + " bytes");
  return result;
}

Result<SpanCollector> decode_grpc(const envoy::config::core::v3::GrpcService& service,
                                  const std::string& path) {
  SpanCollector collector;
  collector.cluster = service.envoy_grpc().cluster_name();
  if (collector.cluster.empty())
    return refuse(path_of(path, "envoy_grpc.cluster_name"), "is empty");
  collector.authority = service.envoy_grpc().authority();
  for (const auto& header : service.initial_metadata())
    collector.headers.emplace_back(text::to_lower(header.key()), header.value());
  return collector;
}

// "http://HOST/PATH": the cluster says where that is.
Result<SpanCollector> decode_http(const envoy::config::core::v3::HttpService& service,
                                  const std::string& path) {
  SpanCollector collector;
  collector.http = true;
  collector.cluster = service.http_uri().cluster();
  if (collector.cluster.empty()) return refuse(path_of(path, "http_uri.cluster"), "is empty");
  MESH_TRY(collector.timeout,
           decode_duration(service.http_uri().timeout(), path_of(path, "http_uri.timeout")));
  std::string_view uri = service.http_uri().uri();
  if (const size_t scheme = uri.find("://"); scheme != uri.npos) uri.remove_prefix(scheme + 3);
  const size_t slash = uri.find('/');
  collector.authority = uri.substr(0, slash);
  if (slash != uri.npos) collector.path = uri.substr(slash);
  if (collector.authority.empty()) return refuse(path_of(path, "http_uri.uri"), "names no host");
  for (const auto& option : service.request_headers_to_add())
    collector.headers.emplace_back(text::to_lower(option.header().key()), option.header().value());
  return collector;
}

Result<std::shared_ptr<const SpanPolicy>> decode_spans(
    const HttpConnectionManager::Tracing& tracing, const std::string& path) {
  const std::string at = path_of(path, "provider.typed_config");
  MESH_TRY(const auto provider, unpack<OpenTelemetryConfig>(tracing.provider().typed_config(), at));
  auto result = std::make_shared<SpanPolicy>();
  if (provider.has_grpc_service() == provider.has_http_service())
    return refuse(at, "expected grpc_service or http_service");
  if (provider.has_grpc_service()) {
    MESH_TRY(result->collector, decode_grpc(provider.grpc_service(), path_of(at, "grpc_service")));
  } else {
    MESH_TRY(result->collector, decode_http(provider.http_service(), path_of(at, "http_service")));
  }
  // As Envoy's tracer calls itself where nobody gives it a name.
  result->service =
      provider.service_name().empty() ? "unknown_service:envoy" : provider.service_name();
  if (tracing.has_max_path_tag_length())
    result->path_bytes_max = std::min(tracing.max_path_tag_length().value(), kPathBytesMax);
  if (tracing.custom_tags_size() > kTagsMax)
    return refuse(path_of(path, "custom_tags"), "over " + std::to_string(kTagsMax) + " tags");
  for (int i = 0; i < tracing.custom_tags_size(); ++i) {
    MESH_TRY(auto tag, decode_tag(tracing.custom_tags(i), path_of(path, "custom_tags", i)));
    result->tags.push_back(std::move(tag));
  }
  return std::shared_ptr<const SpanPolicy>(std::move(result));
}

}  // namespace

Result<void> decode_tracing(const HttpConnectionManager& manager, std::string_view path,
                            FilterChain& into) {
  into.trace_context = manager.has_tracing();
  MESH_TRY(into.trace_sampling, decode_sampling(manager, std::string(path)));
  if (manager.tracing().has_provider()) {
    MESH_TRY(into.spans, decode_spans(manager.tracing(), path_of(path, "tracing")));
  }
  return {};
}

}  // namespace mesh::xds
