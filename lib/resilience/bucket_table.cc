#include "resilience/bucket_table.h"

#include <algorithm>
#include <cstring>

namespace mesh::resilience {
namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return uint64_t(product) ^ uint64_t(product >> 64);
}

size_t slots_for(uint32_t buckets) {
  return std::bit_ceil(
      size_t(std::clamp(buckets, uint32_t(BucketTable::kPlaces), BucketTable::kBucketsMax)));
}

}  // namespace

BucketTable::BucketTable(uint32_t buckets, uint64_t secret)
    : secret_(secret | 1),
      mask_(slots_for(buckets) - 1),
      slots_(std::make_unique<Slot[]>(mask_ + 1)) {}

uint64_t BucketTable::hash(std::string_view value) const {
  uint64_t h = mix(secret_, value.size() + 0x9e3779b97f4a7c15ULL);
  while (!value.empty()) {
    uint64_t word = 0;
    const size_t n = std::min<size_t>(value.size(), sizeof word);
    std::memcpy(&word, value.data(), n);
    h = mix(h ^ word ^ 0xa0761d6478bd642fULL, secret_ ^ 0xe7037ed1a0b428dbULL) + n;
    value.remove_prefix(n);
  }
  h = mix(h ^ secret_, 0x8ebc6af09c88c6e3ULL);
  return h == 0 ? 1 : h;
}

TokenBucket& BucketTable::find(std::string_view value, const TokenRate& rate, Instant now) {
  const uint64_t mine = hash(value);
  Slot* fullest = nullptr;
  uint32_t most = 0;
  for (size_t i = 0; i < kPlaces; ++i) {
    Slot& slot = slots_[(mine + i) & mask_];
    uint64_t seen = slot.hash.load(std::memory_order_relaxed);
    if (seen == 0 && slot.hash.compare_exchange_strong(seen, mine, std::memory_order_relaxed))
      return slot.bucket;
    if (seen == mine) return slot.bucket;
    const uint32_t tokens = slot.bucket.tokens(rate, now);
    if (fullest == nullptr || tokens > most) {
      fullest = &slot;
      most = tokens;
    }
  }
  fullest->hash.store(mine, std::memory_order_relaxed);
  fullest->bucket.reset();
  return fullest->bucket;
}

}  // namespace mesh::resilience
