// Spans: what happened in one request, as part of a trace
// (opentelemetry.io/docs/specs/otel/trace/api; attributes are strings, as Envoy's are).
//
// Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace mesh::telemetry {

// Where a span stands in its trace. All zero: there is none.
struct SpanContext {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> span_id{};
  std::array<uint8_t, 8> parent_id{};  // all zero: the trace begins with it

  bool root() const { return parent_id == std::array<uint8_t, 8>{}; }
};

enum class SpanKind : uint8_t { Server, Client };

// Spans of one service that are over, on their way to who exports them.
//
// Flat and bounded: a span costs no allocation once the batch is warm, and what does not fit
// is refused as a whole.
class SpanBatch {
 public:
  static constexpr size_t kSpansMax = 256;
  static constexpr size_t kBytesMax = 256 * 1024;
  static constexpr size_t kTextMax = 4096;  // of a value; the rest is cut

  struct Head {
    SpanContext context;
    SpanKind kind = SpanKind::Server;
    bool error = false;
    WallTime start{};
    Duration duration{0};
  };
  // Views are valid for the call that gives it.
  struct Span {
    Head head;
    std::string_view name;
    std::string_view trace_state;
    std::vector<std::pair<std::string_view, std::string_view>> tags;
  };

  // The resource's service.name, and the cluster of the collector where one is named.
  SpanBatch(std::string service, std::string collector)
      : service_(std::move(service)), collector_(std::move(collector)) {}

  const std::string& service() const { return service_; }
  const std::string& collector() const { return collector_; }
  size_t size() const { return spans_.size(); }
  bool empty() const { return spans_.empty(); }
  // The next span begins a new batch.
  bool full() const { return spans_.size() >= kSpansMax || bytes_.size() >= kBytesMax; }

  // Begins a span; tag() adds to it until the next begin(). Not on a full batch.
  void begin(const Head& head, std::string_view name, std::string_view trace_state);
  // Names differ from those that the span has, else the first counts (see for_each).
  void tag(std::string_view name, std::string_view value);

  template <class Take>  // Take(const Span&)
  void for_each(const Take& take) const {
    Span span;
    for (const Record& record : spans_) {
      read(record, span);
      take(span);
    }
  }

 private:
  struct Record {
    Head head;
    uint32_t begin = 0;  // in bytes_: name, trace state, and pairs of tags
    uint32_t tags = 0;
  };
  void put(std::string_view text);
  void read(const Record& record, Span& span) const;

  std::string service_;
  std::string collector_;
  std::vector<Record> spans_;
  std::string bytes_;  // texts, each behind its length in two bytes
};

}  // namespace mesh::telemetry
