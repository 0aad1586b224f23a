#include "forward/held_routes.h"

#include "route/hold_back.h"

namespace mesh::forward {

std::shared_ptr<const route::Table> HeldRoutes::use(
    const std::string& listener, const std::string& chain,
    const std::shared_ptr<const route::Table>& routes) {
  const route::Table* const former = former_of(listener, chain, routes->name());
  if (former == nullptr || former == routes.get()) return routes;
  auto& made = made_[{former, routes.get()}];
  if (made == nullptr)
    made = route::hold_back(routes, *former, [this](const std::string& cluster) {
      const auto found = next_.clusters.find(cluster);
      return found != next_.clusters.end() && !found->second->cold;
    });
  any_ |= made != routes;
  return made;
}

const route::Table* HeldRoutes::former_of(const std::string& listener, const std::string& chain,
                                          const std::string& name) const {
  const ListenerSpec* const spec = former_.listener(listener);
  if (spec == nullptr) return nullptr;
  for (const ChainSpec& one : spec->chains)
    if (one.routes && one.config->name == chain && one.routes->name() == name)
      return one.routes.get();
  return nullptr;
}

}  // namespace mesh::forward
