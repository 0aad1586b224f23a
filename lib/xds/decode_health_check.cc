#include <algorithm>

#include "base/text.h"
#include "http/syntax.h"
#include "xds/decode_common.h"
#include "xds/decode_health.h"
#include "xds/strict.h"

namespace mesh::xds {
namespace {

namespace core = envoy::config::core::v3;

constexpr size_t kPayloadBytesMax = 64 * 1024;

std::string at_index(const std::string& path, int index) {
  return path + "[" + std::to_string(index) + "]";
}

bool is_token(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), http::is_tchar);
}

Result<std::string> decode_payload(const core::HealthCheck::Payload& payload,
                                   const std::string& path) {
  std::string bytes = payload.binary();
  if (payload.has_text()) {
    const std::string& text = payload.text();
    const auto digit = [](char c) -> int {
      if (c >= '0' && c <= '9') return c - '0';
      if (c >= 'a' && c <= 'f') return c - 'a' + 10;
      if (c >= 'A' && c <= 'F') return c - 'A' + 10;
      return -1;
    };
    if (text.size() % 2 != 0) return refuse(path_of(path, "text"), "is pairs of hex digits");
    for (size_t i = 0; i < text.size(); i += 2) {
      const int high = digit(text[i]);
      const int low = digit(text[i + 1]);
      if (high < 0 || low < 0) return refuse(path_of(path, "text"), "is pairs of hex digits");
      bytes += char(high * 16 + low);
    }
  }
  if (bytes.empty()) return refuse(path, "is empty");
  if (bytes.size() > kPayloadBytesMax) return refuse(path, "is over 64 KiB");
  return bytes;
}

template <class Headers>
Result<void> decode_headers(const Headers& headers, const std::string& path, HealthCheck& into) {
  for (int i = 0; i < headers.size(); ++i) {
    const std::string at = at_index(path, i);
    const auto& header = headers.Get(i).header();
    std::string name = text::to_lower(header.key());
    if (!is_token(name) || name == "host" || name == "content-length" ||
        name == "transfer-encoding" || name == "connection" || name == "te" || name == "upgrade")
      return refuse(at, "is no header that may be set");
    if (!http::valid_field_value(header.value())) return refuse(at, "is no header value");
    if (header.value().find('%') != std::string::npos)
      return refuse(at, "command operators (%...%) are not supported");
    into.headers.emplace_back(std::move(name), header.value());
  }
  return {};
}

template <class Ranges>
Result<void> decode_ranges(const Ranges& ranges, const std::string& path,
                           std::vector<HealthCheck::StatusRange>& into) {
  if (ranges.empty()) return {};
  into.clear();
  for (int i = 0; i < ranges.size(); ++i) {
    const auto& range = ranges.Get(i);
    // Envoy: [100, 600), not empty.
    if (range.start() < 100 || range.end() > 600 || range.start() >= range.end())
      return refuse(at_index(path, i), "is start to before end, within 100 to 600");
    into.push_back({uint16_t(range.start()), uint16_t(range.end())});
  }
  return {};
}

Result<void> decode_http(const core::HealthCheck::HttpHealthCheck& from, const std::string& path,
                         HealthCheck& into) {
  into.kind = HealthCheck::Kind::Http;
  into.host = from.host();
  into.path = from.path();
  if (!into.path.starts_with('/')) return refuse(path_of(path, "path"), "begins with /");
  for (const std::string* text : {&into.host, &into.path})
    if (std::any_of(text->begin(), text->end(),
                    [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; }))
      return refuse(path, "host and path have no blanks and no control characters");
  MESH_TRY_VOID(
      decode_headers(from.request_headers_to_add(), path_of(path, "request_headers_to_add"), into));
  for (const auto& name : from.request_headers_to_remove())
    into.headers_removed.push_back(text::to_lower(name));
  MESH_TRY_VOID(
      decode_ranges(from.expected_statuses(), path_of(path, "expected_statuses"), into.expected));
  MESH_TRY_VOID(decode_ranges(from.retriable_statuses(), path_of(path, "retriable_statuses"),
                              into.retriable));
  switch (from.codec_client_type()) {
    case envoy::type::v3::HTTP1: break;
    case envoy::type::v3::HTTP2: into.http2 = true; break;
    default: return refuse(path_of(path, "codec_client_type"), "is HTTP1 or HTTP2");
  }
  switch (from.method()) {
    case core::METHOD_UNSPECIFIED: break;
    case core::GET:
    case core::HEAD:
    case core::OPTIONS:
    case core::POST:
    case core::PUT:
    case core::DELETE:
    case core::PATCH: into.method = core::RequestMethod_Name(from.method()); break;
    default: return refuse(path_of(path, "method"), "is no method of a health check");
  }
  return {};
}

Result<void> decode_tcp(const core::HealthCheck::TcpHealthCheck& from, const std::string& path,
                        HealthCheck& into) {
  into.kind = HealthCheck::Kind::Tcp;
  if (from.has_send()) {
    MESH_TRY(into.send, decode_payload(from.send(), path_of(path, "send")));
  }
  size_t sum = 0;
  for (int i = 0; i < from.receive_size(); ++i) {
    MESH_TRY(auto bytes, decode_payload(from.receive(i), path_of(path, "receive", i)));
    sum += bytes.size();
    into.receive.push_back(std::move(bytes));
  }
  if (sum > kPayloadBytesMax) return refuse(path_of(path, "receive"), "is over 64 KiB");
  return {};
}

Result<void> decode_intervals(const core::HealthCheck& from, const std::string& path,
                              resilience::HealthCheckPolicy& to) {
  struct Field {
    const char* name;
    bool has;
    const google::protobuf::Duration& from;
    Duration& to;
    bool zero;
  };
  const auto take = [&](const Field& field) -> Result<void> {
    if (!field.has) return {};
    const std::string at = path_of(path, field.name);
    MESH_TRY(field.to, decode_duration(field.from, at));
    if (!field.zero && field.to <= Duration(0)) return refuse(at, "is over 0");
    return {};
  };
#define MESH_FIELD(field, zero) \
  MESH_TRY_VOID(take({#field, from.has_##field(), from.field(), to.field, zero}))
  if (!from.has_timeout() || !from.has_interval())
    return refuse(path, "timeout and interval are required");
  MESH_FIELD(timeout, false);
  MESH_FIELD(interval, false);
  MESH_FIELD(initial_jitter, true);
  MESH_FIELD(interval_jitter, true);
  MESH_FIELD(no_traffic_interval, false);
  to.no_traffic_healthy_interval = to.no_traffic_interval;
  MESH_FIELD(no_traffic_healthy_interval, false);
  to.unhealthy_interval = to.interval;
  MESH_FIELD(unhealthy_interval, false);
  to.unhealthy_edge_interval = to.unhealthy_interval;
  MESH_FIELD(unhealthy_edge_interval, false);
  to.healthy_edge_interval = to.interval;
  MESH_FIELD(healthy_edge_interval, false);
#undef MESH_FIELD
  to.interval_jitter_percent = from.interval_jitter_percent();
  if (to.interval_jitter_percent > 1000)
    return refuse(path_of(path, "interval_jitter_percent"), "is 0 to 1000");
  if (!from.has_unhealthy_threshold() || !from.has_healthy_threshold())
    return refuse(path, "unhealthy_threshold and healthy_threshold are required");
  to.unhealthy_threshold = std::max(from.unhealthy_threshold().value(), 1U);
  to.healthy_threshold = std::max(from.healthy_threshold().value(), 1U);
  return {};
}

}  // namespace

Result<HealthCheck> decode_health_check(const core::HealthCheck& from, const std::string& path) {
  HealthCheck to;
  MESH_TRY_VOID(decode_intervals(from, path, to.policy));
  to.reuse_connection = !from.has_reuse_connection() || from.reuse_connection().value();
  if (from.alt_port().value() > UINT16_MAX) return refuse(path_of(path, "alt_port"), "is no port");
  to.alt_port = uint16_t(from.alt_port().value());
  to.event_log_path = from.event_log_path();
  to.always_log_failures = from.always_log_health_check_failures();
  to.always_log_success = from.always_log_health_check_success();
  switch (from.health_checker_case()) {
    case core::HealthCheck::kHttpHealthCheck:
      MESH_TRY_VOID(decode_http(from.http_health_check(), path_of(path, "http_health_check"), to));
      break;
    case core::HealthCheck::kTcpHealthCheck:
      MESH_TRY_VOID(decode_tcp(from.tcp_health_check(), path_of(path, "tcp_health_check"), to));
      break;
    case core::HealthCheck::kGrpcHealthCheck: {
      const auto& grpc = from.grpc_health_check();
      to.kind = HealthCheck::Kind::Grpc;
      to.grpc_service = grpc.service_name();
      to.authority = grpc.authority();
      MESH_TRY_VOID(decode_headers(grpc.initial_metadata(),
                                   path_of(path, "grpc_health_check.initial_metadata"), to));
      break;
    }
    default:
      return refuse(path, "expected http_health_check, tcp_health_check or grpc_health_check");
  }
  return to;
}

}  // namespace mesh::xds
