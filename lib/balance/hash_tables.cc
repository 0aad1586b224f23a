#include "balance/hash_tables.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "balance/hash.h"

namespace mesh::balance {
namespace {

double sum_of(std::span<const Member> members) {
  double sum = 0;
  for (const Member& m : members) sum += m.weight;
  return sum;
}

HashTable make(Algorithm algorithm, const HashOptions& options, std::span<const Member> members) {
  return algorithm == Algorithm::RingHash
             ? make_ring(members, options.minimum_ring_size, options.maximum_ring_size)
             : make_maglev(members, options.table_size);
}

}  // namespace

HashTable make_ring(std::span<const Member> members, uint64_t minimum_size, uint64_t maximum_size) {
  const double sum = sum_of(members);
  double least = 1;
  for (const Member& m : members) least = std::min(least, m.weight / sum);
  const double scale =
      std::min(std::ceil(least * double(minimum_size)) / least, double(maximum_size));
  HashTable table;
  table.ring.reserve(size_t(std::ceil(scale)));
  // Sums over all members, so that fractions of points are not lost.
  double wanted = 0;
  std::string key;
  for (uint32_t i = 0; i < members.size(); ++i) {
    wanted += scale * (members[i].weight / sum);
    key.assign(members[i].key).push_back('_');
    const size_t stem = key.size();
    for (uint64_t n = 0; double(table.ring.size()) < wanted; ++n) {
      key.resize(stem);
      key += std::to_string(n);
      table.ring.push_back({hash64(key), i});
    }
  }
  std::sort(table.ring.begin(), table.ring.end(), [](const auto& a, const auto& b) {
    return a.hash != b.hash ? a.hash < b.hash : a.member < b.member;
  });
  return table;
}

HashTable make_maglev(std::span<const Member> members, uint32_t size) {
  struct Turn {
    uint32_t member;
    uint64_t at;
    uint64_t skip;
    double weight;
    double target;
  };
  std::vector<Turn> turns;
  const double sum = sum_of(members);
  double most = 0;
  for (uint32_t i = 0; i < members.size(); ++i) {
    const Member& m = members[i];
    turns.push_back(
        {i, hash64(m.key) % size, hash64(m.key, 1) % (size - 1) + 1, m.weight / sum, 0});
    most = std::max(most, m.weight / sum);
  }
  std::sort(turns.begin(), turns.end(), [&](const Turn& a, const Turn& b) {
    return members[a.member].key < members[b.member].key;
  });
  constexpr uint32_t kFree = UINT32_MAX;
  HashTable table;
  table.slots.assign(size, kFree);
  uint32_t filled = 0;
  for (uint32_t round = 1; filled < size; ++round) {
    for (Turn& turn : turns) {
      if (filled == size) break;
      if (round * turn.weight < turn.target) continue;
      turn.target += most;
      while (table.slots[turn.at] != kFree) turn.at = (turn.at + turn.skip) % size;
      table.slots[turn.at] = turn.member;
      ++filled;
    }
  }
  return table;
}

std::shared_ptr<const HashTable> HashTables::find(Algorithm algorithm, const HashOptions& options,
                                                  std::span<const Member> members) {
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [](const Known& k) { return k.table.expired(); });
  for (const Known& known : known_) {
    const bool same = known.algorithm == algorithm && known.options == options &&
                      std::equal(known.members.begin(), known.members.end(), members.begin(),
                                 members.end(), [](const auto& a, const Member& b) {
                                   return a.first == b.key && a.second == b.weight;
                                 });
    if (!same) continue;
    if (auto table = known.table.lock()) return table;
  }
  auto table = std::make_shared<const HashTable>(make(algorithm, options, members));
  Known& known = known_.emplace_back(Known{algorithm, options, {}, table});
  for (const Member& m : members) known.members.emplace_back(m.key, m.weight);
  return table;
}

}  // namespace mesh::balance
