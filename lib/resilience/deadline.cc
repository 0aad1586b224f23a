#include "resilience/deadline.h"

#include "base/text.h"

namespace mesh::resilience {

Timeouts timeouts(Duration route, Duration per_try, std::optional<Duration> asked) {
  Timeouts result{asked.value_or(route), per_try};
  if (result.request > Duration::zero() && result.per_try >= result.request)
    result.per_try = Duration::zero();
  return result;
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
