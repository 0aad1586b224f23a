#include "resilience/backoff.h"

#include <algorithm>

#include "base/text.h"

namespace mesh::resilience {

Duration backoff(uint32_t retry, Duration base, Duration max, Random& random) {
  if (base <= Duration::zero() || retry == 0) return Duration::zero();
  max = std::max(max, base);
  // 2^n - 1 without overflow: past the maximum the exponent does not matter.
  const uint64_t steps = retry >= 63 ? UINT64_MAX : (uint64_t(1) << retry) - 1;
  const uint64_t unit = uint64_t(base.count());
  const uint64_t most = uint64_t(max.count());
  const uint64_t span = steps > most / unit ? most : std::min(steps * unit, most);
  return Duration(int64_t(random.below(span)));
}

std::optional<Duration> parse_reset(ResetHeader::Format format, std::string_view value,
                                    WallTime now) {
  constexpr uint64_t kSecondsMax = 100ULL * 365 * 86400;  // of the epoch too
  using std::chrono::seconds;
  const auto number = text::parse_uint(text::trim(value), kSecondsMax);
  if (!number) return std::nullopt;
  const seconds asked{int64_t(*number)};
  if (format == ResetHeader::Format::Seconds) return asked;
  const auto since = std::chrono::duration_cast<seconds>(now.time_since_epoch());
  if (asked < since) return std::nullopt;
  return asked - since;
}

Duration rate_limited_backoff(Duration least, Random& random) {
  if (least <= Duration::zero()) return Duration::zero();
  return least + Duration(int64_t(random.below(uint64_t(least.count()) / 2)));
}

}  // namespace mesh::resilience
