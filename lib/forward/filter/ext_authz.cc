#include "forward/filter/ext_authz.h"

namespace mesh::forward::filter {

std::shared_ptr<const Filter> ExtAuthzFilter::make(std::shared_ptr<const authz::ExtAuthz> config,
                                                   std::shared_ptr<ExtAuthzCounts> counts) {
  if (config->cluster.empty()) return nullptr;
  const unsigned used = config->clear_route_cache ? kRequest | kReroute : kRequest;
  return std::make_shared<ExtAuthzFilter>(Ask{std::move(config), std::move(counts)}, used);
}

Verdict ExtAuthzFilter::on_request(Context& context, Slot&) const {
  if (asks(*ask_.config, *context.shadow)) return {.ask = &ask_};
  ask_.counts->counts.add(ExtAuthzCounts::Disabled);
  return {};
}

}  // namespace mesh::forward::filter
