// hash64: the hash of keys and requests: xxHash64, as Envoy has it, so that a stock
// Envoy and we place a key on the same host. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace mesh::balance {

uint64_t hash64(std::string_view text, uint64_t seed = 0);

}  // namespace mesh::balance
