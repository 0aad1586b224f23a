// View: a snapshot as one worker uses it: its clusters with their pickers, its
// telemetry scopes.
//
// Pinned by connections and exchanges through references that are not atomic;
// the exchange that began under a configuration ends under it. One thread.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/random.h"
#include "forward/local.h"
#include "forward/snapshot.h"
#include "telemetry/registry.h"
#include "upstream/cluster.h"

namespace mesh::forward {

class View {
 public:
  // The worker, which owns views.
  class Owner {
   public:
    // Nobody refers to it any more: destroy it, not before the turn ends.
    virtual void on_view_unused(View& view) = 0;
    // It is gone: the snapshot is not looked at again.
    virtual void on_view_destroyed(const Snapshot& snapshot) = 0;

   protected:
    ~Owner() = default;
  };

  // All outlive us, the snapshot until on_view_destroyed().
  View(const Snapshot& snapshot, upstream::EndpointTable& endpoints, telemetry::Registry& registry,
       const Local& local, Random& random, Owner& owner);
  ~View();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  struct Entry {
    std::unique_ptr<upstream::Cluster> cluster;
    // By whether the listener is inbound: which side reports. Lives as long as
    // the registry.
    telemetry::Scope* scopes[2] = {nullptr, nullptr};
  };

  const Snapshot& snapshot() const { return snapshot_; }
  // Null where the configuration has no such cluster. No allocation.
  Entry* find(std::string_view cluster);
  // Its cold clusters that are not cold in `now` are so here too, and those that are not there are
  // cold no more: who waits for them goes on. `now` null: so it is with all. Retain the view
  // meanwhile.
  void warm_up(const Snapshot* now);
  // As find(), for what a route of the snapshot names; hashed for the first of requests only.
  Entry* find(const route::WeightedCluster& destination);
  telemetry::Scope& scope(Entry& entry, bool inbound);
  // Of requests that reached no cluster.
  telemetry::Scope& no_cluster(bool inbound);
  // What tags of metrics need of each request; null: nothing.
  const std::vector<telemetry::TagValue>* tag_values(bool inbound) const {
    return tag_values_[inbound ? 1 : 0];
  }

  void retain() { ++references_; }
  void release();

 private:
  telemetry::Labels labels(const upstream::ClusterSpec* cluster, bool inbound) const;

  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };

  const Snapshot& snapshot_;
  telemetry::Registry& registry_;
  const Local& local_;
  Random& random_;
  Owner& owner_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> clusters_;
  std::vector<upstream::Cluster*> cold_;
  // Of the destinations asked for last, by their address.
  struct Known {
    const route::WeightedCluster* destination = nullptr;
    Entry* entry = nullptr;
  };
  std::array<Known, 64> known_;
  telemetry::Scope* no_cluster_[2] = {nullptr, nullptr};
  const std::vector<telemetry::TagValue>* tag_values_[2] = {nullptr, nullptr};
  uint32_t references_ = 0;
};

}  // namespace mesh::forward
