// BucketTable: a token bucket for each value of a key that clients choose.
//
// A table of fixed size: where a value's places are taken by others, the fullest
// of them goes, since it remembers least. Values are known by a keyed 64-bit
// hash. No lock, no allocation after the beginning; any thread.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <string_view>

#include "resilience/token_bucket.h"

namespace mesh::resilience {

class BucketTable {
 public:
  static constexpr uint32_t kBucketsMax = 1U << 20;
  static constexpr size_t kPlaces = 8;  // that a value may have

  // Room for at least `buckets`; `secret` is of chance, so that nobody can choose
  // values that fall together.
  BucketTable(uint32_t buckets, uint64_t secret);

  // The bucket of the value. Valid as long as the table; another value may take
  // its place at any time.
  TokenBucket& find(std::string_view value, const TokenRate& rate, Instant now);

  size_t size() const { return mask_ + 1; }

 private:
  struct Slot {
    std::atomic<uint64_t> hash{0};  // 0: nobody's
    TokenBucket bucket;
  };

  uint64_t hash(std::string_view value) const;

  const uint64_t secret_;
  const size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
};

}  // namespace mesh::resilience
