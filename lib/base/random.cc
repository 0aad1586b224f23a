#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

namespace mesh {

Random::Random(uint64_t seed) {
  // splitmix64, as the generator's authors advise for filling the state.
  for (uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

Random Random::from_system() {
  uint64_t seed = 0;
  MESH_CHECK(getrandom(&seed, sizeof seed, 0) == ssize_t(sizeof seed));
  return Random(seed);
}

}  // namespace mesh
