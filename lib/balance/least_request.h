// LeastRequest: the least busy of a few hosts drawn at random, or of all.
//
// Two choices are enough to keep any host from piling up, and need no order
// over all of them (Mitzenmacher; Envoy's choice_count). With weights the draw is
// by weight and busy means requests in flight per weight, to the power of
// active_request_bias; Envoy schedules by weight/(active+1)^bias instead, which
// comes to the same shares. Over all hosts (Envoy's FULL_SCAN) ties are broken by
// chance. O(choices), O(n) over all.
#pragma once

#include "balance/picker.h"
#include "balance/weighted.h"

namespace mesh::balance {

class LeastRequest final : public Picker {
 public:
  explicit LeastRequest(const LeastRequestOptions& options);

  HostIndex choose(Random& random, uint64_t hash, uint32_t attempt) override;

 private:
  void rebuild() override;
  const Member& draw(Random& random) const;
  const Member& scan(Random& random) const;
  bool less_busy(const Member& a, const Member& b) const;

  const LeastRequestOptions options_;
  Weighted weighted_;
};

}  // namespace mesh::balance
