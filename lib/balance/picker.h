// Picker: which of a set of hosts is next, by one algorithm.
//
// Knows neither health nor priorities: those decide the set (Balancer). One a set
// and worker; what counts live requests belongs to the caller and outlives it.
// One thread. choose() allocates nothing; its cost is with each algorithm.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "balance/options.h"
#include "balance/pick_context.h"
#include "base/random.h"

namespace mesh::balance {

struct Member {
  HostIndex host = 0;
  double weight = 1;  // over 0
  // Requests in flight; may be null (counts as 0). Of this worker or of all, as
  // the caller keeps it.
  const std::atomic<uint32_t>* active = nullptr;
  std::string_view key = {};  // what consistent hashing knows the host by

  uint64_t load() const { return active == nullptr ? 0 : active->load(std::memory_order_relaxed); }
};

class Picker {
 public:
  virtual ~Picker() = default;

  // At least one member. O(n), or more with a table: not on a request's path.
  void set_members(std::vector<Member> members);
  std::span<const Member> members() const { return members_; }
  // The members are the same, in the same order; their weights grew.
  virtual void reweigh(std::span<const double> weights);

  // A host of the set. `hash` is the request's, chance where it has none, and read
  // by consistent hashing only, where `attempt` (from 0) moves on from a host that
  // was tried.
  virtual HostIndex choose(Random& random, uint64_t hash, uint32_t attempt) = 0;

 protected:
  // members() changed.
  virtual void rebuild() = 0;
  // All members have one weight.
  bool uniform() const { return uniform_; }

  std::vector<Member> members_;
  bool uniform_ = true;
};

std::unique_ptr<Picker> make_picker(const Options& options);

}  // namespace mesh::balance
