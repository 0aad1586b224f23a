// HostSet: hosts of a cluster by priority, locality and health, and which of these
// the next request goes to.
//
// All hosts of a cluster, or those of a subset. The algorithm runs over what a
// priority (PriorityLoad), its panic, its localities (weighted or zone-aware) leave.
// One thread. pick() allocates nothing, but at the first pick after a change and,
// while a host warms, every hundredth of the window at most: then it is O(n).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "balance/deadline_heap.h"
#include "balance/host.h"
#include "balance/options.h"
#include "balance/pick_context.h"
#include "balance/picker.h"
#include "balance/priority_load.h"
#include "balance/zone_routing.h"
#include "base/random.h"

namespace mesh::balance {

// What host sets of a cluster share; outlives them.
struct Hosts {
  Options options;
  std::vector<Host> all;
  std::vector<Group> groups;
  Callers callers;
  Stats stats;
};

class HostSet {
 public:
  // Of the members, which are indices into hosts.all.
  HostSet(Hosts& hosts, LocalityMode locality, std::vector<HostIndex> members);

  // Health, weights or callers changed: the next pick sees to it.
  void changed() { stale_ = true; }

  // kNoHost: nobody may be used.
  HostIndex pick(Random& random, const PickContext& context, Instant now);

  // Of each priority, as of the last pick.
  std::span<const PriorityShare> shares() const { return shares_; }
  bool empty() const { return members_.empty(); }

 private:
  // Hosts the algorithm runs over; no picker: there are none.
  struct Pool {
    std::unique_ptr<Picker> picker;
  };
  struct Side {  // the healthy hosts of a priority, or the degraded ones
    Pool whole;
    std::vector<Pool> by_group;  // where localities are told apart
    DeadlineHeap order;          // of weighted localities
    std::vector<uint32_t> heap_groups;
    bool has_localities = false;
  };
  struct Level {
    std::vector<uint32_t> groups;
    std::vector<std::vector<HostIndex>> hosts;  // of each of the groups
    Side healthy;
    Side degraded;
    Pool all;  // in panic
    ZoneRouting zone;
    bool zoned = false;
  };

  void refresh(Instant now);
  void refresh_level(Level& level, const PriorityShare& share);
  void refresh_side(Level& level, Side& side, Health health);
  void refresh_zone(Level& level);
  PriorityHealth health_of(const Level& level) const;
  void warm(Instant now);
  void fill(Pool& pool, std::vector<Member> members);
  std::vector<Member> members_of(const Level& level, size_t group, const Health* health) const;
  std::vector<Member> members_of(const Level& level, const Health* health) const;
  double locality_weight(const Level& level, size_t group, Health health) const;
  Pool* choose_pool(Random& random, uint64_t roll);
  Pool* choose_other_pool(Random& random, uint64_t roll, std::span<const HostIndex> left);
  Pool* choose_locality(Level& level, Side& side, Random& random);
  HostIndex another(Picker& picker, Random& random, uint64_t hash,
                    std::span<const HostIndex> tried) const;

  Hosts& hosts_;
  const LocalityMode locality_;
  const std::vector<HostIndex> members_;
  Random random_;
  std::vector<Level> levels_;
  std::vector<PriorityShare> shares_;
  std::vector<double> weights_;  // of all hosts, slow start applied
  Pool* sole_ = nullptr;         // where nothing is to be chosen before the algorithm
  bool stale_ = true;
  bool hashes_ = false;
  Instant next_warming_ = Instant::max();
};

}  // namespace mesh::balance
