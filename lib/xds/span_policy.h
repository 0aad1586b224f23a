// SpanPolicy: what the spans of a connection manager's requests are like
// (HttpConnectionManager.Tracing with a provider; config.trace.v3.OpenTelemetryConfig).
//
// A value, shared by all workers as const.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "telemetry/access_log.h"

namespace mesh::xds {

// A tag beside the standard ones: envoy.type.tracing.v3.CustomTag. What is empty is left out,
// but for a literal.
struct SpanTag {
  std::string name;
  enum class Kind : uint8_t { Literal, Header, Format } kind = Kind::Literal;
  std::string text;                // Literal: the value; Header: the field's name in lower case
  std::string otherwise;           // Header: where there is no such field
  telemetry::AccessFormat format;  // Format
};

// Where the spans go, for a forwarder that exports them itself.
struct SpanCollector {
  std::string cluster;
  bool http = false;  // OTLP over HTTP, else over gRPC
  std::string authority;
  std::string path;
  Duration timeout{0};  // 0: the exporter's own
  std::vector<std::pair<std::string, std::string>> headers;
  bool operator==(const SpanCollector&) const = default;
};

struct SpanPolicy {
  static constexpr uint32_t kPathBytes = 256;  // Envoy's max_path_tag_length

  std::string service;  // the resource's service.name
  SpanCollector collector;
  uint32_t path_bytes_max = kPathBytes;  // of the path within http.url
  std::vector<SpanTag> tags;
};

}  // namespace mesh::xds
