// Run: the filters of one exchange, and what they remember of it.
//
// Made when an exchange first meets a plan and used again by those that follow.
// One thread.
#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "forward/filter/filter.h"
#include "forward/filter/pipeline.h"

namespace mesh::forward::filter {

class Run {
 public:
  static constexpr size_t kFiltersMax = 32;  // of a chain, as xds/decode has it

  // `plan` outlives the exchange.
  void begin(const Plan& plan) {
    plan_ = &plan;
    entered_ = 0;
    cluster_ = {};
    answer_.clear();
    claims_.clear();
    shadow_.clear();
  }
  // The route is another one, with `plan`, or none where it is null: what has run stays in
  // force, and of the plan what stands behind that comes next. `guards_only` as it was in
  // on_early_request().
  void follow(const Plan* plan, bool guards_only);
  bool active() const { return plan_ != nullptr; }
  unsigned hooks() const { return plan_->hooks; }
  http::Fields& answer() { return answer_; }
  // That a filter diverts the request to; empty: the route's.
  std::string_view cluster() const { return cluster_; }

  // What verified tokens of the request say.
  std::vector<route::TokenClaims>& claims() { return claims_; }
  // What shadow rules say of it.
  std::vector<authz::ShadowVerdict>& shadow() { return shadow_; }

  // The first verdict that answers or asks, or none. Goes on from where it was.
  Verdict on_request(Context& context) { return run(context, false, false); }
  // The same, where a filter may ask for another route: then that verdict. `guards_only`: of the
  // others nothing happens, while there is no route.
  Verdict on_early_request(Context& context, bool guards_only) {
    return run(context, true, guards_only);
  }
  // The same of guards alone, which do not count as entered.
  Verdict on_guard(Context& context) const;
  // The first that does not pass.
  Verdict on_try(Context& context);
  void on_response(Context& context, http::ResponseHead& head);
  // Not active after it.
  void on_end(const End& end, Instant now);

 private:
  Verdict run(Context& context, bool early, bool guards_only);

  const Plan* plan_ = nullptr;
  size_t entered_ = 0;  // so many had their on_request()
  std::string_view cluster_;
  http::Fields answer_;
  std::vector<route::TokenClaims> claims_;
  std::vector<authz::ShadowVerdict> shadow_;
  std::array<Slot, kFiltersMax> slots_;
  std::unique_ptr<const Plan> joined_;  // of two routes; few requests have it
};

}  // namespace mesh::forward::filter
