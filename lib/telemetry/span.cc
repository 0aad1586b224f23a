#include "telemetry/span.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace mesh::telemetry {

void SpanBatch::put(std::string_view text) {
  const auto length = uint16_t(std::min(text.size(), kTextMax));
  char prefix[2];
  std::memcpy(prefix, &length, 2);
  bytes_.append(prefix, 2).append(text.substr(0, length));
}

void SpanBatch::begin(const Head& head, std::string_view name, std::string_view trace_state) {
  MESH_CHECK(!full());
  spans_.push_back({head, uint32_t(bytes_.size()), 0});
  put(name);
  put(trace_state);
}

void SpanBatch::tag(std::string_view name, std::string_view value) {
  MESH_CHECK(!spans_.empty());
  put(name);
  put(value);
  ++spans_.back().tags;
}

void SpanBatch::read(const Record& record, Span& span) const {
  size_t at = record.begin;
  const auto text = [&] {
    uint16_t length = 0;
    std::memcpy(&length, bytes_.data() + at, 2);
    at += 2 + size_t(length);
    return std::string_view(bytes_).substr(at - length, length);
  };
  span.head = record.head;
  span.name = text();
  span.trace_state = text();
  span.tags.clear();
  for (uint32_t i = 0; i < record.tags; ++i) {
    const std::string_view name = text();
    const std::string_view value = text();
    span.tags.emplace_back(name, value);
  }
}

}  // namespace mesh::telemetry
