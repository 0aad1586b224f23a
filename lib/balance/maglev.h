// Maglev: the host whose slot in a table of a prime size the request's hash hits.
// More even than a ring, and moves a little more when hosts go. O(1).
#pragma once

#include "balance/hash_picker.h"

namespace mesh::balance {

// Whether a table can have this size: a prime of at most kTableSizeMax.
bool is_table_size(uint64_t size);

class Maglev final : public HashPicker {
 public:
  Maglev(const HashOptions& options, HashTables* tables) : HashPicker(options, tables) {}

 private:
  size_t place(uint64_t hash, uint32_t attempt) const override;
  void rebuild() override;

  std::shared_ptr<const HashTable> table_;
};

}  // namespace mesh::balance
