#include "balance/hash_picker.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mesh::balance {

void HashPicker::rebuild() {
  sum_ = 0;
  for (const Member& m : members_) sum_ += m.weight;
}

std::shared_ptr<const HashTable> HashPicker::table(Algorithm algorithm) const {
  if (tables_ != nullptr) return tables_->find(algorithm, options_, members_);
  HashTables alone;
  return alone.find(algorithm, options_, members_);
}

HostIndex HashPicker::choose(Random&, uint64_t hash, uint32_t attempt) {
  const size_t first = place(hash, attempt);
  if (options_.hash_balance_factor == 0) return members_[first].host;
  return members_[bounded(first, hash)].host;
}

double HashPicker::overload(const Member& member, uint64_t total) const {
  const double slots = double(((total + 1) * options_.hash_balance_factor + 99) / 100);
  return double(member.load()) / std::max(std::ceil(slots * member.weight / sum_), 1.0);
}

size_t HashPicker::bounded(size_t first, uint64_t hash) const {
  uint64_t total = 0;
  for (const Member& m : members_) total += m.load();
  double least = overload(members_[first], total);
  if (least < 1) return first;
  size_t best = first;
  // All places once, in an order of the hash's own: start + k * step, the step
  // having no factor in common with the number of places.
  const size_t n = members_.size();
  const size_t start = size_t((hash >> 32) % n);
  size_t step = size_t(hash % n);
  while (std::gcd(step, n) != 1) ++step;
  for (size_t i = 0, at = start; i < n; ++i, at = (at + step) % n) {
    if (at == first) continue;
    const double load = overload(members_[at], total);
    if (load < 1) return at;
    if (load < least) {
      least = load;
      best = at;
    }
  }
  return best;
}

}  // namespace mesh::balance
