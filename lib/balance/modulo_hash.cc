#include "balance/modulo_hash.h"

#include <algorithm>
#include <numeric>

namespace mesh::balance {

void ModuloHash::rebuild() {
  HashPicker::rebuild();
  order_.resize(members_.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::sort(order_.begin(), order_.end(),
            [&](uint32_t a, uint32_t b) { return members_[a].key < members_[b].key; });
}

size_t ModuloHash::place(uint64_t hash, uint32_t attempt) const {
  return order_[size_t((hash + attempt) % order_.size())];
}

}  // namespace mesh::balance
