#include "resilience/deadline.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace mesh::resilience {

namespace {

constexpr Duration kLongest = std::chrono::hours(87600);

// `value` less `offset`, where that leaves anything: 0 would be without end.
Duration less(Duration value, Duration offset) { return offset < value ? value - offset : value; }

}  // namespace

Timeouts timeouts(const TimeoutRules& rules, const TimeoutAsked& asked) {
  constexpr Duration kNone = Duration::zero();
  Timeouts result{rules.request, rules.per_try};
  if (asked.grpc && rules.max_grpc_timeout) {
    result.request = less(asked.grpc_timeout.value_or(kNone), rules.grpc_timeout_offset);
    const Duration most = *rules.max_grpc_timeout;
    if (most != kNone && (result.request == kNone || result.request > most)) result.request = most;
  }
  if (asked.expected)
    result.request = *asked.expected;
  else if (asked.request)
    result.request = *asked.request;
  if (asked.per_try) result.per_try = *asked.per_try;
  if (result.request > kNone && result.per_try >= result.request) result.per_try = kNone;
  return result;
}

Duration expected_timeout(const Timeouts& timeouts, Duration elapsed, bool hedging) {
  constexpr Duration kLeast = std::chrono::milliseconds(1);
  const bool whole = hedging || timeouts.per_try == Duration::zero();
  const Duration expected = whole ? timeouts.request : timeouts.per_try;
  if (expected == Duration::zero() || timeouts.request == Duration::zero()) return expected;
  if (elapsed >= timeouts.request) return kLeast;  // our own timer is about to fire
  return std::max(kLeast, std::min(expected, timeouts.request - elapsed));
}

Duration stream_duration(const StreamDurationRules& rules, std::optional<Duration> grpc_timeout) {
  if (!grpc_timeout || !rules.grpc_timeout_header_max) return rules.route.value_or(rules.manager);
  Duration result = *grpc_timeout;
  const Duration most = *rules.grpc_timeout_header_max;
  if (most != Duration::zero()) result = std::min(result, most);
  // What is over at once still takes a moment: zero would be without end.
  const Duration offset = rules.grpc_timeout_header_offset;
  return std::max<Duration>(result - std::min(result, offset), std::chrono::milliseconds(1));
}

std::optional<Duration> parse_grpc_timeout(std::string_view value) {
  if (value.size() < 2 || value.size() > 9) return std::nullopt;
  const auto number = text::parse_uint(value.substr(0, value.size() - 1));
  if (!number) return std::nullopt;
  const auto n = int64_t(*number);
  switch (value.back()) {
    // A hundred years of hours and more are as good as ten years.
    case 'H': return std::min<Duration>(std::chrono::hours(std::min<int64_t>(n, 87600)), kLongest);
    case 'M': return std::min<Duration>(std::chrono::minutes(n), kLongest);
    case 'S': return std::min<Duration>(std::chrono::seconds(n), kLongest);
    case 'm': return std::chrono::milliseconds(n);
    case 'u': return std::chrono::microseconds(n);
    case 'n': return std::chrono::nanoseconds(n);
    default: return std::nullopt;
  }
}

std::string_view format_grpc_timeout(Duration timeout, char* into) {
  constexpr int64_t kMost = 99'999'999;
  struct Unit {
    int64_t ms;
    char letter;
  };
  constexpr Unit kUnits[] = {{1, 'm'}, {1000, 'S'}, {60'000, 'M'}, {3'600'000, 'H'}};
  const int64_t ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  for (const Unit& unit : kUnits) {
    const int64_t count = ms / unit.ms;
    if (count > kMost && unit.letter != 'H') continue;
    char* const end = std::to_chars(into, into + kGrpcTimeoutBytes, std::min(count, kMost)).ptr;
    *end = unit.letter;
    return {into, size_t(end + 1 - into)};
  }
  return {};
}

std::optional<Duration> parse_timeout_ms(std::string_view value) {
  constexpr uint64_t kDayMs = 24ULL * 3600 * 1000;
  const auto ms = text::parse_uint(value, kDayMs);
  if (!ms) return std::nullopt;
  return std::chrono::milliseconds(*ms);
}

Duration remaining(Instant deadline, Instant now) {
  if (deadline == Instant::max()) return Duration::max();
  return deadline > now ? deadline - now : Duration::zero();
}

Instant deadline_after(Instant now, Duration timeout) {
  if (timeout <= Duration::zero() || timeout > Instant::max() - now) return Instant::max();
  return now + timeout;
}

}  // namespace mesh::resilience
