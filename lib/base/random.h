// Random: a small fast generator (xoshiro256**), one per worker.
//
// Not for secrets: keys and tokens come from OpenSSL. A given seed gives the
// same sequence on every machine, so a failing test replays.
#pragma once

#include <cstdint>

namespace mesh {

class Random {
 public:
  explicit Random(uint64_t seed);

  // Seeded by the kernel (getrandom).
  static Random from_system();

  // 64 uniform bits.
  uint64_t next() {
    const uint64_t result = rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound); bound 0 gives 0. Bias below 2^-32 for 32-bit bounds.
  uint64_t below(uint64_t bound) {
    return uint64_t((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }

  // Uniform in [0, 1).
  double unit() { return double(next() >> 11) * 0x1.0p-53; }

 private:
  static uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

  uint64_t state_[4];
};

}  // namespace mesh
