// RandomPicker: any host, by weight the heavier more often.
#pragma once

#include "balance/picker.h"
#include "balance/weighted.h"

namespace mesh::balance {

class RandomPicker final : public Picker {
 public:
  RandomPicker(std::vector<Host> hosts, const Options& options);

 private:
  HostIndex choose(Random& random) override;
  void rebuild() override;

  Weighted weighted_;
};

}  // namespace mesh::balance
