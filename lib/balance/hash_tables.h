// HashTables: the tables of consistent hashing, shared by the workers that come to
// the same: a ring or a Maglev table is large, and const.
//
// Found by all that it depends on, and kept as long as somebody uses it. Any
// thread; find() locks, and builds what is new under the lock, since whoever waits
// wants the same.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "balance/picker.h"

namespace mesh::balance {

// Over members by their place in the set.
struct HashTable {
  struct Point {
    uint64_t hash;
    uint32_t member;
  };
  std::vector<Point> ring;      // ring hash: in order of hash
  std::vector<uint32_t> slots;  // Maglev
};

// Envoy's ring: each member has points in proportion to its weight, the hashes of
// "KEY_0", "KEY_1", ...; the lightest a whole number of them, as long as the ring
// stays under its maximum.
HashTable make_ring(std::span<const Member> members, uint64_t minimum_size, uint64_t maximum_size);

// Envoy's Maglev table: members in order of key fill a table of `size` (a prime)
// in turns, by weight the heavier more often, each along its own permutation
// (Eisenbud et al., "Maglev", 3.4).
HashTable make_maglev(std::span<const Member> members, uint32_t size);

class HashTables {
 public:
  std::shared_ptr<const HashTable> find(Algorithm algorithm, const HashOptions& options,
                                        std::span<const Member> members);

 private:
  struct Known {
    Algorithm algorithm;
    HashOptions options;
    std::vector<std::pair<std::string, double>> members;
    std::weak_ptr<const HashTable> table;
  };
  std::mutex mutex_;
  std::vector<Known> known_;
};

}  // namespace mesh::balance
