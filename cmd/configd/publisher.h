// Publisher: the accepted set as a watch. One resource an object, named
// KIND/NAMESPACE/NAME, its body a mesh.config.v1.Object; the marker is the
// generation. One thread, the loop's.
#pragma once

#include <set>
#include <string>

#include "bus/watch.h"
#include "config/object_set.h"

namespace mesh::configd {

class Publisher final : public bus::WatchProvider {
 public:
  // From now on this is the set. Tells the watchers what changed. Before the
  // first call nothing is marked: there is no generation.
  void publish(const config::ObjectSet& set);

  size_t watchers() const { return watchers_.size(); }

 private:
  Result<void> on_open(bus::Watcher& watcher) override;
  void on_subscribe(bus::Watcher& watcher, const std::vector<std::string>& names) override;
  void on_nack(bus::Watcher& watcher, std::string_view name, std::string_view version,
               std::string_view reason) override;
  void on_gone(bus::Watcher& watcher) override;

  config::ObjectSet set_;
  std::string generation_;  // empty: nothing was published
  std::set<bus::Watcher*> watchers_;
};

}  // namespace mesh::configd
