// LeastRequest: the least busy of a few hosts drawn at random.
//
// Two choices are enough to keep any host from piling up, and need no order
// over all of them (Mitzenmacher; Envoy's choice_count). With weights the draw is
// by weight and busy means requests in flight per weight; Envoy schedules by
// weight/(active+1) instead, which comes to the same shares.
#pragma once

#include "balance/picker.h"
#include "balance/weighted.h"

namespace mesh::balance {

class LeastRequest final : public Picker {
 public:
  LeastRequest(std::vector<Host> hosts, const Options& options);

 private:
  HostIndex choose(Random& random) override;
  void rebuild() override;
  HostIndex draw(Random& random);
  uint64_t active(HostIndex i) const;

  const uint32_t choices_;
  Weighted weighted_;
};

}  // namespace mesh::balance
