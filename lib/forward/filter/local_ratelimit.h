// LocalRateLimit: so many requests, over all workers of the process; the others
// are refused (429, flag RL, details local_rate_limited).
//
// Envoy's local rate limit filter: a default bucket, and one for each descriptor
// that the request's actions make. A descriptor with an entry of any value has a
// bucket for each value, in a table of bounded size. A request must find a token
// in all that it meets; what it took is given back where it does not.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "forward/filter/filter.h"
#include "resilience/bucket_table.h"
#include "route/rate_limit.h"

namespace mesh::forward::filter {

// What all workers share of one limit. The counts stand beside the bucket, whose
// line is written anyway.
struct alignas(64) RateLimitState {
  resilience::TokenBucket bucket;
  std::atomic<uint64_t> ok{0};
  std::atomic<uint64_t> limited{0};   // no token, refused or not
  std::atomic<uint64_t> enforced{0};  // refused
  struct Descriptor {
    resilience::TokenBucket bucket;
    std::unique_ptr<resilience::BucketTable> table;  // where an entry is of any value
  };
  std::vector<Descriptor> descriptors;  // as configured
};

std::shared_ptr<RateLimitState> make_state(const route::LocalRateLimit& config, Random& random);

class LocalRateLimit final : public Filter {
 public:
  // Null where it is not enabled, or limits nothing.
  static std::shared_ptr<const Filter> make(std::shared_ptr<const route::LocalRateLimit> config,
                                            std::shared_ptr<RateLimitState> state);

  LocalRateLimit(std::shared_ptr<const route::LocalRateLimit> config,
                 std::shared_ptr<RateLimitState> state, unsigned used)
      : Filter(used), config_(std::move(config)), state_(std::move(state)) {}

  Verdict on_request(Context& context, Slot& slot) const override;
  void on_response(Context& context, Slot& slot, http::ResponseHead& head) const override;

 private:
  struct Bucket {
    resilience::TokenBucket* bucket;
    const resilience::TokenRate* rate;
  };
  static constexpr size_t kBucketsMax = 32;  // that one request may meet
  struct Buckets {
    std::array<Bucket, kBucketsMax> list;
    size_t size = 0;
    void add(Bucket bucket) {
      if (size < list.size()) list[size++] = bucket;
    }
  };

  struct Entry {
    std::string_view key, value;
  };
  void add_descriptors(Context& context, Buckets& into) const;
  // Those that the configuration has for these entries.
  void find(std::span<const Entry> entries, Instant now, Buckets& into) const;
  static bool value_of(Context& context, const route::RateLimitAction& action,
                       std::string_view& value);
  bool take_all(const Buckets& buckets, Context& context, Slot& slot) const;
  Verdict refuse(Context& context, const Slot& slot) const;

  const std::shared_ptr<const route::LocalRateLimit> config_;
  const std::shared_ptr<RateLimitState> state_;
};

}  // namespace mesh::forward::filter
