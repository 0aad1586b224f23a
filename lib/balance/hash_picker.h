// HashPicker: what the algorithms by hash have in common: bounded load.
//
// No host gets more than hash_balance_factor percent of the mean load of its
// share: then others are asked in an order that the hash fixes, so that the same
// key overflows to the same hosts (Mirrokni et al., arXiv:1608.01350; a random
// order avoids cascades, arXiv:1908.08762). Envoy's formula. O(1), O(n) while
// hosts are over their bound.
#pragma once

#include <memory>

#include "balance/hash_tables.h"
#include "balance/picker.h"

namespace mesh::balance {

class HashPicker : public Picker {
 public:
  HostIndex choose(Random& random, uint64_t hash, uint32_t attempt) final;

 protected:
  explicit HashPicker(const HashOptions& options, HashTables* tables = nullptr)
      : options_(options), tables_(tables) {}

  // The place of a member.
  virtual size_t place(uint64_t hash, uint32_t attempt) const = 0;
  void rebuild() override;
  std::shared_ptr<const HashTable> table(Algorithm algorithm) const;

  const HashOptions options_;

 private:
  size_t bounded(size_t first, uint64_t hash) const;
  // Over 1: at its bound.
  double overload(const Member& member, uint64_t total) const;

  HashTables* const tables_;
  double sum_ = 0;  // of the weights
};

}  // namespace mesh::balance
