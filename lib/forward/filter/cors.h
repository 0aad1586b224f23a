// Cors: which pages of other origins may call, told to their browsers.
//
// Envoy's CORS filter: a preflight (OPTIONS with Origin and
// Access-Control-Request-Method) of an allowed origin is answered here; answers to
// other requests of it get the grants. Nobody is refused: browsers do that.
#pragma once

#include <memory>

#include "forward/filter/filter.h"
#include "route/actions.h"

namespace mesh::forward::filter {

class Cors final : public Filter {
 public:
  // Null where the policy is in force for nothing. `config` holds the CorsPolicy.
  static std::shared_ptr<const Filter> make(std::shared_ptr<const route::FilterConfig> config);

  Cors(std::shared_ptr<const route::FilterConfig> config, const route::CorsPolicy& policy)
      : Filter(kRequest | kResponse), config_(std::move(config)), policy_(policy) {}

  Verdict on_request(Context& context, Slot& slot) const override;
  void on_response(Context& context, Slot& slot, http::ResponseHead& head) const override;

 private:
  const std::shared_ptr<const route::FilterConfig> config_;  // what policy_ is in
  const route::CorsPolicy& policy_;
};

}  // namespace mesh::forward::filter
