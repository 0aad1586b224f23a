// HeldRoutes: while a snapshot is built, the virtual hosts that stay as they were because what they
// are now leads to a cluster that is cold.
//
// So a route that moves from a cluster that serves to another one does so when that is ready, and
// nothing else waits. Main thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "forward/snapshot.h"

namespace mesh::forward {

class HeldRoutes {
 public:
  // `former` is in use, `next` has its clusters. Both outlive us.
  HeldRoutes(const Snapshot& former, const Snapshot& next) : former_(former), next_(next) {}

  // What the chain of that listener is to have in the place of `routes`.
  std::shared_ptr<const route::Table> use(const std::string& listener, const std::string& chain,
                                          const std::shared_ptr<const route::Table>& routes);
  // Whether it was another one.
  bool any() const { return any_; }

 private:
  const route::Table* former_of(const std::string& listener, const std::string& chain,
                                const std::string& name) const;

  const Snapshot& former_;
  const Snapshot& next_;
  // What several chains share is made once.
  std::map<std::pair<const route::Table*, const route::Table*>, std::shared_ptr<const route::Table>>
      made_;
  bool any_ = false;
};

}  // namespace mesh::forward
