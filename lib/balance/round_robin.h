// RoundRobin: each host in its turn, by weight the heavier more often.
//
// With one weight a counter. Else earliest deadline first, as Envoy: a host of
// weight w is due every 1/w, and the one that is due first is picked, so that
// 3:1 gives a a b a and not a a a b. O(log n).
#pragma once

#include <vector>

#include "balance/picker.h"

namespace mesh::balance {

class RoundRobin final : public Picker {
 public:
  RoundRobin(std::vector<Host> hosts, const Options& options);

 private:
  struct Due {
    double at;
    HostIndex host;
  };
  HostIndex choose(Random& random) override;
  void rebuild() override;
  void sift_down(size_t i);

  uint64_t next_;  // with one weight
  uint64_t seed_;
  std::vector<Due> heap_;  // with several: the first is due first
};

}  // namespace mesh::balance
