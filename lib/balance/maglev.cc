#include "balance/maglev.h"

namespace mesh::balance {

bool is_table_size(uint64_t size) {
  if (size < 2 || size > kTableSizeMax) return false;
  for (uint64_t i = 2; i * i <= size; ++i)
    if (size % i == 0) return false;
  return true;
}

void Maglev::rebuild() {
  HashPicker::rebuild();
  table_ = table(Algorithm::Maglev);
}

// Another attempt has another hash, Envoy's.
size_t Maglev::place(uint64_t hash, uint32_t attempt) const {
  if (attempt > 0) hash ^= UINT64_MAX - attempt + 1;
  return table_->slots[size_t(hash % table_->slots.size())];
}

}  // namespace mesh::balance
