// JwtAuthn: tokens that requests bring are verified; those that are not right are
// refused: 401 (403 for an audience), Envoy's texts, details
// jwt_authn_access_denied{TEXT}. What good ones say is known to policies.
//
// Envoy's filter of that name. Verified tokens are remembered by each worker.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "forward/filter/filter.h"
#include "forward/filter/jwt_cache.h"
#include "forward/filter/sharded_counts.h"
#include "xds/jwt_authn.h"

namespace mesh::forward::filter {

// What all workers and configurations share of one filter.
struct JwtCounts {
  enum Which : size_t { Allowed, Denied, PreflightBypassed, CacheHit, CacheMiss, kCount };
  ShardedCounts<kCount> counts;
};

class JwtAuthnFilter final : public Filter {
 public:
  // Null where no rule is configured. `config` holds an xds::JwtAuthn.
  static std::shared_ptr<const Filter> make(std::shared_ptr<const xds::JwtAuthn> config,
                                            std::shared_ptr<JwtCounts> counts);

  JwtAuthnFilter(std::shared_ptr<const xds::JwtAuthn> config, std::shared_ptr<JwtCounts> counts)
      : Filter(kRequest | kWall | kGuard | (clears_route(*config) ? kReroute : 0U)),
        config_(std::move(config)),
        counts_(std::move(counts)) {}

  Verdict on_request(Context& context, Slot& slot) const override;

 private:
  // Of one worker.
  struct State {
    State(size_t entries_max, size_t token_bytes_max) : cache(entries_max, token_bytes_max) {}
    JwtCache cache;
    // Of the present request: policies behind us look at them.
    std::vector<std::shared_ptr<const identity::Jwt>> held;
  };
  // What is known of each provider's tokens in one request.
  struct Outcome {
    std::optional<identity::JwtStatus> status;
    std::shared_ptr<const identity::Jwt> jwt;  // where it is Ok
  };
  struct Place;
  class Judge;
  static constexpr size_t kWorkersMax = 64;

  static bool clears_route(const xds::JwtAuthn& config);
  State& state() const;
  // Whether there was something.
  bool clean(http::Fields& fields) const;
  Verdict refuse(Context& context, identity::JwtStatus status) const;

  const std::shared_ptr<const xds::JwtAuthn> config_;
  const std::shared_ptr<JwtCounts> counts_;
  // Each is made and used by the worker of its thread_slot() alone.
  mutable std::array<std::unique_ptr<State>, kWorkersMax> states_;
};

}  // namespace mesh::forward::filter
