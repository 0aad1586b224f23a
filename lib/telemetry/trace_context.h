// Trace context: W3C traceparent and tracestate, carried and continued.
//
// https://www.w3.org/TR/trace-context/ (version 00). A malformed traceparent is
// as good as none: a new trace begins and tracestate is dropped (section 3.2).
// Pure, no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/random.h"

namespace mesh::telemetry {

struct TraceContext {
  std::array<uint8_t, 16> trace_id{};  // not all zero
  std::array<uint8_t, 8> parent_id{};  // not all zero
  bool sampled = false;
};

// Strict: lower-case hex, exact length for version 00; of a higher version only
// what version 00 would read; version ff and zero ids are refused.
std::optional<TraceContext> parse_traceparent(std::string_view value);

// A trace of our own beginning here.
TraceContext new_trace(bool sampled, Random& random);
// The same trace, our span as the parent.
TraceContext child_of(const TraceContext& parent, Random& random);

inline constexpr size_t kTraceparentBytes = 55;
// "00-TRACE-PARENT-FLAGS"; the view is into `buffer`.
std::string_view format_traceparent(const TraceContext& context,
                                    std::array<char, kTraceparentBytes>& buffer);

// At most 512 bytes and 32 members of key=value in the language of section 3.3.1.
bool valid_tracestate(std::string_view value);

}  // namespace mesh::telemetry
