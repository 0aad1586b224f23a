// HealthCheck: an active health check of a cluster, as a value.
//
// Names and defaults are Envoy's (config.core.v3 HealthCheck).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "resilience/health_check.h"

namespace mesh::xds {

struct HealthCheck {
  enum class Kind : uint8_t { Http, Tcp, Grpc };
  // [from, to)
  struct StatusRange {
    uint16_t from = 200;
    uint16_t to = 201;
    bool operator==(const StatusRange&) const = default;
  };

  Kind kind = Kind::Http;
  resilience::HealthCheckPolicy policy;
  bool reuse_connection = true;
  uint16_t alt_port = 0;  // 0: the endpoint's
  std::string event_log_path;
  bool always_log_failures = false;
  bool always_log_success = false;

  // HTTP. Host: this, else the endpoint's hostname, else the cluster's name.
  std::string host;
  std::string path;
  std::string method = "GET";
  bool http2 = false;  // prior knowledge; under TLS what ALPN says
  std::vector<std::pair<std::string, std::string>> headers;  // also gRPC's initial metadata
  std::vector<std::string> headers_removed;
  std::vector<StatusRange> expected{StatusRange{}};
  std::vector<StatusRange> retriable;

  // TCP: bytes to send (none: only connect), and what must come, in this order.
  std::string send;
  std::vector<std::string> receive;

  // gRPC. authority: this, else as for HTTP.
  std::string grpc_service;
  std::string authority;

  bool operator==(const HealthCheck&) const = default;
};

}  // namespace mesh::xds
