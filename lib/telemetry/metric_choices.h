// MetricChoices: which standard metrics a forwarder shows, and with which labels
// (Istio, Telemetry.metrics.overrides).
//
// Counted is always all. The choices hold where totals leave the forwarder, for what
// was counted before too, so that a request pays for them only where a tag needs what
// is known of it alone. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/tag_value.h"

namespace mesh::telemetry {

struct Snapshot;

// The first four are of requests, the others of TCP.
enum class Metric : uint8_t {
  Requests,
  Duration,
  RequestBytes,
  ResponseBytes,
  TcpOpened,
  TcpClosed,
  TcpSent,
  TcpReceived,
};
inline constexpr size_t kMetrics = 8;
inline constexpr size_t kTagsMax = 32;           // changed, of a metric
inline constexpr size_t kRequestValuesMax = 16;  // that tags need of a request, in all

// "istio_requests_total", ...
std::string_view name(Metric metric);
// False where there is no such metric.
bool find_metric(std::string_view name, Metric& out);
bool is_of_tcp(Metric metric);

// Its bit in RequestTotals.hidden or TcpTotals.hidden.
constexpr uint8_t bit_of(Metric metric) { return uint8_t(1U << (unsigned(metric) % 4)); }

// [a-zA-Z_][a-zA-Z0-9_]*, at most 64 bytes, and neither "le" nor begun by "__",
// which are Prometheus's own.
bool valid_tag_name(std::string_view name);

struct MetricChoice {
  struct Tag {
    std::string name;               // a standard label's, or another
    std::optional<TagValue> value;  // none: the label is left out
    bool operator==(const Tag&) const = default;
  };
  bool disabled = false;
  std::vector<Tag> tags = {};  // each name once
  bool operator==(const MetricChoice&) const = default;
};

struct MetricChoices {
  std::array<MetricChoice, kMetrics> of = {};
  // What the tags need of a request, each once: what Scope::with() is given.
  std::vector<TagValue> of_request = {};
  bool operator==(const MetricChoices&) const = default;
  const MetricChoice& operator[](Metric metric) const { return of[size_t(metric)]; }

  // Fills of_request from the tags. Errc::TooBig: over kRequestValuesMax.
  Result<void> gather();
};

// Has them hold for what was collected: `source` for what was counted as reporter
// "source", the other for the rest; null: all, as it was counted.
void apply(const MetricChoices* source, const MetricChoices* destination, Snapshot& totals);

}  // namespace mesh::telemetry
