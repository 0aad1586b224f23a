#include "balance/ring_hash.h"

#include <algorithm>

namespace mesh::balance {

void RingHash::rebuild() {
  HashPicker::rebuild();
  table_ = table(Algorithm::RingHash);
}

size_t RingHash::place(uint64_t hash, uint32_t attempt) const {
  const auto& ring = table_->ring;
  const auto found = std::lower_bound(
      ring.begin(), ring.end(), hash,
      [](const HashTable::Point& point, uint64_t value) { return point.hash < value; });
  const size_t at = found == ring.end() ? 0 : size_t(found - ring.begin());
  return ring[(at + attempt) % ring.size()].member;
}

}  // namespace mesh::balance
