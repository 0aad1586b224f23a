#include "balance/round_robin.h"

#include <utility>

namespace mesh::balance {
namespace {

bool before(double at_a, HostIndex a, double at_b, HostIndex b) {
  return at_a != at_b ? at_a < at_b : a < b;
}

// Times are moved back to the origin before their steps get lost in rounding.
constexpr double kRebaseAt = 1e6;

}  // namespace

RoundRobin::RoundRobin(std::vector<Host> hosts, const Options& options)
    : Picker(std::move(hosts), options), next_(options.seed), seed_(options.seed) {}

void RoundRobin::rebuild() {
  heap_.clear();
  if (uniform()) return;
  // Each begins somewhere in its own period: after a change of hosts the heavy
  // one is not always first, nor are all workers in step.
  Random random(++seed_);
  heap_.reserve(usable().size());
  for (const HostIndex i : usable()) heap_.push_back({random.unit() / weight(i), i});
  for (size_t i = heap_.size() / 2; i-- > 0;) sift_down(i);
}

HostIndex RoundRobin::choose(Random&) {
  if (uniform()) return usable()[size_t(next_++ % usable().size())];
  Due& first = heap_.front();
  const HostIndex picked = first.host;
  const double now = first.at;
  first.at += 1.0 / weight(picked);
  sift_down(0);
  if (now > kRebaseAt)
    for (Due& due : heap_) due.at -= now;
  return picked;
}

void RoundRobin::sift_down(size_t i) {
  for (;;) {
    size_t least = i;
    for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap_.size(); ++child)
      if (before(heap_[child].at, heap_[child].host, heap_[least].at, heap_[least].host))
        least = child;
    if (least == i) return;
    std::swap(heap_[i], heap_[least]);
    i = least;
  }
}

}  // namespace mesh::balance
