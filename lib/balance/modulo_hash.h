// ModuloHash: the hash modulo the number of hosts, in order of their keys.
//
// Perfectly even and free of tables, but nearly all keys move when a host comes
// or goes: for sets of hosts that hardly change, and for what expects it of its
// clients. Weights do not count. Ours: Envoy has none. O(1).
#pragma once

#include "balance/hash_picker.h"

namespace mesh::balance {

class ModuloHash final : public HashPicker {
 public:
  explicit ModuloHash(const HashOptions& options) : HashPicker(options) {}

 private:
  size_t place(uint64_t hash, uint32_t attempt) const override;
  void rebuild() override;

  std::vector<uint32_t> order_;
};

}  // namespace mesh::balance
