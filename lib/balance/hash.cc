#include "balance/hash.h"

#include <xxhash.h>

namespace mesh::balance {

uint64_t hash64(std::string_view text, uint64_t seed) {
  return XXH64(text.data(), text.size(), seed);
}

}  // namespace mesh::balance
