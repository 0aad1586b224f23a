// StatefulSessionFilter: a client's requests go to the host that answered the first.
//
// Envoy, "Stateful session": the host's address is in a cookie (a protobuf
// envoy.Cookie in base64) or a field (in base64), which the client sends back. A
// request whose host is gone goes where balancing sends it, and is told the new one;
// with `strict` it fails. One configuration, all workers.
#pragma once

#include "forward/filter/filter.h"
#include "route/stateful_session.h"

namespace mesh::forward::filter {

class StatefulSessionFilter final : public Filter {
 public:
  explicit StatefulSessionFilter(route::StatefulSession config);

  Verdict on_request(Context& context, Slot& slot) const override;
  void on_response(Context& context, Slot& slot, http::ResponseHead& head) const override;

 private:
  const route::StatefulSession config_;
};

}  // namespace mesh::forward::filter
