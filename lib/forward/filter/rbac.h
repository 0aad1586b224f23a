// Rbac: whoever no policy allows, or one denies, is refused: 403, "RBAC: access denied",
// details rbac_access_denied_matched_policy[NAME].
//
// Envoy's filters of that name, for requests and for connections. The identity that is
// judged is that of the peer's verified certificate.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "authz/rules.h"
#include "forward/filter/filter.h"
#include "forward/filter/sharded_counts.h"

namespace mesh::forward::filter {

// What all workers and configurations share of one filter.
struct RbacCounts {
  enum Which : size_t { Allowed, Denied, Logged, ShadowAllowed, ShadowDenied, kCount };
  ShardedCounts<kCount> counts;
};

// Judges by the shadow rules, then by those in force, and counts. The details of a
// refusal, of the configuration; empty: it passes. What the shadow rules say is added to
// `shadow`, which may be null.
std::string_view judge(const authz::Rbac& config, const authz::Request& request, RbacCounts& counts,
                       std::vector<authz::ShadowVerdict>* shadow);

class RbacFilter final : public Filter {
 public:
  // Null without any rules. `config` holds an authz::Rbac.
  static std::shared_ptr<const Filter> make(std::shared_ptr<const authz::Rbac> config,
                                            std::shared_ptr<RbacCounts> counts);

  RbacFilter(std::shared_ptr<const authz::Rbac> config, std::shared_ptr<RbacCounts> counts,
             unsigned used)
      : Filter(used), config_(std::move(config)), counts_(std::move(counts)) {}

  Verdict on_request(Context& context, Slot& slot) const override;

 private:
  const std::shared_ptr<const authz::Rbac> config_;
  const std::shared_ptr<RbacCounts> counts_;
};

}  // namespace mesh::forward::filter
