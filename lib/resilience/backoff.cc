#include "resilience/backoff.h"

#include <algorithm>

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

}  // namespace mesh::resilience
