// Fault: delays and aborts on purpose, to test those who call.
//
// Envoy's HTTP fault filter, but below retries and timeouts: each try is drawn
// anew, an abort is retried where the policy says so, a delay counts against the
// timeouts.
#pragma once

#include "forward/filter/filter.h"

namespace mesh::forward::filter {

class Fault final : public Filter {
 public:
  Verdict on_try(Context& context) const override;
};

}  // namespace mesh::forward::filter
