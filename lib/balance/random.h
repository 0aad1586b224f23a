// RandomPicker: any host, by weight the heavier more often. O(1).
#pragma once

#include "balance/picker.h"
#include "balance/weighted.h"

namespace mesh::balance {

class RandomPicker final : public Picker {
 public:
  HostIndex choose(Random& random, uint64_t hash, uint32_t attempt) override;

 private:
  void rebuild() override;

  Weighted weighted_;
};

}  // namespace mesh::balance
