// RingHash: the host whose point on a ring follows the request's hash (Ketama).
// When one of n hosts goes, only its keys move. O(log size of the ring).
#pragma once

#include "balance/hash_picker.h"

namespace mesh::balance {

class RingHash final : public HashPicker {
 public:
  RingHash(const HashOptions& options, HashTables* tables) : HashPicker(options, tables) {}

 private:
  size_t place(uint64_t hash, uint32_t attempt) const override;
  void rebuild() override;

  std::shared_ptr<const HashTable> table_;
};

}  // namespace mesh::balance
