// Picker: which host of a cluster the next request goes to.
//
// One per worker and cluster, rebuilt when the endpoints change, told when
// health changes; what counts live requests belongs to the caller and outlives
// both. Algorithms and defaults are Envoy's (arch overview, "Load balancing"):
// only available hosts are used, unless fewer than the panic threshold are
// available: then all are, since a few survivors would drown.
// One thread. pick() allocates nothing and is O(1); O(log n) in a weighted
// round robin.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "balance/pick_context.h"
#include "base/random.h"

namespace mesh::balance {

struct Host {
  uint32_t weight = 1;    // 0 counts as 1
  bool available = true;  // healthy and not ejected
  // Requests in flight, read by least request only; may be null (counts as 0).
  // Of this worker or of all, as the caller keeps it. Outlives the picker.
  const std::atomic<uint32_t>* active = nullptr;
};

enum class Algorithm : uint8_t { RoundRobin, Random, LeastRequest };

struct Options {
  Algorithm algorithm = Algorithm::RoundRobin;
  // Least request: how many hosts are drawn, the least busy of which wins.
  uint32_t choices = 2;
  // Below this share of available hosts all are used; 0: never (what Istio's
  // minHealthPercent defaults to).
  uint32_t panic_percent = 50;
  // Where a round robin begins, so that workers do not march in step.
  uint64_t seed = 0;
};

class Picker {
 public:
  virtual ~Picker() = default;

  // A host, or kNoHost when none may be used (response flag UH). Hosts in
  // `tried` are avoided while another may be used (Envoy's previous_hosts
  // predicate, but certain instead of five draws); when all were tried, one of
  // them is given again. Keep `tried` short: it is searched linearly.
  HostIndex pick(Random& random, std::span<const HostIndex> tried = {});

  // Health of one host changed: O(n), not on the request's path.
  void set_available(HostIndex host, bool available);

  // In panic: less than panic_percent of the hosts are available.
  bool panic() const { return panic_; }
  size_t available() const { return available_; }
  size_t size() const { return hosts_.size(); }

 protected:
  Picker(std::vector<Host> hosts, const Options& options);

  // One of usable(), which is not empty.
  virtual HostIndex choose(Random& random) = 0;
  // usable() changed.
  virtual void rebuild() = 0;

  const Host& host(HostIndex i) const { return hosts_[i]; }
  uint32_t weight(HostIndex i) const { return hosts_[i].weight == 0 ? 1 : hosts_[i].weight; }
  // The hosts in use: the available ones, or all in panic.
  std::span<const HostIndex> usable() const { return usable_; }
  // All of usable() have one weight.
  bool uniform() const { return uniform_; }

 private:
  friend std::unique_ptr<Picker> make_picker(const Options&, std::vector<Host>);
  void refresh();

  std::vector<Host> hosts_;
  std::vector<HostIndex> usable_;
  const uint32_t panic_percent_;
  size_t available_ = 0;
  bool panic_ = false;
  bool uniform_ = true;
};

std::unique_ptr<Picker> make_picker(const Options& options, std::vector<Host> hosts);

}  // namespace mesh::balance
