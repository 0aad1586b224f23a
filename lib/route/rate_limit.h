// RateLimit: what of a request makes it one of many that are counted together.
//
// config.route.v3 RateLimit: actions give the entries of a descriptor; where one
// gives none, there is no descriptor. Descriptors are matched with those that a
// limit is configured for. Values; made by xds, evaluated by the filter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "resilience/policy.h"
#include "resilience/token_bucket.h"
#include "route/route.h"

namespace mesh::route {

struct RateLimitAction {
  enum class Kind : uint8_t {
    RequestHeader,  // the value of field `header`
    RemoteAddress,  // the client's address
    PeerIdentity,   // its verified SPIFFE id
    GenericKey,     // `value`, always
    FieldsMatch,    // `value`, where `match` holds, or does not (`expect`)
  } kind = Kind::GenericKey;
  std::string key{};
  std::string value{};
  std::string header{};         // lower-case
  bool skip_if_absent = false;  // the entry only, not the descriptor
  bool expect = true;
  Match match{};  // its fields
};

struct RateLimitActions {
  uint32_t stage = 0;
  std::vector<RateLimitAction> actions;
};

struct RateLimitEntry {
  std::string key;
  std::string value;  // empty: any, each with a bucket of its own
  bool operator==(const RateLimitEntry&) const = default;
};

struct RateLimitDescriptor {
  std::vector<RateLimitEntry> entries;
  resilience::TokenRate rate;
};

// The local rate limit filter's.
struct LocalRateLimit {
  std::string stat_prefix{};
  uint16_t status = 429;
  bool resource_exhausted = false;  // of gRPC, instead of UNAVAILABLE
  bool has_bucket = false;
  resilience::TokenRate bucket{};
  resilience::Fraction enabled{};   // of the requests; Envoy's default is none
  resilience::Fraction enforced{};  // of those
  std::vector<std::pair<std::string, std::string>> response_headers{};
  std::vector<RateLimitDescriptor> descriptors{};
  bool always_take_default = true;
  bool rate_headers = false;  // x-ratelimit-*, and retry-after when refused
  uint32_t buckets_max = 20;  // of each descriptor with a value that is any
  std::vector<RateLimitActions> actions{};
  std::string fingerprint{};  // equal for what was configured equally
};

}  // namespace mesh::route
