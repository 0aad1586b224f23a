// Balancer: which host of a cluster the next request goes to.
//
// One per worker and cluster, made anew when the endpoints change, told when
// health changes. A sticky session's host comes first, then the subset that the
// route asks for, then HostSet. One thread; pick() as HostSet's.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "balance/config.h"
#include "balance/host_set.h"

namespace mesh::balance {

class Balancer {
 public:
  // At most kNoHost hosts; their groups are indices into `groups`.
  Balancer(Config config, std::vector<Host> hosts, std::vector<Group> groups);
  ~Balancer();
  Balancer(const Balancer&) = delete;
  Balancer& operator=(const Balancer&) = delete;

  // A host, or kNoHost when none may be used (response flag UH).
  HostIndex pick(Random& random, const PickContext& context, Instant now);

  // O(1); the next pick is O(n).
  void set_health(HostIndex host, Health health);
  void set_up_since(HostIndex host, Instant up_since);
  void set_callers(Callers callers);

  size_t size() const { return hosts_.all.size(); }
  const Host& host(HostIndex i) const { return hosts_.all[i]; }
  // Of each priority of the whole cluster, as of the last pick.
  std::span<const PriorityShare> shares() const { return whole_.shares(); }
  const Stats& stats() const { return hosts_.stats; }

 private:
  HostIndex find_override(const PickContext& context);
  HostSet* find_subset(const Metadata* subset);
  void build_subsets();
  void changed();

  struct Hash {
    size_t operator()(const Metadata& metadata) const;
  };

  const Config config_;
  Hosts hosts_;
  HostSet whole_;
  std::unordered_map<Metadata, std::unique_ptr<HostSet>, Hash> subsets_;
  std::unique_ptr<HostSet> default_subset_;
  std::unordered_map<std::string_view, HostIndex> by_address_;  // made at first use
};

}  // namespace mesh::balance
